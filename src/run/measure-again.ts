import type { Engine } from '#engines/engine.ts'
import { type ModelSpeed, measureModel } from '#engines/measure.ts'
import type { Clock, Log } from '#host/host.ts'
import { MINUTE_MS } from '#kernel/time.ts'
import { toProblem } from '#protocol/problem.ts'

/** What was measured as slow is looked at again, until it is as fast as it once was or nearly. */
const AGAIN_MS = 10 * MINUTE_MS
const NEARLY = 0.8

/**
 * Measures a model anew when the network finds the node slower than it says, and keeps what it finds in `speeds`; `onMeasured`
 * runs after each. One measurement at a time. Speeds that were never measured are left alone.
 */
export function createMeasureAgain(
  parts: { engine: Engine; clock: Clock; log: Log; speeds: Map<string, ModelSpeed> },
  onMeasured: () => void,
): (model: string) => void {
  const { engine, clock, log, speeds } = parts
  const first = new Map(speeds)
  let isMeasuring = false

  async function measure(model: string): Promise<void> {
    const best = first.get(model)
    if (isMeasuring || !best) return
    isMeasuring = true
    try {
      const speed = await measureModel(engine, model, clock)
      log.info('model.measured', { model, ...speed })
      speeds.set(model, speed)
      onMeasured()
      if (speed.decodeTokensPerSecond < NEARLY * best.decodeTokensPerSecond)
        clock.after(AGAIN_MS, () => void measure(model))
    } catch (error) {
      // The speed stays as it was said: the engine is away, and is measured when it serves again.
      log.warn('model.not_measured', { model, message: toProblem(error).message })
    } finally {
      isMeasuring = false
    }
  }
  return (model) => void measure(model)
}
