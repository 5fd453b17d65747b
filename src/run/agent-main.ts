/** The local agent's own process, child of `shoal up`. Outlives its parent for a minute, so that a restart finds it warm. */
import { Problem, toProblem } from '#protocol/problem.ts'
import { AgentConfig, type AgentMessage } from './agent-config.ts'
import { type RunningAgent, runAgent } from './run-agent.ts'

const ORPHAN_MS = 60_000
const DRAIN_MS = 10_000
const ORPHAN_DRAIN_MS = 30_000

process.title = 'shoal agent'
const config = AgentConfig.parse(JSON.parse(process.argv[2] ?? '{}'))
const abort = new AbortController()
let running: RunningAgent | null = null
let isLeaving = false

const send = (message: AgentMessage): void => {
  if (process.connected) process.send?.(message)
}

function fail(error: unknown): never {
  const problem = toProblem(error)
  send({ type: 'failed', code: problem.code, message: problem.message })
  process.stderr.write(`${problem.message}\n`)
  process.exit(1)
}

/**
 * The agent's folder is in a data folder that our parent alone holds. So whoever holds it was left behind by an earlier
 * `shoal up` that died, and may run another model at another address: it drains, and the next try finds the folder free.
 */
function relieveOrphan({ code, details }: Problem): void {
  const { pid } = details
  if (code !== 'folder_in_use' || typeof pid !== 'number') return
  try {
    process.kill(pid, 'SIGTERM')
  } catch {
    // It is gone already.
  }
}

function leave(graceMs: number): void {
  if (isLeaving) return
  isLeaving = true
  abort.abort(new Problem('cancelled', 'The agent was told to stop.'))
  if (running) running.drain(graceMs).then(() => process.exit(0), fail)
  else process.exit(0)
}

process.on('message', () => leave(DRAIN_MS))
process.on('SIGINT', () => undefined)
process.on('SIGTERM', () => leave(DRAIN_MS))
process.on('disconnect', () => setTimeout(() => leave(ORPHAN_DRAIN_MS), ORPHAN_MS))

runAgent(
  config,
  {
    onStep(step) {
      if (step.kind === 'state') send({ type: 'state', state: step.state, nodeId: step.nodeId })
      else if (step.kind === 'serving') {
        const { nodeId, isParked, models } = step
        send({ type: 'serving', nodeId, isParked, models: [...models] })
      } else if (step.kind === 'note') send({ type: 'note', text: step.text })
      else send({ type: 'state', state: step.kind === 'waiting' ? step.why : step.kind, nodeId: null })
    },
    onFailed: fail,
  },
  abort.signal,
).then(
  (agent) => {
    running = agent
    if (isLeaving) agent.drain(0).then(() => process.exit(0), fail)
  },
  (error) => {
    relieveOrphan(toProblem(error))
    fail(error)
  },
)
