import { z } from 'zod'

/** What a key may do. `owner` and `operator` include the others of their side; see `allows` in `organisations/`. */
export const Scope = z
  .enum(['owner', 'billing', 'developer', 'viewer', 'provider', 'operator'])
  .meta({ id: 'Scope', description: 'What a key may do.' })
export type Scope = z.output<typeof Scope>
