import type { FleetCommand } from '#fleet/decide-fleet.ts'
import type { Node as FleetNode } from '#fleet/fleet.ts'
import { tokenPrice } from '#fleet/token-price.ts'
import { base32 } from '#kernel/id.ts'
import { ENROLMENT_TOKEN_TTL_MS_DEFAULT, enrolmentText } from '#protocol/enrolment.ts'
import type { Node } from '#protocol/node.ts'
import { paginate } from '#protocol/page.ts'
import { Problem } from '#protocol/problem.ts'
import type { Caller, Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'
import { enrolNode } from '../enrol-node.ts'
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
  | 'enrolNode'
  | 'listNodes'
  | 'getNode'
  | 'drainNode'
  | 'undrainNode'
  | 'banNode'
  | 'unbanNode'

const TOKEN_BYTES = 20

export function nodeHandlers(parts: HandlerParts): Pick<Handlers<ControlRoutes>, Names> {
  const { fleet } = parts.coordinator.state

  function visible(nodeId: string, caller: Caller): FleetNode {
    const node = fleet.nodes.get(nodeId)
    if (!node || !maySee(caller, node.organisationId)) throw notFound('node', nodeId)
    return node
  }

  /** Does something to a node; asking for what already is changes nothing and is no error. */
  const change = (
    nodeId: string,
    caller: Caller,
    command: (node: { nodeId: string; nowMs: number }) => FleetCommand,
  ) =>
    execute(parts, (turn) => {
      const node = visible(nodeId, caller)
      const refusal = turn.fleet(command({ nodeId, nowMs: turn.nowMs }))
      if (refusal) throw new Problem('conflict', `The fleet refused it: ${refusal.replaceAll('_', ' ')}.`)
      return toNode(node)
    })

  return {
    createEnrolmentToken: ({ body }, caller) =>
      execute(parts, (turn) => {
        const token = `join-${base32(parts.secrets.randomBytes(TOKEN_BYTES))}`
        const expiresAtMs = turn.nowMs + (body.expiresInMs ?? ENROLMENT_TOKEN_TTL_MS_DEFAULT)
        const { organisationId } = caller
        const tokenHash = hashSecret(token, parts)
        const refusal = turn.fleet({
          kind: 'issue_token',
          tokenHash,
          organisationId,
          expiresAtMs,
          nowMs: turn.nowMs,
        })
        if (refusal) throw new Problem('conflict', `The fleet refused the token: ${refusal}.`)
        return { token, expiresAtMs, joinUrl: parts.apiUrl }
      }),

    enrolNode: ({ body }) =>
      execute(parts, (turn) => {
        const text = new TextEncoder().encode(enrolmentText(body))
        if (!parts.crypto.verify(body.publicKey, text, Buffer.from(body.signature, 'hex'))) {
          throw new Problem('join_refused', 'The signature is not by the key that wants to enrol.')
        }
        const { publicKey, name, askPerGpuHour, token } = body
        const tokenHash = hashSecret(token, parts)
        const result = enrolNode(turn, {
          nodeId: newId('node', parts),
          publicKey,
          name,
          tokenHash,
          askPerGpuHour,
        })
        if (typeof result === 'string') throw refusedEnrolment(result)
        const node = fleet.nodes.get(result.nodeId)
        if (!node) throw notFound('node', result.nodeId)
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

    getNode: ({ params }, caller) => execute(parts, () => toNode(visible(params.nodeId, caller))),
    drainNode: ({ params }, caller) => change(params.nodeId, caller, (node) => ({ kind: 'drain', ...node })),
    undrainNode: ({ params }, caller) =>
      change(params.nodeId, caller, (node) => ({ kind: 'undrain', ...node })),
    banNode: ({ params, body }, caller) =>
      change(params.nodeId, caller, (node) => ({ kind: 'ban', reason: body.reason, ...node })),
    unbanNode: ({ params }, caller) => change(params.nodeId, caller, (node) => ({ kind: 'unban', ...node })),
  }
}

function refusedEnrolment(refusal: string): Problem {
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
    askPerGpuHour,
    models,
    capability,
  }
}
