/** Options of the commands that run a process of a cell, for what it tells about itself. */
import { join, resolve } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { Problem } from '#protocol/problem.ts'
import type { TelemetryConfig } from './telemetry-config.ts'

export interface TelemetryFlags {
  readonly metricsToken?: string
  /** True without a name. */
  readonly accessLog?: string | true
  readonly accessLogSize: number
  readonly accessLogFiles: number
  readonly logPrompts?: true
}

/** Shorter ones can be guessed at the speed of the network. */
const TOKEN_LENGTH_MIN = 16
const STDOUT = '-'
const BYTES_PER_MB = 1_000_000

export const withTelemetryFlags = (command: Command): Command =>
  command
    .addOption(
      new Option('--metrics-token <token>', 'opens /metrics from other machines, too, as a bearer token').env(
        'SHOAL_METRICS_TOKEN',
      ),
    )
    .option(
      '--access-log [file]',
      'write a line of JSON for each call of /v1: to access.log in the data folder, to FILE, or to standard output (-)',
    )
    .option('--access-log-size <MB>', 'start a new access log beyond this size', parseCount, 100)
    .option('--access-log-files <number>', 'old access logs that are kept', parseCount, 5)
    .option(
      '--log-prompts',
      'write what callers ask into the access log, too: tell them, for it is their text',
    )

export function telemetryOf(flags: TelemetryFlags, dataFolder: string): TelemetryConfig {
  const { metricsToken = null, accessLog, accessLogSize, accessLogFiles, logPrompts = false } = flags
  if (metricsToken !== null && metricsToken.length < TOKEN_LENGTH_MIN) {
    throw new Problem(
      'config_invalid',
      `The metrics token has ${metricsToken.length} characters, at least ${TOKEN_LENGTH_MIN} are needed. Make one with: openssl rand -hex 16`,
    )
  }
  if (accessLog === undefined) {
    if (logPrompts)
      throw new Problem(
        'config_invalid',
        '--log-prompts writes into the access log, and goes with --access-log.',
      )
    return { metricsToken, accessLog: null }
  }
  const file =
    accessLog === STDOUT ? null : accessLog === true ? join(dataFolder, 'access.log') : resolve(accessLog)
  const bytesMax = accessLogSize * BYTES_PER_MB
  return { metricsToken, accessLog: { file, bytesMax, filesMax: accessLogFiles, hasPrompts: logPrompts } }
}

/** What is to be said when it starts; null mostly. */
export const telemetryWarning = ({ accessLog }: TelemetryConfig): string | null =>
  accessLog?.hasPrompts
    ? `prompts are written to ${accessLog.file ?? 'standard output'}, those of every organisation: tell your callers`
    : null

function parseCount(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1 && value <= 100_000) return value
  throw new InvalidArgumentError('Expected a whole number from 1 to 100000.')
}
