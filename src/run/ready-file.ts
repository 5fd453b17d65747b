/** The file in which scripts find where a network serves. */
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { Problem, toProblem } from '#protocol/problem.ts'
import type { Ready } from './cell-keeper.ts'

/** Nobody may take the file of an earlier run for this one's; a place that cannot be written is told before the start. */
export function clearReady(file: string): void {
  tryReady(file, () => {
    writeFileSync(file, '', { mode: 0o600 })
    rmSync(file)
  })
}

/** What scripts are told: addresses for this machine, and for others the public one where that is another. */
export const readyFields = ({ openaiBaseUrl, apiKey, apiUrl, publicUrl }: Ready) => ({
  openaiBaseUrl,
  apiKey,
  apiUrl,
  webUrl: `${apiUrl}/`,
  ...(publicUrl === apiUrl ? {} : { publicUrl }),
})

/**
 * Writes it each time that the network serves (again); without a file nothing. A place that cannot be written any more
 * is told by `note`, once: whoever serves goes on.
 */
export function readyWriter(file: string | undefined, note: (text: string) => void): (ready: Ready) => void {
  let told = ''
  return (ready) => {
    if (file === undefined) return
    try {
      writeReady(file, ready)
      told = ''
    } catch (error) {
      const { message } = toProblem(error)
      if (message !== told) note(message)
      told = message
    }
  }
}

function writeReady(file: string, ready: Ready): void {
  const text = `${JSON.stringify(readyFields(ready))}\n`
  // Renamed into place: whoever waits for the file never reads half of it.
  tryReady(file, () => {
    writeFileSync(`${file}.part`, text, { mode: 0o600 })
    renameSync(`${file}.part`, file)
  })
}

function tryReady(file: string, write: () => void): void {
  try {
    write()
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new Problem('config_invalid', `The ready file ${file} cannot be written: ${why}.`, { cause })
  }
}
