/** Who may not be given what any more, counted from events alone. */
import { assert } from '#kernel/assert.ts'
import type { WorkEvent } from '#work/work-events.ts'
import type { WorkLimits } from '#work/work-limits.ts'

type OfType<Type extends WorkEvent['type']> = Extract<WorkEvent, { type: Type }>

export class FarmBlame {
  readonly #limits: Pick<WorkLimits, 'nodeFailuresMax' | 'sameErrorNodes'>
  /** By job: what failed what, and each error's nodes, since it was last resumed. */
  readonly #tasks = new Map<string, Set<string>>()
  readonly #nodes = new Map<string, number>()
  readonly #errors = new Map<string, Set<string>>()
  readonly #barred = new Set<string>()

  constructor(limits: Pick<WorkLimits, 'nodeFailuresMax' | 'sameErrorNodes'>) {
    this.#limits = limits
  }

  granted({ jobId, step, task, nodeId }: OfType<'work.granted'>): void {
    const place = `${jobId}/${step}/${task}`
    assert(!this.#tasks.get(place)?.has(nodeId), `${nodeId} failed ${place}, and is given it again`)
    assert(!this.#barred.has(`${jobId} ${nodeId}`), `${nodeId} is condemned in ${jobId}`)
    const failures = this.#nodes.get(`${jobId} ${nodeId}`) ?? 0
    assert(failures < this.#limits.nodeFailuresMax, `${nodeId} failed ${failures} tasks of ${jobId}`)
    for (const [error, nodes] of this.#errors) {
      const isOwn = error.startsWith(`${jobId} `)
      assert(
        !isOwn || nodes.size < this.#limits.sameErrorNodes,
        `${error} on ${nodes.size} nodes, and goes on`,
      )
    }
  }

  failed(place: string, nodeId: string, { failure, isKeptFrom }: OfType<'work.attempt_ended'>): void {
    if (isKeptFrom) this.blamed(place, nodeId)
    if (!failure || failure.class === 'infrastructure') return
    this.blamed(place, nodeId)
    const [jobId] = place.split('/')
    const key = `${jobId} ${nodeId}`
    this.#nodes.set(key, (this.#nodes.get(key) ?? 0) + 1)
    if (failure.class !== 'task') return
    const error = `${jobId} ${failure.signature}`
    this.#errors.set(error, (this.#errors.get(error) ?? new Set()).add(nodeId))
  }

  blamed(place: string, nodeId: string): void {
    this.#tasks.set(place, (this.#tasks.get(place) ?? new Set()).add(nodeId))
  }

  barred({ jobId, nodeId }: OfType<'work.node_barred'>): void {
    this.#barred.add(`${jobId} ${nodeId}`)
  }

  requeued({ jobId, step, task }: OfType<'work.task_requeued'>): void {
    this.#tasks.delete(`${jobId}/${step}/${task}`)
  }

  resumed(jobId: string): void {
    for (const place of [...this.#tasks.keys()]) if (place.startsWith(`${jobId}/`)) this.#tasks.delete(place)
    for (const map of [this.#nodes, this.#errors]) {
      for (const key of [...map.keys()]) if (key.startsWith(`${jobId} `)) map.delete(key)
    }
  }
}
