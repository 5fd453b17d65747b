/** A task of a step as it is run: all places of its texts filled in. */
import { fillFormat } from '#protocol/format-string.ts'
import { failureProblem } from '#protocol/task-failure.ts'
import type { CommandSettings } from './command-settings.ts'

/** Where things lie in the sandbox. */
export const inBox = { inputs: '/in', work: '/work', files: '/files' } as const

export interface PreparedTask {
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly files: readonly { readonly name: string; readonly text: string; readonly isRunnable: boolean }[]
}

/** Linux takes no more, environment included, and 128 KiB of each. */
const COMMAND_BYTES_MAX = 120_000

export function prepareTask(
  settings: CommandSettings,
  params: Readonly<Record<string, unknown>>,
): PreparedTask {
  const places = new Map(settings.files.map(({ name, filename }) => [name, filename ?? name]))
  if (new Set(places.values()).size < settings.files.length)
    throw wrong('Two files of the step have one name.')
  const meaningOf = (name: string): string | null => {
    if (name === 'Session.WorkingDirectory') return inBox.work
    if (name === 'Session.HasPathMappingRules') return 'false'
    if (name === 'Shoal.Inputs') return inBox.inputs
    const [kind, what, key = ''] = name.split('.')
    if (kind !== 'Task') return null
    if (what === 'File') return places.has(key) ? `${inBox.files}/${places.get(key)}` : null
    const value = what === 'Param' || what === 'RawParam' ? params[key] : undefined
    return Object.hasOwn(params, key) && value !== undefined ? String(value) : null
  }
  const fill = (text: string, where: string): string => {
    const filled = fillFormat(text, meaningOf)
    if ('text' in filled) return filled.text
    throw wrong(`The step's ${where} ${filled.wrong}.`)
  }
  const command = [
    fill(settings.command, 'command'),
    ...settings.args.map((arg, at) => fill(arg, `args.${at}`)),
  ]
  const env = Object.fromEntries(
    Object.entries(settings.env).map(([name, value]) => [name, fill(value, `env.${name}`)]),
  )
  const all = [...command, ...Object.entries(env).flat()]
  if (all.some((one) => one.includes('\0'))) throw wrong('The command or its environment holds a zero byte.')
  const bytes = all.reduce((sum, one) => sum + Buffer.byteLength(one) + 1, 0)
  if (bytes > COMMAND_BYTES_MAX)
    throw wrong(
      `The command and its environment are ${bytes} bytes long, and ${COMMAND_BYTES_MAX} are the most: put them into a file of the step.`,
    )
  const files = settings.files.map(({ name, filename, data, isRunnable }) => ({
    name: filename ?? name,
    text: fill(data, `files.${name}`),
    isRunnable,
  }))
  return { command, env, files }
}

const wrong = (message: string) => failureProblem('task', 'invalid_request', message)
