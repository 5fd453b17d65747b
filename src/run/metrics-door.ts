/**
 * `GET /metrics`: for whoever shows the metrics token or a key of an operator, and without either for the programs of
 * this machine. Customers' keys do not open it: it has what everybody asks and pays together.
 */
import type { Exchange } from '#host/host.ts'
import type { AnyFamily } from '#host/metrics.ts'
import { type MetricsPage, openMetricsPage } from '#host/node/metrics-text.ts'
import { respondProblem } from '#host/respond-problem.ts'
import { Problem, toProblem } from '#protocol/problem.ts'
import { isLoopback } from './listen-config.ts'

export interface MetricsDoor {
  serve(exchange: Exchange): void
  /** Of this process alone. */
  text(): Promise<string>
}

export interface MetricsDoorOptions {
  readonly families: readonly AnyFamily[]
  /** Brings gauges up to date. */
  collect(): void
  /** Puts the page of this process together with those of others; as it is unless given. */
  readonly join?: (own: string) => Promise<string>
  readonly token: string | null
  /** Behind a proxy everybody seems to come from this machine, unless the proxy says otherwise: nobody is believed. */
  readonly trustsLoopback: boolean
  isSame(a: string, b: string): boolean
  /** Whether this is a key of an operator, good from that address. */
  isOperator(key: string, address: string | null): boolean
}

export const METRICS_PATH = '/metrics'

export const isMetrics = ({ target }: Pick<Exchange, 'target'>): boolean =>
  target === METRICS_PATH || target.startsWith(`${METRICS_PATH}?`)

export function createMetricsDoor(options: MetricsDoorOptions): MetricsDoor {
  let page: Promise<MetricsPage> | null = null
  const open = (): Promise<MetricsPage> => (page ??= openMetricsPage(options.families, options.collect))
  const join = options.join ?? (async (own: string) => own)
  return {
    text: async () => (await open()).text(),
    serve(exchange) {
      const refusal = refuse(exchange, options)
      if (refusal) return respondProblem(exchange, refusal)
      let hasLeft = false
      exchange.onClose(() => {
        hasLeft = true
      })
      open()
        .then(async (opened) => ({ text: await join(await opened.text()), contentType: opened.contentType }))
        .then(
          ({ text, contentType }) => {
            if (hasLeft) return
            const headers = { 'content-type': contentType, 'cache-control': 'no-store' }
            exchange.respond(200, headers, exchange.method === 'HEAD' ? '' : text)
          },
          (error: unknown) => {
            if (!hasLeft) respondProblem(exchange, toProblem(error))
          },
        )
    },
  }
}

function refuse(exchange: Exchange, options: MetricsDoorOptions): Problem | null {
  const { method, headers, clientAddress } = exchange
  if (method !== 'GET' && method !== 'HEAD')
    return new Problem('method_not_allowed', `${METRICS_PATH} takes GET, not ${method}.`)
  const given = /^bearer +(\S{1,500}) *$/i.exec(headers['authorization'] ?? '')?.[1]
  if (given !== undefined) {
    if (options.token !== null && options.isSame(given, options.token)) return null
    if (options.isOperator(given, clientAddress ?? null)) return null
    return new Problem(
      'scope_missing',
      'This opens no metrics: it takes the metrics token (--metrics-token) or a key with the scope `operator`.',
    )
  }
  if (headers['authorization'] === undefined && options.trustsLoopback && isNear(clientAddress)) return null
  return new Problem(
    'invalid_api_key',
    'Metrics are for this machine. From elsewhere send the metrics token (--metrics-token) or a key of an operator, as "Authorization: Bearer …".',
  )
}

const isNear = (address: string | undefined): boolean =>
  address !== undefined && isLoopback(address.replace(/^::ffff:/i, ''))
