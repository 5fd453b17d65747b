import { unreachable } from '#kernel/assert.ts'
import type { OrganisationRefusal } from '#organisations/organisation-refusal.ts'
import { Problem } from '#protocol/problem.ts'
import { notFound } from './handler-parts.ts'

/** What the caller is told of a refusal. `ids`: the objects that the call names, by kind. */
export function organisationProblem(
  refusal: OrganisationRefusal,
  ids: Readonly<Record<string, string | undefined>> = {},
): Problem {
  const missing = (noun: string, id: string | undefined) => notFound(noun, id ?? '')
  switch (refusal) {
    case 'organisation_unknown':
      return missing('organisation', ids['organisation'])
    case 'project_unknown':
      return missing('project', ids['project'])
    case 'member_unknown':
      return missing('member', ids['member'])
    case 'service_account_unknown':
      return missing('service account', ids['service_account'])
    case 'key_unknown':
      return missing('API key', ids['key'])
    case 'scope_escalation':
      return new Problem(
        'scope_missing',
        'Nobody gives or takes scopes that the calling key does not have. Use a key that has all of them.',
      )
    case 'invitation_unknown':
    case 'invitation_expired':
      return new Problem(
        'invitation_refused',
        'The invitation is unknown, was accepted before, or has expired. Ask for a new one: "shoal members invite".',
      )
    default:
      return new Problem('conflict', conflicts[refusal] ?? unreachable(refusal as never))
  }
}

type Conflict = Exclude<
  OrganisationRefusal,
  | `${'organisation' | 'project' | 'member' | 'service_account' | 'key' | 'invitation'}_unknown`
  | 'scope_escalation'
  | 'invitation_expired'
>

const conflicts: Readonly<Record<Conflict, string>> = {
  organisation_exists: 'There is such an organisation already.',
  project_exists: 'There is such a project already.',
  project_archived: 'That project is archived. Name another one.',
  project_is_default: 'The default project stays: keys that name no project belong to it.',
  project_in_use: 'Live keys belong to that project. Revoke them first, or let them expire.',
  member_exists: 'There is such a member already.',
  member_not_accepted: 'That member has not accepted the invitation, or was removed, and can hold no key.',
  member_removed: 'That member was removed. Invite them again.',
  service_account_exists: 'There is such a service account already.',
  service_account_removed: 'That service account was removed. Create another one.',
  scopes_empty: 'A key, a member or a service account needs a scope.',
  expiry_past: 'It would have expired already.',
  key_exists: 'There is such a key already.',
  key_secret_differs: 'Keys are hashed under another secret.',
  key_revoked: 'That key was revoked.',
  key_expired: 'That key has expired.',
  key_not_expired: 'That key has not expired.',
  key_rotated: 'That key was rotated before. Rotate the one that took its place.',
  holder_lacks_scope:
    'A key may do no more than the member or service account that holds it. Give it fewer scopes, or its holder more.',
  last_owner:
    'The organisation would have no owner left. Make another key with the scope `owner` that does not expire, then try again.',
}
