/** The API page at `/docs`: the OpenAPI document, made readable. Plain HTML, so that a browser's own search finds all of it. */
import type { OpenApiDocument, OpenApiOperation, OpenApiParameter } from '#protocol/open-api.ts'
import { escapeHtml, renderInline, renderPage, renderText } from './html.ts'
import { formatExample, renderMembers, renderType } from './schema-html.ts'

interface Endpoint {
  readonly method: string
  readonly path: string
  readonly operation: OpenApiOperation
}

export function renderDocsPage(document: OpenApiDocument): string {
  const endpoints = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      operation,
    })),
  )
  const { info, tags, components } = document
  const parts = tags.map(({ name, description }) => {
    const sections = endpoints.filter(({ operation }) => operation.tags.includes(name)).map(renderEndpoint)
    return `<h2 id="tag-${escapeHtml(name)}">${escapeHtml(name)}</h2><p class="dim">${renderInline(description)}</p>${sections.join('')}`
  })
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) =>
      `<section id="schema-${escapeHtml(name)}"><h3>${escapeHtml(name)}</h3>${renderMembers(schema)}</section>`,
  )
  const body = `<div class="docs">
<nav aria-label="Contents"><a href="/">Home</a><a href="/openapi.json">openapi.json</a>
${tags.map(({ name }) => renderNavigation(name, endpoints)).join('')}
<strong>Schemas</strong><ul>${Object.keys(components.schemas).map(renderSchemaLink).join('')}</ul></nav>
<main><h1>${escapeHtml(info.title)} API</h1><p class="dim">Version ${escapeHtml(info.version)}, OpenAPI ${document.openapi}</p>
${renderText(info.description)}
${parts.join('\n')}
<h2 id="schemas">Schemas</h2>
${schemas.join('\n')}
</main></div>`
  return renderPage({ title: `${info.title} API`, body })
}

const renderSchemaLink = (name: string): string =>
  `<li><a href="#schema-${escapeHtml(name)}">${escapeHtml(name)}</a></li>`

function renderNavigation(tag: string, endpoints: readonly Endpoint[]): string {
  const links = endpoints
    .filter(({ operation }) => operation.tags.includes(tag))
    .map(
      ({ method, path, operation }) =>
        `<li><a href="#${operation.operationId}">${method} ${escapeHtml(shortPath(path))}</a></li>`,
    )
  return `<strong>${escapeHtml(tag)}</strong><ul>${links.join('')}</ul>`
}

const shortPath = (path: string): string => path.replace(/^\/api/, '')

function renderEndpoint({ method, path, operation }: Endpoint): string {
  const { operationId, summary, description = '', parameters = [], requestBody, responses } = operation
  const body = contentOf(requestBody)
  const success = Object.entries(responses).find(([status]) => status.startsWith('2'))
  const reply = success && contentOf(success[1])
  return `<section id="${operationId}">
<span class="scope">${escapeHtml(operation['x-scope'])}</span>
<h3><span class="method">${method}</span> <code>${escapeHtml(path)}</code></h3>
<p><strong>${renderInline(summary)}</strong></p>
${renderText(description)}
${renderParameters(parameters)}
${body ? `<h4>Body</h4><p>${renderType(body.schema)}</p>` : ''}
<h4>Reply</h4><p>${success?.[0] ?? ''} ${reply ? renderType(reply.schema) : ''}</p>
<h4>Example</h4><pre>${escapeHtml(formatExample({ method, path, operation, body }))}</pre>
</section>`
}

function renderParameters(parameters: readonly OpenApiParameter[]): string {
  if (parameters.length === 0) return ''
  const rows = parameters.map(
    ({ name, in: where, required, description = '', schema }) =>
      `<tr><td><code>${escapeHtml(name)}</code></td><td>${where}${required ? '' : ', optional'}</td><td>${renderType(schema)}</td><td>${renderInline(description)}</td></tr>`,
  )
  return `<div class="table"><table><tr><th>Parameter</th><th>Where</th><th>Type</th><th></th></tr>${rows.join('')}</table></div>`
}

export interface JsonContent {
  readonly schema: Readonly<Record<string, unknown>>
  readonly example?: unknown
}

/** The `application/json` side of a body or a response of our own document. */
function contentOf(part: Readonly<Record<string, unknown>> | undefined): JsonContent | undefined {
  const content = part?.['content'] as Readonly<Record<string, JsonContent>> | undefined
  return content?.['application/json']
}
