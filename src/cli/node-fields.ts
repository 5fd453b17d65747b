import type { Capability } from '#protocol/capability.ts'
import type { Node } from '#protocol/node.ts'
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
    ['class', node.nodeClass],
    ['enrolled', `${formatTime(node.enrolledAtMs)} UTC`],
    ['ask per GPU-hour', formatMoney(node.askPerGpuHour)],
    ['public key', node.publicKey],
    ...(node.capability ? capabilityFields(node.capability) : [['hardware', 'not reported yet'] as const]),
  ]
}

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
