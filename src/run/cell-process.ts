import type { Child, ChildExit, ChildProgram, Children } from '#engines/child.ts'
import { CellConfig, CellMessage, type CellOrder, type TokenOwner } from './cell-config.ts'

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
      { module, args: [], ...(sharesStdout && { sharesStdout }) },
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
