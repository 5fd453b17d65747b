/** A collector of traces: takes OTLP over HTTP as JSON, and keeps the spans. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Span {
  readonly service: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string
  readonly name: string
  /** 2 is the server's side, 3 the client's. */
  readonly kind: number
  readonly attributes: Readonly<Record<string, unknown>>
  readonly events: readonly string[]
  readonly isError: boolean
}

export interface TraceCollector {
  readonly url: string
  spans(): readonly Span[]
  /** Everything that came, as it came. */
  text(): string
  /** Of the newest request, in lower case. */
  headers(): Readonly<Record<string, string | string[] | undefined>>
  close(): Promise<void>
}

interface OtlpValue {
  readonly stringValue?: string
  readonly intValue?: number | string
  readonly doubleValue?: number
  readonly boolValue?: boolean
  readonly arrayValue?: { readonly values: readonly OtlpValue[] }
}
interface OtlpBody {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly OtlpAttribute[] }
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[]
  }[]
}
interface OtlpAttribute {
  readonly key: string
  readonly value: OtlpValue
}
interface OtlpSpan extends Pick<Span, 'traceId' | 'spanId' | 'name' | 'kind'> {
  readonly parentSpanId?: string
  readonly attributes: readonly OtlpAttribute[]
  readonly events: readonly { readonly name: string }[]
  readonly status: { readonly code: number }
}

const ERROR = 2

export async function openTraceCollector(): Promise<TraceCollector> {
  const spans: Span[] = []
  let text = ''
  let headers: Readonly<Record<string, string | string[] | undefined>> = {}
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8')
    request.on('data', (piece: string) => (body += piece))
    request.on('end', () => {
      headers = request.headers
      text += body
      spans.push(...spansOf(JSON.parse(body) as OtlpBody))
      response.setHeader('content-type', 'application/json').end('{}')
    })
  })
  // An idle connection must not be closed just when the next spans are sent on it.
  server.keepAliveTimeout = 0
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    spans: () => spans,
    text: () => text,
    headers: () => headers,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const spansOf = ({ resourceSpans }: OtlpBody): Span[] =>
  resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = String(attributesOf(resource.attributes)['service.name'])
    return scopeSpans.flatMap(({ spans }) =>
      spans.map(({ traceId, spanId, parentSpanId = '', name, kind, attributes, events, status }) => ({
        ...{ service, traceId, spanId, parentSpanId, name, kind },
        attributes: attributesOf(attributes),
        events: events.map((event) => event.name),
        isError: status.code === ERROR,
      })),
    )
  })

const attributesOf = (attributes: readonly OtlpAttribute[]): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, plainOf(value)]))

const plainOf = (value: OtlpValue): unknown =>
  value.arrayValue ? value.arrayValue.values.map(plainOf) : Object.values(value)[0]
