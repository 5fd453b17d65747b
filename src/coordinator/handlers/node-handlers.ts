import type { FleetCommand } from '#fleet/decide-fleet.ts'
import type { Node as FleetNode } from '#fleet/fleet.ts'
import { tokenPrice } from '#fleet/token-price.ts'
import { ENROLMENT_TOKEN_TTL_MS_DEFAULT, enrolmentText } from '#protocol/enrolment.ts'
import { secretOf } from '#protocol/join-token.ts'
import type { Node } from '#protocol/node.ts'
import { paginate } from '#protocol/page.ts'
import { Problem } from '#protocol/problem.ts'
import type { CallContext, Caller, Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'
import { enrolNode } from '../enrol-node.ts'
import { hardwareView } from '../hardware/hardware-view.ts'
import { makeJoinToken, proveNetwork } from '../network-proof.ts'
import { barOf } from '../node-bars.ts'
import { reputationView } from '../reputation/reputation-view.ts'
import { act } from './act.ts'
import {
  execute,
  type HandlerParts,
  hashSecret,
  listedOrganisation,
  maySee,
  newId,
  notFound,
} from './handler-parts.ts'

type Names =
  | 'createEnrolmentToken'
  | 'proveNetwork'
  | 'enrolNode'
  | 'listNodes'
  | 'getNode'
  | 'drainNode'
  | 'undrainNode'
  | 'banNode'
  | 'unbanNode'
  | 'releaseNode'
  | 'classNode'

export function nodeHandlers(parts: HandlerParts): Pick<Handlers<ControlRoutes>, Names> {
  const { fleet } = parts.coordinator.state

  function visible(nodeId: string, caller: Caller): FleetNode {
    const node = fleet.nodes.get(nodeId)
    if (!node || !maySee(caller, node.organisationId)) throw notFound('node', nodeId)
    return node
  }

  /** Does something to a node; asking for what already is changes nothing and is no error. */
  const change = (
    call: { caller: Caller; context: CallContext; nodeId: string; details?: Record<string, string> },
    command: (node: { nodeId: string; nowMs: number }) => FleetCommand,
  ) => {
    const { caller, nodeId, details = {} } = call
    return act(parts, call, { objectId: nodeId, details }, (turn, doing) => {
      const node = visible(nodeId, caller)
      doing.organisationId = node.organisationId
      const refusal = turn.fleet(command({ nodeId, nowMs: turn.nowMs }))
      if (refusal === 'attestation_missing') throw notAttested()
      if (refusal) throw new Problem('conflict', `The fleet refused it: ${refusal.replaceAll('_', ' ')}.`)
      return toNode(node)
    })
  }

  return {
    createEnrolmentToken: ({ body }, caller, context) =>
      act(parts, { caller, context }, {}, (turn, doing) => {
        const token = makeJoinToken(parts)
        const expiresAtMs = turn.nowMs + (body.expiresInMs ?? ENROLMENT_TOKEN_TTL_MS_DEFAULT)
        const { organisationId } = caller
        const tokenHash = hashSecret(secretOf(token), parts)
        const refusal = turn.fleet({
          kind: 'issue_token',
          tokenHash,
          organisationId,
          expiresAtMs,
          nowMs: turn.nowMs,
        })
        if (refusal) throw new Problem('conflict', `The fleet refused the token: ${refusal}.`)
        doing.details = { expiresAtMs: String(expiresAtMs) }
        return { token, expiresAtMs, joinUrl: parts.apiUrl }
      }),

    proveNetwork: ({ params }) => proveNetwork(parts, params),

    enrolNode: ({ body }, caller, context) =>
      act(parts, { caller, context }, {}, (turn, doing) => {
        const text = new TextEncoder().encode(enrolmentText(body))
        if (!parts.crypto.verify(body.publicKey, text, Buffer.from(body.signature, 'hex'))) {
          throw new Problem('join_refused', 'The signature is not by the key that wants to enrol.')
        }
        const { publicKey, name, askPerGpuHour, token } = body
        const tokenHash = hashSecret(secretOf(token), parts)
        const enrolment = { nodeId: newId('node', parts), publicKey, name, tokenHash, askPerGpuHour }
        const { sourceAddress } = context
        const { joinLimits } = parts
        const from = joinLimits && { limits: joinLimits, sourceAddress }
        const result = enrolNode(turn, enrolment, from)
        if (typeof result === 'string') throw refusedEnrolment(result)
        const node = fleet.nodes.get(result.nodeId)
        if (!node) throw notFound('node', result.nodeId)
        Object.assign(doing, { organisationId: node.organisationId, objectId: node.id, details: { name } })
        return toNode(node)
      }),

    listNodes: ({ query }, caller) =>
      execute(parts, () => {
        const organisationId = listedOrganisation(caller, query.organisationId)
        const nodes = [...fleet.nodes.values()]
          .filter((node) => organisationId === null || node.organisationId === organisationId)
          .sort((a, b) => b.enrolledAtMs - a.enrolledAtMs || (a.id < b.id ? -1 : 1))
          .map(toNode)
        return paginate(nodes, query, (node) => node.nodeId)
      }),

    getNode: ({ params }, caller) =>
      execute(parts, ({ state, nowMs }) => {
        const node = visible(params.nodeId, caller)
        const reputation = reputationView(state, node.id, nowMs)
        const barred = barOf(state, node.id, nowMs)
        const hardware = hardwareView(state.hardware, node.id)
        return { ...toNode(node), barred, hardware, ...(reputation && { reputation }) }
      }),
    drainNode: ({ params }, caller, context) =>
      change({ caller, context, ...params }, (node) => ({ kind: 'drain', ...node })),
    undrainNode: ({ params }, caller, context) =>
      change({ caller, context, ...params }, (node) => ({ kind: 'undrain', ...node })),
    banNode: ({ params, body: { reason } }, caller, context) =>
      change({ caller, context, ...params, details: { reason } }, (node) => ({
        kind: 'ban',
        reason,
        ...node,
      })),
    unbanNode: ({ params }, caller, context) =>
      change({ caller, context, ...params }, (node) => ({ kind: 'unban', ...node })),
    releaseNode: ({ params: { nodeId } }, caller, context) =>
      act(parts, { caller, context }, { objectId: nodeId }, (turn, doing) => {
        const node = visible(nodeId, caller)
        doing.organisationId = node.organisationId
        // One that is in none is let out already.
        turn.hardware({ kind: 'release', nodeId, by: 'operator', nowMs: turn.nowMs })
        return toNode(node)
      }),
    classNode: ({ params, body: { nodeClass } }, caller, context) =>
      change({ caller, context, ...params, details: { nodeClass } }, (node) => ({
        kind: 'class',
        nodeClass,
        ...node,
      })),
  }
}

const notAttested = (): Problem =>
  new Problem(
    'not_supported',
    "No node can be 'attested' yet: that class is given by a proof of the hardware's maker alone, and none is verified here. Use 'vetted' or 'community'.",
  )

function refusedEnrolment(refusal: string): Problem {
  if (refusal === 'owner_joins_too_many')
    return new Problem(
      'join_refused',
      'Too many nodes of this owner joined within a day without verified work. The token stays good: try again once some of them have worked, or tomorrow.',
    )
  if (refusal === 'network_joins_too_many')
    return new Problem(
      'join_refused',
      'Too many nodes joined from this network (IPv4 /24, IPv6 /48) within a day without verified work. The token stays good: try again once some of them have worked, or tomorrow.',
    )
  const why =
    refusal === 'token_unknown'
      ? 'The enrolment token is unknown or was used before; each enrols one node.'
      : refusal === 'token_expired'
        ? 'The enrolment token has expired.'
        : `The fleet refused the node: ${refusal.replaceAll('_', ' ')}.`
  return new Problem('join_refused', `${why} Ask for a new one: "shoal nodes token".`)
}

function toNode(node: FleetNode): Node {
  const { id: nodeId, capability, askPerGpuHour, ...rest } = node
  const {
    organisationId,
    name,
    publicKey,
    enrolledAtMs,
    presence,
    presenceSinceMs,
    lossReason,
    isDrained,
    bannedReason,
    nodeClass,
  } = rest
  const models = (capability?.models ?? []).map((model) => ({
    model: model.id,
    tokensPerSecond: model.decodeTokensPerSecond,
    ...tokenPrice(capability ?? { gpus: [] }, model, askPerGpuHour),
  }))
  return {
    nodeId,
    organisationId,
    name,
    publicKey,
    enrolledAtMs,
    presence,
    presenceSinceMs,
    lossReason,
    isDrained,
    bannedReason,
    nodeClass,
    askPerGpuHour,
    models,
    capability,
  }
}
