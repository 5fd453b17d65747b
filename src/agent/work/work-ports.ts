/** What the work on tasks needs of the machine that it runs on. Its simulated twin has no disk and no network. */
import type { OutputFile } from '#protocol/task.ts'
import type { TaskGrant } from '#protocol/work-link.ts'

/** For one attempt. */
export interface TransferWatch {
  /** Asked for at every call: a grant that came again brings a fresh one. */
  readonly token: () => string
  readonly signal: AbortSignal
  /** From 0 to 1; each time that bytes have moved. */
  readonly onProgress: (fraction: number) => void
}

/** A folder with all that a task takes, to be read only. It stays until everybody who has it let go. */
export interface HeldInputs {
  readonly root: string
  /** One more who has it. */
  retain(): HeldInputs
  /** Harmless to repeat. */
  release(): void
}

export type WantedInputs = Pick<TaskGrant, 'fence' | 'inputRoot' | 'files'>

export interface JobInputs {
  /** Rejects with a `Problem`, and with the reason of the signal once that is aborted. */
  obtain(wanted: WantedInputs, watch: TransferWatch): Promise<HeldInputs>
  /** Trees that are here whole. */
  cached(): readonly string[]
}

/** What an attempt made and the network does not have yet. */
export interface KeptResult {
  readonly grant: TaskGrant
  /** The attempt's own. */
  readonly folder: string
  readonly files: readonly OutputFile[]
  readonly wallMs: number
}

export interface JobOutputs {
  /** What processes before this one made and did not get away; whole, as it was made. */
  readonly kept: readonly KeptResult[]
  /** From now on this outlives the process, until its folder is dropped. Never rejects: at worst it is made again. */
  keep(result: KeptResult): Promise<void>
  /** An empty folder of the attempt's own. Rejects with a `Problem`. */
  makeFolder(fence: number): Promise<string>
  /** Resolves once the network has them all; what arrived before is not sent again. */
  send(
    made: { readonly folder: string; readonly files: readonly OutputFile[] },
    watch: TransferWatch,
  ): Promise<void>
  /** Never rejects. */
  drop(folder: string): Promise<void>
}
