import type { ExitCode } from './exit-codes.ts'

/** Ends a command whose output has said everything already, with this exit code. */
export class QuietExit extends Error {
  override readonly name = 'QuietExit'
  readonly exitCode: ExitCode

  constructor(exitCode: ExitCode) {
    super(`exit ${exitCode}`)
    this.exitCode = exitCode
  }
}
