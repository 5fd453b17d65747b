import { assert } from '#kernel/assert.ts'
import { base32 } from '#kernel/id.ts'
import type { Member as StoredMember } from '#organisations/organisations.ts'
import { INVITATION_TTL_MS_DEFAULT, type Member } from '#protocol/member.ts'
import type { Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'
import { drawKey } from '../mint-key.ts'
import { act } from './act.ts'
import {
  execute,
  type HandlerParts,
  hashSecret,
  listedOrganisation,
  maySee,
  newestPage,
  newId,
  notFound,
  organisationFor,
} from './handler-parts.ts'
import { toApiKey } from './key-handlers.ts'
import { ownerOf } from './organisation-handlers.ts'
import { organisationProblem } from './organisation-problem.ts'

type Names =
  | 'inviteMember'
  | 'acceptInvitation'
  | 'listMembers'
  | 'getMember'
  | 'changeMemberScopes'
  | 'removeMember'

const INVITATION_BYTES = 25

export function memberHandlers(parts: HandlerParts): Pick<Handlers<ControlRoutes>, Names> {
  const { organisations } = parts.coordinator.state

  return {
    inviteMember: ({ body }, caller, context) => {
      const { name, email, scopes } = body
      const details = { name, email, scopes: scopes.join(' ') }
      return act(parts, { caller, context }, { details }, (turn, doing) => {
        const organisationId = organisationFor(parts, caller, body.organisationId)
        const memberId = newId('member', parts)
        Object.assign(doing, { organisationId, objectId: memberId })
        const invitation = `invite-${base32(parts.secrets.randomBytes(INVITATION_BYTES))}`
        const expiresAtMs = turn.nowMs + (body.expiresInMs ?? INVITATION_TTL_MS_DEFAULT)
        const refusal = turn.organisations({
          kind: 'invite_member',
          memberId,
          organisationId,
          name,
          email,
          scopes,
          invitationHash: hashSecret(invitation, parts),
          expiresAtMs,
          actorKeyId: caller.keyId,
          nowMs: turn.nowMs,
        })
        if (refusal) throw organisationProblem(refusal, { organisation: organisationId })
        return { ...toMember(organisations.members.get(memberId)), invitation, expiresAtMs }
      })
    },

    acceptInvitation: ({ body }, caller, context) =>
      act(parts, { caller, context }, {}, (turn, doing) => {
        const invitationHash = hashSecret(body.invitation, parts)
        const memberId = organisations.memberIdByInvitation.get(invitationHash)
        const { key, ...drawn } = drawKey(parts)
        const { nowMs } = turn
        const refusal = turn.organisations({ kind: 'accept_invitation', invitationHash, ...drawn, nowMs })
        if (refusal) throw organisationProblem(refusal)
        const member = toMember(memberId === undefined ? undefined : organisations.members.get(memberId))
        const { organisationId } = member
        Object.assign(doing, { organisationId, objectId: member.memberId, details: { keyId: drawn.keyId } })
        return { member, key: { ...toApiKey(organisations.keys.get(drawn.keyId), nowMs), key } }
      }),

    listMembers: ({ query }, caller) =>
      execute(parts, () => {
        const organisationId = listedOrganisation(caller, query.organisationId)
        const members = [...organisations.members.values()]
          .filter((member) => organisationId === null || member.organisationId === organisationId)
          .map(toMember)
        const idOf = ({ memberId }: Member): string => memberId
        return newestPage(members, query, { atMsOf: ({ invitedAtMs }) => invitedAtMs, idOf })
      }),

    getMember: ({ params: { memberId } }, caller) =>
      execute(parts, () => {
        const member = organisations.members.get(memberId)
        if (!member || !maySee(caller, member.organisationId)) throw notFound('member', memberId)
        return toMember(member)
      }),

    changeMemberScopes: ({ params: { memberId }, body: { scopes } }, caller, context) => {
      const about = { objectId: memberId, details: { scopes: scopes.join(' ') } }
      return act(parts, { caller, context }, about, (turn, doing) => {
        const organisationId = ownerOf(caller, organisations.members.get(memberId))
        doing.organisationId = organisationId
        const scoped = { memberId, organisationId, scopes, actorKeyId: caller.keyId }
        const refusal = turn.organisations({ kind: 'scope_member', ...scoped, nowMs: turn.nowMs })
        if (refusal) throw organisationProblem(refusal, { member: memberId })
        return toMember(organisations.members.get(memberId))
      })
    },

    removeMember: ({ params: { memberId } }, caller, context) =>
      act(parts, { caller, context }, { objectId: memberId }, (turn, doing) => {
        const organisationId = ownerOf(caller, organisations.members.get(memberId))
        doing.organisationId = organisationId
        const removed = { memberId, organisationId, actorKeyId: caller.keyId }
        const refusal = turn.organisations({ kind: 'remove_member', ...removed, nowMs: turn.nowMs })
        if (refusal) throw organisationProblem(refusal, { member: memberId })
        return toMember(organisations.members.get(memberId))
      }),
  }
}

function toMember(member: StoredMember | undefined): Member {
  assert(member, 'the member is there')
  const { id: memberId, organisationId, name, email, scopes, status } = member
  const { invitedAtMs, acceptedAtMs, removedAtMs } = member
  return {
    memberId,
    organisationId,
    name,
    email,
    scopes: [...scopes],
    status,
    invitedAtMs,
    acceptedAtMs,
    removedAtMs,
  }
}
