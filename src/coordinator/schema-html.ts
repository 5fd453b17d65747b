/** JSON Schemas for people. */
import type { OpenApiOperation } from '#protocol/open-api.ts'
import { escapeHtml, renderInline } from './html.ts'

type Schema = Readonly<Record<string, unknown>>

const isSchema = (value: unknown): value is Schema => typeof value === 'object' && value !== null

/** `string`, `Node[]`, `integer or null`: HTML, with links to named schemas. */
export function renderType(schema: Schema): string {
  const { $ref: reference, type, items, anyOf, oneOf, enum: values } = schema
  if (typeof reference === 'string') {
    const name = escapeHtml(reference.split('/').at(-1) ?? '')
    return `<a href="#schema-${name}">${name}</a>`
  }
  if ('const' in schema) return `<code>${escapeHtml(JSON.stringify(schema['const']))}</code>`
  if (Array.isArray(values)) {
    return values.map((value) => `<code>${escapeHtml(JSON.stringify(value))}</code>`).join(' or ')
  }
  const choices = anyOf ?? oneOf
  if (Array.isArray(choices)) return choices.filter(isSchema).map(renderType).join(' or ')
  if (Array.isArray(type)) return type.map(String).map(escapeHtml).join(' or ')
  if (type === 'array') return isSchema(items) ? `array of ${renderType(items)}` : 'array'
  if (type === 'object' && isSchema(schema['properties'])) return `object${renderMembers(schema)}`
  return escapeHtml(typeof type === 'string' ? type : 'any')
}

/** The description and, for an object, one row per member. */
export function renderMembers(schema: Schema): string {
  const { description, properties, required } = schema
  const intro = typeof description === 'string' ? `<p>${renderInline(description)}</p>` : ''
  if (!isSchema(properties)) return `${intro}<p>${renderType({ ...schema, properties: undefined })}</p>`
  const needed = Array.isArray(required) ? required : []
  const rows = Object.entries(properties)
    .filter((entry): entry is [string, Schema] => isSchema(entry[1]))
    .map(([name, member]) => {
      const note = typeof member['description'] === 'string' ? renderInline(member['description']) : ''
      const mark = needed.includes(name) ? '' : ' <span class="dim">optional</span>'
      return `<tr><td><code>${escapeHtml(name)}</code>${mark}</td><td>${renderType(member)}</td><td>${note}</td></tr>`
    })
  return `${intro}<div class="table"><table>${rows.join('')}</table></div>`
}

/** The call as a `curl` command. */
export function formatExample(call: {
  readonly method: string
  readonly path: string
  readonly operation: OpenApiOperation
  readonly body: { readonly example?: unknown } | undefined
}): string {
  const { method, path, operation, body } = call
  const lines = [`curl${method === 'GET' ? '' : ` -X ${method}`} "$SHOAL_URL${path}"`]
  if (operation.security.length > 0) lines.push(`  -H "Authorization: Bearer $SHOAL_API_KEY"`)
  if (body) {
    lines.push(
      `  -H "Content-Type: application/json"`,
      `  -d '${JSON.stringify(body.example ?? {}).replaceAll("'", `'\\''`)}'`,
    )
  }
  return lines.join(' \\\n')
}
