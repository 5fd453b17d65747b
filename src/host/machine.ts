/** The computer that the program runs on: what it says about itself, asked without trusting any answer to come. */
export interface Machine {
  facts(): MachineFacts
  /** Runs `command` (no shell) and waits for its end. It is killed when it takes longer than `timeoutMs`. Never rejects. */
  run(command: string, args: readonly string[], options: RunOptions): Promise<CommandResult>
  /** The text of a small file, or `null` when it cannot be read. */
  readFile(path: string): string | null
  /** The names in a folder, sorted; empty when it cannot be read. */
  listFolder(path: string): readonly string[]
  /** Free to this user on the disk that holds `path` or would hold it; `null` when the system does not say. */
  diskFreeMib(path: string): Promise<number | null>
  /** Whether files can be made in `folder`, or in the nearest folder above it that exists. */
  folderState(folder: string): Promise<FolderState>
  /** Whether a server could listen on 127.0.0.1 at `port` now. */
  portState(port: number): Promise<'free' | 'taken' | 'forbidden'>
  /** What the CPU packages draw, averaged over a fraction of a second; `null` where that cannot be read. */
  cpuPowerWatts(): Promise<number | null>
}

export interface MachineFacts {
  readonly cpuModel: string
  /** Cores that this process may use: affinity and container limits count. */
  readonly cores: number
  /** Memory that this process may use: container limits count. */
  readonly memoryMib: number
  readonly freeMemoryMib: number
  /** As Node names them: `linux`, `x64`. */
  readonly platform: string
  readonly arch: string
  /** `Debian GNU/Linux 12 (bookworm)`. */
  readonly osName: string
  /** Version of Node, without the `v`, and the path of its program. */
  readonly nodeVersion: string
  readonly nodePath: string
}

export interface RunOptions {
  readonly timeoutMs: number
  /** Folder to run in; the current one without it. */
  readonly folder?: string
}

/** Output is cut after a few MiB. `code` is 128 + n for a command that died of signal n. */
export interface CommandOutput {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}
export type CommandResult = CommandOutput | 'not_found' | 'timed_out'

export type FolderState =
  | { readonly isWritable: true }
  | { readonly isWritable: false; readonly reason: 'read_only' | 'no_permission' | 'not_a_folder' | 'failed' }
