/** `shoal up` with a command before it: preloaded faults, a namespace. */
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { awaitNetwork, type Network, type Rig } from '../../test/e2e/rig.ts'

const SHOAL = join(import.meta.dirname, '../../bin/shoal.ts')

export interface WrappedOptions {
  readonly folder?: string
  readonly port?: string
  /** The `shoal` that runs, when it is not this one. */
  readonly shoal?: readonly string[]
}

/** On a free port unless told, without a node of its own. */
export function startWrapped(
  rig: Rig,
  before: readonly string[],
  { folder = rig.path('data'), port = '0', shoal = [process.execPath, SHOAL] }: WrappedOptions = {},
): Promise<Network> {
  const readyFile = join(mkdtempSync(rig.path('ready-')), 'ready.json')
  const program = rig.startCommand([
    ...before,
    ...shoal,
    ...['up', '--data', folder, '--port', port, '--ready-file', readyFile, '--no-agent'],
  ])
  return awaitNetwork({ program, folder, readyFile })
}
