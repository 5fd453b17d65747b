/**
 * The metrics of the workers of one gateway as one page, with a label that says whose they are: they share a port, and
 * whoever asks reaches any of them.
 */
import type { Bus, Clock } from '#host/host.ts'

export interface WorkerMetrics {
  /** `own` and what the others have, as far as they answer in time. */
  join(own: string): Promise<string>
  close(): void
}

export interface WorkerMetricsOptions {
  /** The same for all workers of one gateway. */
  readonly group: string
  readonly index: number
  readonly count: number
  /** This worker's page. */
  text(): Promise<string>
  /** A name that nobody else uses. */
  newId(): string
}

const ANSWER_MS_MAX = 1_000

export function joinWorkerMetrics(
  { bus, clock }: { readonly bus: Bus; readonly clock: Clock },
  { group, index, count, text, newId }: WorkerMetricsOptions,
): WorkerMetrics {
  const asked = `gateways.metrics.${group}`
  const subscription = bus.subscribe(asked, (answerTo) => {
    text().then(
      (page) => bus.publish(answerTo, JSON.stringify({ index, page })),
      () => undefined, // The others show what they have.
    )
  })
  return {
    join(own) {
      const pages = new Map([[index, own]])
      const answerTo = `${asked}.${newId()}`
      return new Promise((resolve) => {
        const finish = (): void => {
          answers.close()
          deadline.cancel()
          resolve(joinPages(pages))
        }
        const answers = bus.subscribe(answerTo, (message) => {
          const { index: from, page } = JSON.parse(message) as { index: number; page: string }
          // Of ours we have the newest.
          if (from !== index) pages.set(from, page)
          if (pages.size >= count) finish()
        })
        const deadline = clock.after(ANSWER_MS_MAX, finish)
        bus.publish(asked, answerTo)
      })
    },
    close: () => subscription.close(),
  }
}

/** Of each metric the samples of all pages, each with the label `worker`. */
export function joinPages(pages: ReadonlyMap<number, string>): string {
  const metrics = new Map<string, string[]>()
  for (const [worker, page] of [...pages].sort(([a], [b]) => a - b)) {
    for (const block of page.split('\n\n')) {
      const lines = block.split('\n').filter((line) => line !== '')
      const head = lines.filter((line) => line.startsWith('#')).join('\n')
      const samples = lines
        .filter((line) => !line.startsWith('#'))
        .map((line) =>
          line.replace(/^([a-zA-Z_:][\w:]*)(\{)?/, (_all, name: string, brace?: string) =>
            brace ? `${name}{worker="${worker}",` : `${name}{worker="${worker}"}`,
          ),
        )
      if (head !== '') metrics.set(head, [...(metrics.get(head) ?? []), ...samples])
    }
  }
  return `${[...metrics].map(([head, samples]) => [head, ...samples].join('\n')).join('\n\n')}\n`
}
