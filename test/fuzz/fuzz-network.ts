/** A network to be fuzzed, every surface of it, and what it looks like from outside meanwhile. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tinyGguf } from '#engines/llama-cpp/tiny-gguf.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { enrolmentText } from '#protocol/enrolment.ts'
import { secretOf } from '#protocol/join-token.ts'
import { groupMembers } from '../e2e/process-group.ts'
import { type Network, type Rig, startNetwork, tinyModel } from '../e2e/rig.ts'
import { routeMakers, type Tenant } from '../e2e/route-inputs.ts'
import { openTenant, readOperations } from '../e2e/tenants.ts'
import { type GoodCall, headerSurface, jsonSurface, multipartSurface } from './http-surfaces.ts'
import { linkSurface, type OwnNode } from './link-surface.ts'
import { receiptSurface } from './receipt-surface.ts'
import { recordSurface } from './record-surface.ts'
import type { Surface } from './surface.ts'
import { tokenSurface } from './token-surface.ts'

export interface FuzzedNetwork {
  readonly network: Network
  readonly port: number
  /** In the order in which they are run. */
  readonly surfaces: readonly Surface[]
  /** Of the coordinator that was there at first. */
  readonly coordinatorPid: number
  /** Lines of the log that tell of a bug. */
  bugs(): string[]
}

const IN_FLIGHT = 4
const CONTEXT_TOKENS = 128
const BUGS = /process\.fatal|api\.broken|handler_failed|unhandled/i

export async function startFuzzed(rig: Rig): Promise<FuzzedNetwork> {
  const folder = rig.path('fuzzed')
  // What is taken though it was harmed must not keep the engine busy: that is work, and not what is measured here.
  const model = rig.path('short.gguf')
  writeFileSync(model, tinyGguf({ ...tinyModel, contextTokens: CONTEXT_TOKENS }))
  const network = await startNetwork(rig, folder, ['--model', model, '--model-id', 'tiny'])
  const port = Number(new URL(network.ready.apiUrl).port)
  const tenant = await openTenant(network, 'Fuzz')
  const calls = await goodCalls(network, tenant)
  const { token } = await network.operator.createEnrolmentToken({ body: {} })
  const invitation = await network.operator.inviteMember({
    body: { name: 'n', email: 'a@b', scopes: ['viewer'] },
  })
  const secrets = { key: network.operatorKey, joinToken: token, invitation: invitation.invitation }
  const ids = placeholders(tenant)
  const target = { port, secrets: { ...ids, KEY: network.operatorKey }, calls: withPlaceholders(calls, ids) }
  const pid = coordinatorOf(network)
  if (pid === null) throw new Error(`no coordinator runs: ${network.program.output()}`)
  return {
    network,
    port,
    surfaces: [
      jsonSurface(target),
      headerSurface(target),
      multipartSurface(target),
      linkSurface(port, await enrolNodes(network, IN_FLIGHT)),
      tokenSurface(port, secrets),
      await recordSurface(),
      receiptSurface(),
    ],
    coordinatorPid: pid,
    bugs() {
      const log = join(folder, 'network.log')
      const lines = [existsSync(log) ? readFileSync(log, 'utf8') : '', network.program.output()].join('\n')
      const said = lines.split('\n').filter((line) => BUGS.test(line))
      return [...said, ...deathOf(pid, coordinatorOf(network))]
    },
  }
}

/** What there is to say of the coordinator's process that was there at first, by who is there now. */
export function deathOf(pid: number, now: number | null): string[] {
  if (now === pid) return []
  return [
    now === null ? 'the coordinator ended, and nobody took its place' : 'the coordinator was started again',
  ]
}

/** Null while none runs. */
const coordinatorOf = ({ program }: Network): number | null =>
  groupMembers(program.pid).find(({ title }) => title.startsWith('shoal coordinator'))?.pid ?? null

/** One ends the network, and the other keeps it busy for as long as anybody asks it to: neither is malformed. */
const notCalled = new Set(['takeOver', 'rebuildReadModels'])

/** Every other operation, on the tenant's own objects. */
async function goodCalls(network: Network, tenant: Tenant): Promise<GoodCall[]> {
  const calls: GoodCall[] = []
  for (const { operationId, method, path } of await readOperations(network)) {
    if (notCalled.has(operationId)) continue
    const input = await (routeMakers[operationId]?.own(tenant, network.operator) ?? {})
    calls.push({ method, path, input })
  }
  return calls
}

/** A name for each id of the tenant, as long as the id: a call keeps its length when they are filled in. */
function placeholders(tenant: Tenant): Record<string, string> {
  const { organisationId, memberId, serviceAccountId, projectId, keyId, nodeId, payoutId } = tenant
  const { fileId, batchId, quoteId, jobId, sha256 } = tenant
  const ids = {
    organisationId,
    memberId,
    serviceAccountId,
    projectId,
    keyId,
    nodeId,
    payoutId,
    fileId,
    batchId,
    quoteId,
    jobId,
    sha256,
  }
  return Object.fromEntries(Object.entries(ids).map(([name, id]) => [name.padEnd(id.length - 2, '-'), id]))
}

/** So that an input means the same on every network. */
function withPlaceholders(calls: readonly GoodCall[], ids: Readonly<Record<string, string>>): GoodCall[] {
  let text = JSON.stringify(calls)
  for (const [name, id] of Object.entries(ids)) text = text.replaceAll(id, `@${name}@`)
  return JSON.parse(text) as GoodCall[]
}

async function enrolNodes({ operator }: Network, count: number): Promise<OwnNode[]> {
  const nodes: OwnNode[] = []
  for (let index = 0; index < count; index++) {
    const { token } = await operator.createEnrolmentToken({ body: {} })
    const keys = nodeCrypto.keyPair(createHash('sha256').update(token).digest())
    const facts = {
      token: secretOf(token),
      publicKey: keys.publicKeyHex,
      name: `fuzz-${index}`,
      askPerGpuHour: 1n,
    }
    const text = new TextEncoder().encode(enrolmentText(facts))
    const signature = Buffer.from(nodeCrypto.sign(keys.privateKeyHex, text)).toString('hex')
    const { nodeId } = await operator.enrolNode({ body: { ...facts, signature } })
    nodes.push({ nodeId, keys })
  }
  return nodes
}
