/**
 * Everything that the command line may ask of the outside world. `host/node/node-cli-context.ts` is the real one; tests
 * run commands against one made of text and an in-memory network.
 */
import type { CatalogueFiles } from '#economics/catalogue.ts'
import type { OwnHistory } from '#economics/own-history.ts'
import type { Browser } from '#host/browser.ts'
import type { Crypto } from '#host/host.ts'
import type { Machine } from '#host/machine.ts'
import type { TimeZones } from '#host/time-zones.ts'
import type { Fetch } from '#protocol/client.ts'
import type { JobTools } from './jobs/job-tools.ts'

export interface CliContext {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Where the user's files are; the default data folder is `.shoal` in it. */
  readonly homeFolder: string
  /** Results. Nothing else is written here, so that it can be piped. */
  readonly stdout: CliOutput
  /** Everything that is not the result: notes, progress, problems. */
  readonly stderr: CliOutput
  readonly stdin: CliInput
  readonly fetch: Fetch
  /**
   * From now on `fetch` believes also certificates of this machine's own authorities, and of those in `caFile`. Throws a
   * `Problem` when the file is of no use.
   */
  trustAuthorities(caFile: string | null): void
  readonly clock: { nowMs(): number; elapsedMs(): number }
  /** Resolves after `ms`; rejects with the reason of `signal` when that is aborted before. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
  /** A new id, never made before: `trf_…` for the prefix `trf`. */
  newId(prefix: string): string
  /** The text of a file, or `null` when there is none. Rejects with a `Problem` when it cannot be read. */
  readFile(path: string): Promise<string | null>
  /** Writes a file, in place of what is there. Rejects with a `Problem` that names it. */
  writeFile(path: string, data: string | Uint8Array): Promise<void>
  /** The data that is shipped with the program, as parsed JSON. Throws a `Problem` when a file cannot be read. */
  dataFiles(): CatalogueFiles
  /**
   * Calls `run` at each Ctrl-C (or polite request to end) until the returned function is called. While nobody listens
   * the process ends at once, as it would by itself.
   */
  onInterrupt(run: () => void): () => void
  /** From now on a screen that nobody reads, or that has no room, costs its lines and not the program. Absent where there is none. */
  readonly outlivesScreen?: () => void
  /** For `doctor`: this machine, and where `package.json` and `node_modules` are. */
  readonly machine: Machine
  readonly crypto: Pick<Crypto, 'sha256' | 'verify'>
  readonly timeZones: TimeZones
  readonly browser: Browser
  readonly rootFolder: string
  /** The sha256 of a file, in hex, and its size. Rejects with a `Problem`. Absent where there are no files. */
  readonly hashFile?: (path: string) => Promise<{ readonly sha256: string; readonly sizeBytes: number }>
  /** The record of the node of this machine. Rejects with a `Problem`. Absent where no node can run. */
  readonly ownHistory?: (question: OwnHistoryQuestion) => Promise<OwnHistory>
  /** For jobs: their files, and a look at scenes. Absent where there are no files. */
  readonly jobTools?: () => Promise<JobTools>
}

export interface OwnHistoryQuestion {
  readonly dataFolder: string
  /** Of `shoal up`, or of `shoal provide`; needed where the folder has both. */
  readonly node: 'agent' | 'provider' | undefined
  readonly nowMs: number
  /** Days of its own record after which a node believes it. */
  readonly historyDays: number
  readonly gpuCount: number
}

export interface CliOutput {
  write(text: string): void
  readonly isTty: boolean
  /** Width of the terminal in characters; `null` when there is none. */
  readonly columns: number | null
}

export interface CliInput {
  readonly isTty: boolean
  /** Everything up to the end. */
  readAll(): Promise<string>
  /** One line, or `null` when the user ended the input or pressed Ctrl-C. */
  question(prompt: string): Promise<string | null>
}
