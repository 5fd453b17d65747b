import type { Child, ChildExit, ChildProgram, Children } from '#engines/child.ts'
import { CellConfig, CellMessage, type CellOrder, type TokenOwner } from './cell-config.ts'

/**
 * Young objects have this much room, in MiB, from the start and while there is little to do. Left alone it is one, and at 100 streams
 * the collector took an eighth of all that a token costs (`npm run bench:gateway -- --only open`).
 */
export const CELL_FLAGS = ['--min-semi-space-size=16'] as const

export interface CellProcessHandlers {
  onMessage(message: CellMessage): void
  onExit(exit: ChildExit): void
}

/** A process that has loaded the cell's code, or is about to, and becomes the cell when it is told to start. */
export class CellProcess {
  readonly #child: Child
  #handlers: CellProcessHandlers | null = null
  #exit: ChildExit | null = null

  constructor(children: Children, { module, sharesStdout }: Pick<ChildProgram, 'module' | 'sharesStdout'>) {
    this.#child = children.spawnChild(
      { module, args: [], nodeFlags: CELL_FLAGS, ...(sharesStdout && { sharesStdout }) },
      {
        onMessage: (message) => this.#handlers?.onMessage(CellMessage.parse(message)),
        onExit: (exit) => {
          this.#exit = exit
          this.#handlers?.onExit(exit)
        },
      },
    )
  }

  get isGone(): boolean {
    return this.#exit !== null
  }

  start(config: CellConfig, handlers: CellProcessHandlers): void {
    this.#handlers = handlers
    this.#order({ type: 'start', config })
  }

  askToken(owner: TokenOwner): void {
    this.#order({ type: 'token', owner })
  }

  tellAuditorFailed(): void {
    this.#order({ type: 'auditor_failed' })
  }

  /** Asks it to end in order; a spare one ends at once. */
  stop(): void {
    this.#order({ type: 'stop' })
  }

  kill(): void {
    this.#child.kill()
  }

  #order(order: CellOrder): void {
    const message = order.type === 'start' ? { ...order, config: CellConfig.encode(order.config) } : order
    this.#child.send(message)
  }
}
