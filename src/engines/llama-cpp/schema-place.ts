/** A JSON schema, and where a part of it stands. */
import { Problem } from '#protocol/problem.ts'
import type { GrammarRules } from './grammar-rules.ts'

export type Schema = Readonly<Record<string, unknown>>

export interface SchemaPlace {
  readonly rules: GrammarRules
  /** Where `$ref` begins. */
  readonly root: Schema
  /** Of the value that is written now, as the caller knows it: `response_format.json_schema.schema.properties.age`. */
  readonly path: string
  /** Tells the references of this schema from those of another in the same grammar. */
  readonly scope?: string
  readonly depth?: number
}

/** The problem that names it by its path. */
export const inexpressible = (path: string, why: string): Problem =>
  new Problem('invalid_request', `Invalid schema: '${path}' ${why}.`, {
    details: { param: path, code: 'invalid_json_schema' },
  })

export const isSchema = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
