/** Who commands: a key that is live. Absent or `null`: the network itself, which may do anything. */
export interface Acting {
  actorKeyId?: string | null
}

/** Ordered by precedence. What belongs to another organisation is as unknown as what never was. */
export type OrganisationRefusal =
  | 'organisation_exists'
  | 'organisation_unknown'
  | 'project_exists'
  | 'project_unknown'
  | 'project_archived'
  | 'project_is_default'
  | 'project_in_use'
  | 'member_exists'
  | 'member_unknown'
  | 'member_not_accepted'
  | 'member_removed'
  | 'service_account_exists'
  | 'service_account_unknown'
  | 'service_account_removed'
  | 'invitation_unknown'
  | 'invitation_expired'
  | 'scopes_empty'
  | 'expiry_past'
  | 'key_exists'
  | 'key_unknown'
  | 'key_revoked'
  | 'key_expired'
  | 'key_not_expired'
  | 'key_rotated'
  | 'key_secret_differs'
  | 'scope_escalation'
  | 'holder_lacks_scope'
  | 'last_owner'
