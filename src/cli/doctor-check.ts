/** What a check of `shoal doctor` finds, and what it may look at. */
import type { Clock, Crypto } from '#host/host.ts'
import type { Machine } from '#host/machine.ts'
import type { Fetch } from '#protocol/client.ts'

/** What the machine is to do: each role needs other things, and none is told of what it does not need. */
export const doctorRoles = ['up', 'provide', 'operate', 'test'] as const
export type DoctorRole = (typeof doctorRoles)[number]

export interface Check {
  readonly name: string
  /**
   * `fail`: the role does not work like this. `warn`: it works, but for what `found` says. `note`: nothing is wrong;
   * the thing is for a case that the doctor cannot know.
   */
  readonly status: 'ok' | 'note' | 'warn' | 'fail'
  readonly found: string
  /** What on this machine needs it. */
  readonly neededFor: string
  /** What to do about it, with the command; `null` when all is well. */
  readonly fix: string | null
}

export interface DoctorDeps {
  readonly machine: Machine
  readonly clock: Pick<Clock, 'nowMs'>
  readonly crypto: Pick<Crypto, 'sha256'>
  readonly fetch: Fetch
  /** Of the clone or of the installed package: where `package.json` is. */
  readonly rootFolder: string
  readonly dataFolder: string
  readonly port: number
  readonly role: DoctorRole
  /** The network to compare the clock with; `null`: none was named. */
  readonly networkUrl: string | null
}

type Line = Omit<Check, 'status' | 'fix'>

export const ok = (line: Line): Check => ({ ...line, status: 'ok', fix: null })
export const note = (line: Line, fix: string): Check => ({ ...line, status: 'note', fix })
export const warn = (line: Line, fix: string): Check => ({ ...line, status: 'warn', fix })
export const fail = (line: Line, fix: string): Check => ({ ...line, status: 'fail', fix })

/** A clone installs its packages by itself and has scripts for more; an installed package has neither. */
export const isClone = ({ machine, rootFolder }: Pick<DoctorDeps, 'machine' | 'rootFolder'>): boolean =>
  machine.readFile(`${rootFolder}/bootstrap.mjs`) !== null

/** `512 MiB` as `0.5`. */
export const gib = (mib: number): string => (mib / 1024).toFixed(1)
