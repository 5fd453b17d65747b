import { DAY_MS, formatDuration } from '#kernel/time.ts'
import type { Capability } from '#protocol/capability.ts'
import type { Node, NodeReputation } from '#protocol/node.ts'
import type { NodeHardware } from '#protocol/node-hardware.ts'
import { formatAge, formatCount, formatMoney, formatTime } from './format.ts'

type Field = readonly [name: string, value: string]

/** Everything about one node, a line each; what is not known or does not apply is left out. */
export function nodeFields(node: Node, nowMs: number): Field[] {
  return [
    ['node', node.nodeId],
    ['name', node.name],
    ['organisation', node.organisationId],
    ['state', stateText(node, nowMs)],
    ...(node.bannedReason === null ? [] : [['banned', node.bannedReason] as const]),
    ...(node.barred ? [['barred', node.barred.message] as const] : []),
    ['class', node.nodeClass],
    ...(node.hardware ? proofFields(node.hardware, nowMs) : []),
    ...(node.reputation ? reputationFields(node.reputation, nowMs - node.enrolledAtMs) : []),
    ['enrolled', `${formatTime(node.enrolledAtMs)} UTC`],
    ['ask per GPU-hour', formatMoney(node.askPerGpuHour)],
    ['public key', node.publicKey],
    ...(node.capability ? capabilityFields(node.capability) : [['hardware', 'not reported yet'] as const]),
  ]
}

/** Before so much time has passed, how long it stays is what such nodes do, and not what it did. */
const KNOWN_MS = DAY_MS

function reputationFields(reputation: NodeReputation, knownMs: number): Field[] {
  const { standing, successLcb, answers, failures, speedRatio, availability, survival1h, reasons } =
    reputation
  const percent = (share: number): string => `${Math.round(100 * share)} %`
  return [
    ['standing', percent(standing)],
    [
      'answers',
      `${formatCount(answers)} given, ${formatCount(failures)} failed; ${percent(successLcb)} can be relied on`,
    ],
    ...(speedRatio === null ? [] : [['speed', `${percent(speedRatio)} of its own benchmark`] as const]),
    ...(availability === null ? [] : [['here', hereText(percent(availability), knownMs)] as const]),
    ...(survival1h === 0
      ? []
      : [
          [
            'stays an hour',
            `${percent(survival1h)} likely${knownMs < KNOWN_MS ? ', as expected of a new node' : ''}`,
          ] as const,
        ]),
    ...reasons.flatMap(({ message, wayBack }): Field[] => [
      ['why', message],
      ['way back', wayBack],
    ]),
  ]
}

const hereText = (share: string, knownMs: number): string =>
  knownMs < KNOWN_MS
    ? `${share} of the ${formatDuration(Math.max(0, knownMs))} since it joined`
    : `${share} of the last weeks`

/** What it proved of its hardware, a line for each device. */
const proofFields = ({ devices, unprovableCards, quarantine }: NodeHardware, nowMs: number): Field[] => [
  ...devices.map(({ deviceId, isProven, provenAtMs, computeMs, failure }): Field => {
    const proof = isProven
      ? `proven ${formatAge(provenAtMs ?? nowMs, nowMs)}, in ${formatCount(Math.round(computeMs ?? 0))} ms`
      : 'not proven'
    return [
      `proof of ${deviceId}`,
      failure ? `${proof}; the last one did not hold: ${failure.detail}` : proof,
    ]
  }),
  ...unprovableCards.map((cardId): Field => ['no proof of', `${cardId}: nothing here can compute one`]),
  ...(quarantine ? [['quarantine', quarantine.detail] as const] : []),
]

function stateText(node: Node, nowMs: number): string {
  const reason = node.lossReason === null ? '' : ` (${node.lossReason.replaceAll('_', ' ')})`
  const drained = node.isDrained ? ', drained' : ''
  return `${node.presence}${reason}${drained}, since ${formatAge(node.presenceSinceMs, nowMs)}`.replace(
    /since (.*) ago$/,
    'for $1',
  )
}

const capabilityFields = (capability: Capability): Field[] => [
  ['agent', `${capability.agentVersion}, on ${capability.osName}`],
  ['cpu', `${capability.cpu.model}, ${capability.cpu.cores} cores`],
  ['memory', `${formatCount(capability.memoryMib)} MiB`],
  ['disk free', `${formatCount(capability.diskFreeMib)} MiB`],
  ...capability.gpus.map((gpu): Field => {
    const health = gpu.healthy ? '' : `, unhealthy: ${gpu.unhealthyReason ?? 'no reason given'}`
    return [`gpu ${gpu.index}`, `${gpu.name}, ${formatCount(gpu.vramMib)} MiB${health}`]
  }),
  ...(capability.computesOn ? [['computes on', capability.computesOn] as const] : []),
  ...(capability.powerWatts === null ? [] : [['power', `${capability.powerWatts} W measured`] as const]),
  ...capability.problems.map((problem): Field => ['problem', problem]),
]
