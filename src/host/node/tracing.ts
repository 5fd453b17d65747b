/**
 * Spans to a collector by OTLP over HTTP, set up by the variables that OpenTelemetry names. Its SDK is loaded only where
 * an endpoint is given: it takes 60 ms to load and 14 µs a span.
 */
import type { Span } from '@opentelemetry/api'
import type { Sampler } from '@opentelemetry/sdk-trace'
import type { Log } from '#host/host.ts'
import type { SpanAttributes, SpanOptions, Tracer, TraceSpan } from '#host/tracer.ts'
import { Problem } from '#protocol/problem.ts'
import type { TraceContext } from '#protocol/trace-context.ts'

type Env = Readonly<Record<string, string | undefined>>

export interface TracingOptions {
  /** `shoal-gateway`, unless OTEL_SERVICE_NAME says otherwise. */
  readonly serviceName: string
  readonly version: string
  readonly env: Env
  readonly log: Pick<Log, 'info' | 'warn'>
}

/** Spans are sent this often at least; a collector that is away must not eat the memory. */
const SEND_EVERY_MS = 2_000
const WAITING_MAX = 8_192
const CLOSE_MS_MAX = 3_000
/** A collector that stays away is told of this rarely. */
const TELL_EVERY_MS = 60_000
const SENT = 0

/** Null where no collector is configured. Throws `Problem('config_invalid')` for a sampler that does not exist. */
export async function openTracer(options: TracingOptions): Promise<Tracer | null> {
  const { env, log } = options
  const endpoint = env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] || env['OTEL_EXPORTER_OTLP_ENDPOINT']
  if (!endpoint || env['OTEL_SDK_DISABLED'] === 'true' || env['OTEL_TRACES_EXPORTER'] === 'none') return null
  const choice = samplerOf(env)
  const [api, sdk, { OTLPTraceExporter }, resources] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ])
  const exporter = new OTLPTraceExporter()
  const processor = new sdk.BatchSpanProcessor({
    exporter: {
      export: (spans, done) =>
        exporter.export(spans, (result) => {
          if (result.code !== SENT) tell(result.error)
          done(result)
        }),
      shutdown: () => exporter.shutdown(),
    },
    scheduledDelayMillis: numberOf(env, 'OTEL_BSP_SCHEDULE_DELAY') ?? SEND_EVERY_MS,
    maxQueueSize: WAITING_MAX,
  })
  const root = new Map<string, () => Sampler>([
    ['always_on', () => new sdk.AlwaysOnSampler()],
    ['always_off', () => new sdk.AlwaysOffSampler()],
    ['traceidratio', () => new sdk.TraceIdRatioBasedSampler(choice.ratio)],
  ]).get(choice.root)?.()
  const provider = new sdk.TracerProvider({
    ...(root && { sampler: choice.isParentBased ? new sdk.ParentBasedSampler({ root }) : root }),
    resource: resources
      .resourceFromAttributes({
        'service.name': options.serviceName,
        'service.version': options.version,
        'process.pid': process.pid,
      })
      .merge(resources.detectResources({ detectors: [resources.envDetector] })),
    spanProcessors: [processor],
  })
  const tracer = provider.getTracer('shoal', options.version)
  const kinds = { server: api.SpanKind.SERVER, client: api.SpanKind.CLIENT, internal: api.SpanKind.INTERNAL }
  let toldMs = Number.NEGATIVE_INFINITY
  function tell(error: Error | undefined): void {
    const nowMs = performance.now()
    if (nowMs - toldMs < TELL_EVERY_MS) return
    toldMs = nowMs
    log.warn('traces.not_sent', { endpoint, message: error?.message ?? 'unknown' })
  }
  log.info('traces.sent_to', { endpoint, sampler: choice.name })
  return {
    start(name, { kind, parent, startedAtMs, attributes }: SpanOptions) {
      const around = parent ? api.trace.setSpanContext(api.ROOT_CONTEXT, remoteOf(parent)) : api.ROOT_CONTEXT
      const span = tracer.startSpan(
        name,
        {
          kind: kinds[kind],
          ...(startedAtMs !== undefined && { startTime: startedAtMs }),
          ...(attributes && { attributes: given(attributes) }),
        },
        around,
      )
      return spanOf(span, api.SpanStatusCode.ERROR)
    },
    async close() {
      const late = new Promise<void>((resolve) => void setTimeout(resolve, CLOSE_MS_MAX).unref())
      await Promise.race([provider.shutdown().catch(() => undefined), late])
    },
  }
}

const remoteOf = ({ traceId, spanId, isSampled }: TraceContext) => ({
  traceId,
  spanId,
  traceFlags: isSampled ? 1 : 0,
  isRemote: true,
})

function spanOf(span: Span, error: number): TraceSpan {
  const { traceId, spanId, traceFlags } = span.spanContext()
  return {
    context: { traceId, spanId, isSampled: (traceFlags & 1) === 1 },
    set: (attributes) => void span.setAttributes(given(attributes)),
    event: (name, attributes = {}) => void span.addEvent(name, given(attributes)),
    fail(code) {
      span.setAttribute('error.type', code)
      span.setStatus({ code: error, message: code })
    },
    end: () => span.end(),
  }
}

/** Without what is undefined. */
const given = (attributes: SpanAttributes): Record<string, string | number | boolean | string[]> =>
  Object.fromEntries(
    Object.entries(attributes).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, typeof value === 'object' ? [...value] : value]],
    ),
  )

const SAMPLERS = ['always_on', 'always_off', 'traceidratio']

function samplerOf(env: Env): { name: string; root: string; isParentBased: boolean; ratio: number } {
  const name = env['OTEL_TRACES_SAMPLER'] || 'parentbased_always_on'
  const root = name.replace(/^parentbased_/, '')
  if (!SAMPLERS.includes(root)) {
    const all = SAMPLERS.flatMap((sampler) => [sampler, `parentbased_${sampler}`]).join(', ')
    throw new Problem('config_invalid', `OTEL_TRACES_SAMPLER is ${JSON.stringify(name)}; it may be ${all}.`)
  }
  const ratio = numberOf(env, 'OTEL_TRACES_SAMPLER_ARG') ?? 1
  if (root === 'traceidratio' && !(ratio >= 0 && ratio <= 1)) {
    throw new Problem('config_invalid', `OTEL_TRACES_SAMPLER_ARG is ${ratio}; it is a share from 0 to 1.`)
  }
  return { name, root, isParentBased: root !== name, ratio }
}

function numberOf(env: Env, name: string): number | undefined {
  const text = env[name]
  if (text === undefined || text.trim() === '') return undefined
  const value = Number(text)
  if (Number.isFinite(value)) return value
  throw new Problem('config_invalid', `${name} is ${JSON.stringify(text)}, which is no number.`)
}
