/** The page's address: every input is in its query, as it was typed. */
import { formatRoiQuery, type QueryProblem } from '../../src/economics/roi-query.ts'

export type Params = Readonly<Record<string, string>>
export type View = 'own' | 'buy'

/** Which side of the verdict is large. The page's own; all other parameters are those of the economics. */
export const VIEW = 'view'

/** Parameters of an address, the first of each name, and what is wrong with the link itself. */
export function readLink(search: string): { params: Params; problems: readonly QueryProblem[] } {
  const params: Record<string, string> = {}
  const problems: QueryProblem[] = []
  for (const [name, value] of new URLSearchParams(search)) {
    if (!Object.hasOwn(params, name)) params[name] = value
    else if (problems.every((problem) => problem.name !== name)) {
      const message = `This link says ${name} more than once: "${params[name]}" and "${value}". Say which.`
      problems.push({ name, message })
    }
  }
  if (VIEW in params && params[VIEW] !== 'own' && params[VIEW] !== 'buy') {
    problems.push({ name: VIEW, message: `"${params[VIEW]}" is no ${VIEW}: expected own or buy.` })
  }
  return { params, problems }
}

export const viewOf = (params: Params): View => (params[VIEW] === 'buy' ? 'buy' : 'own')

/** What the economics read of it. */
export function questionOf(params: Params): Params {
  const { [VIEW]: _view, ...question } = params
  return question
}

/** The query of an address, without its question mark; empty where nothing was said. */
export const searchOf = (params: Params): string => formatRoiQuery(params)

/** The command that says the same in a terminal. Answers of a link that no option takes are left out. */
export function commandOf(params: Params, command = 'shoal roi'): string {
  const options = Object.entries(questionOf(params)).flatMap(([name, value]) => {
    if (/^(dedicated|power-limited)$/.test(name)) return value === 'yes' ? [`--${name}`] : []
    const values = /^(usd-per|token-usd|network-price)$/.test(name) ? value.split(',') : [value]
    return values.map((one) => `--${name} ${quoted(one)}`)
  })
  return [command, ...options].join(' ')
}

/** For a POSIX shell: what is not plain stands in single quotes, which end for a quote of its own. */
const quoted = (text: string): string =>
  /^[\w.%+=:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
