import { z } from 'zod'

/**
 * How far a node is trusted with other people's work. `community`: anybody's. `vetted`: the operator knows whose it is.
 * `attested`: its maker's hardware proves what it runs; no node has this class until such a proof is verified.
 */
export const NodeClass = z.enum(['community', 'vetted', 'attested']).meta({
  id: 'NodeClass',
  description:
    '`community`: anybody’s machine. `vetted`: the operator knows whose it is. `attested`: none yet.',
})
export type NodeClass = z.output<typeof NodeClass>

/** Whether a node of class `has` will do where `least` is asked for. */
export const isClassEnough = (has: NodeClass, least: NodeClass): boolean =>
  NodeClass.options.indexOf(has) >= NodeClass.options.indexOf(least)

/** A two-letter country, and behind it a part of that country if one is named: `de`, `us-east`. */
export const Region = z
  .string()
  .regex(
    /^[a-z]{2}(-[a-z0-9]{1,20})?$/,
    'expected a country in two letters, and maybe a part of it: de, us-east',
  )
export type Region = z.output<typeof Region>

/** Whether a node in `region` is within `asked`: a country has its parts. */
export const isWithin = (region: Region, asked: Region): boolean =>
  region === asked || region.startsWith(`${asked}-`)
