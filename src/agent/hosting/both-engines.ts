import type { Engine } from '#engines/engine.ts'

/** What the owner chose to serve, and what the network placed here, as one. The owner's choice goes first. */
export function bothEngines(own: Engine | null, hosted: Engine): Engine {
  if (!own) return hosted
  return {
    models() {
      const first = own.models()
      const ids = new Set(first.map(({ id }) => id))
      return [...first, ...hosted.models().filter(({ id }) => !ids.has(id))]
    },
    onChange(run) {
      own.onChange(run)
      hosted.onChange(run)
    },
    start: (request, sink) =>
      own.models().some(({ id }) => id === request.model)
        ? own.start(request, sink)
        : hosted.start(request, sink),
    async close() {
      await Promise.all([own.close(), hosted.close()])
    },
  }
}
