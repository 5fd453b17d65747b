/** What an agent tells about itself: metrics for this machine, and its part of traces to a collector of its owner. */
import type { AgentState } from '#agent/agent.ts'
import type { Engine } from '#engines/engine.ts'
import type { Host, Listener } from '#host/host.ts'
import { createMetrics } from '#host/metrics.ts'
import { openTracer } from '#host/node/tracing.ts'
import { respondProblem } from '#host/respond-problem.ts'
import { Problem } from '#protocol/problem.ts'
import { VERSION } from '#protocol/version.ts'
import { createFrontGuard } from './front-guard.ts'
import { LOOPBACK } from './listen-config.ts'
import { processMetrics } from './metric-tables.ts'
import { createMetricsDoor, isMetrics } from './metrics-door.ts'
import { createAgentMetrics, watchEngine } from './watched-engine.ts'

export interface AgentTelemetry {
  /** The same engine, watched. */
  watch(engine: Engine): Engine
  /** From now on its state shows. */
  watchAgent(agent: { state(): AgentState }): void
  /** Where metrics are shown; null where they are not. */
  readonly port: number | null
  close(): Promise<void>
}

type Parts = Pick<Host, 'clock' | 'log' | 'network'> & {
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Rejects with a `Problem` where the port is taken or the variables of tracing make no sense. */
export async function openAgentTelemetry(parts: Parts, metricsPort: number | null): Promise<AgentTelemetry> {
  const { clock, log, env, network } = parts
  const tracer = await openTracer({ serviceName: 'shoal-agent', version: VERSION, env, log })
  const metrics = createAgentMetrics()
  const ofProcess = createMetrics(processMetrics)
  ofProcess.buildInfo.of(VERSION, 'agent').set(1)
  let agent: { state(): AgentState } | null = null
  let engine: Engine | null = null
  let listener: Listener | null = null
  const door = createMetricsDoor({
    families: [...Object.values(ofProcess), ...Object.values(metrics)],
    collect() {
      metrics.isServing.of().set(agent?.state() === 'serving' ? 1 : 0)
      metrics.slots.clear()
      for (const { id, slots } of engine?.models() ?? []) metrics.slots.of(id).set(slots)
    },
    token: null,
    trustsLoopback: true,
    isSame: () => false,
    isOperator: () => false,
  })
  if (metricsPort !== null) {
    // A page somewhere whose name points at this machine is no program of this machine.
    const guard = createFrontGuard(clock, { names: () => ({ hostnames: [], origins: [] }), pageOrigins: [] })
    listener = await network.listen(
      { hostname: LOOPBACK, port: metricsPort },
      {
        onExchange(exchange) {
          const judged = guard.judgeCall(exchange.headers)
          if (judged instanceof Problem) return respondProblem(exchange, judged)
          if (isMetrics(exchange)) return door.serve(exchange)
          respondProblem(exchange, new Problem('not_found', 'There is /metrics here, and nothing else.'))
        },
        onLink: () => null,
      },
    )
    log.info('metrics.shown', { port: listener.port })
  }
  return {
    watch(watched) {
      engine = watched
      return watchEngine(watched, { clock, metrics, tracer })
    },
    watchAgent(running) {
      agent = running
    },
    port: listener?.port ?? null,
    async close() {
      await listener?.close(0)
      await tracer?.close()
    },
  }
}
