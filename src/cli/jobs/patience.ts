import { SECOND_MS } from '#kernel/time.ts'
import { Problem } from '#protocol/problem.ts'
import type { Session } from '../session.ts'

/** A network whose coordinator is replaced is back within seconds; one that is gone for this long is gone. */
const TRIES = 60
const UNREACHABLE: readonly string[] = ['network_unreachable', 'network_timeout']
/** Somebody must free space or change rights first: who waits sees nothing, so it is said at once. */
const DISK: readonly string[] = ['disk_full', 'disk_read_only', 'disk_failed']

/** What `ask`, which is harmless to repeat, answers; a network that does not answer for a while is waited for. */
export async function patiently<T>(
  { context, signal }: { readonly context: Pick<Session['context'], 'sleep'>; readonly signal: AbortSignal },
  ask: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask()
    } catch (error) {
      signal.throwIfAborted()
      const mayPass =
        error instanceof Problem &&
        !DISK.includes(error.code) &&
        (error.retriable || UNREACHABLE.includes(error.code))
      if (!mayPass || attempt === TRIES) throw error
      await context.sleep(SECOND_MS, signal)
    }
  }
}
