/** What code may ask of the world around it: nothing, but for the twins of the ports and what wires them. */
import { folderOf, isRealTwin, isTest, isWiring, pureFolders } from './ladder.ts'
import { codeOf, importsOf, lineAt } from './source-text.ts'

export type Rule = 'ambient' | 'node-modules' | 'async'

export interface Exception {
  readonly rules: readonly Rule[]
  readonly why: string
}

/** The few files elsewhere that touch reality. One that no longer does fails the test, so that the list stays true. */
export const exceptions: Readonly<Record<string, Exception>> = {
  'src/engines/llama-cpp/child-main.ts': {
    rules: ['ambient', 'node-modules'],
    why: 'a process of its own, which no simulator runs',
  },
  'src/engines/llama-cpp/counter-main.ts': {
    rules: ['ambient', 'node-modules'],
    why: 'a process of its own, which no simulator runs',
  },
  'src/cli/load-engine-main.ts': {
    rules: ['ambient', 'node-modules'],
    why: 'a process of its own, which loads what may crash it',
  },
  'src/protocol/write-openapi.ts': {
    rules: ['node-modules'],
    why: 'a program of its own, for `npm run openapi`',
  },
  'src/protocol/client.ts': {
    rules: ['async'],
    why: 'the client of the API, over a `fetch` that it is given',
  },
}

/** Calls of functions that are in every scope, not methods of the same name nor their declarations. */
function calls(names: string): RegExp {
  return new RegExp(`(?<![.\\w#])(?:${names})\\((?![^()]*\\)\\s*[{:])`)
}

/** Patterns over code without comments and strings, each with what to use instead. */
export const ambient: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [/\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|\bprocess\.hrtime\b/, 'Host.clock'],
  [/\bAbortSignal\.timeout\(|\bprocess\.nextTick\(/, 'Host.clock.after'],
  [calls('setTimeout|setInterval|setImmediate|queueMicrotask'), 'Host.clock.after'],
  [/\bMath\.random\(/, 'Host.random'],
  [calls('randomInt'), 'Host.random'],
  [
    calls('randomUUID|randomBytes|getRandomValues|crypto\\.(?:randomUUID|randomBytes|getRandomValues)'),
    'Host.secrets.randomBytes',
  ],
  [/\bcrypto\.subtle\b/, 'Host.crypto: WebCrypto resolves off-thread, in an order that no seed controls'],
  [/(?<![.\w])process\.\w/, 'an argument that src/run passes'],
  [calls('fetch|new (?:WebSocket|EventSource|XMLHttpRequest)'), 'Host.network'],
  [/\bconsole\.\w/, 'Host.log, or the output that the command was given'],
]

/** Their results depend on the machine's locale or its version of ICU; the CLI, which speaks to people, may use them. */
const local: readonly [RegExp, string] = [
  /\.toLocale\w*\(|\.localeCompare\(|\bIntl\./,
  'a format or an order that is the same everywhere',
]

/** Modules of Node that only compute. */
const harmless = ['node:util', 'node:url', 'node:path', 'node:assert', 'node:assert/strict']
/** Packages that only compute, for the pure folders. */
const purePackages = ['zod']

export function checkPurity(
  file: string,
  text: string,
  allowed: readonly Rule[] = exceptions[file]?.rules ?? [],
): string[] {
  if (isTest(file) || isRealTwin(file) || isWiring(file)) return []
  const rules: Readonly<Record<Rule, () => string[]>> = {
    ambient: () => checkAmbient(file, text),
    'node-modules': () => checkModules(file, text),
    async: () => checkAsync(file, text),
  }
  const broken = Object.entries(rules).map(([rule, check]) => [rule as Rule, check()] as const)
  return broken.flatMap(([rule, complaints]) => {
    if (!allowed.includes(rule)) return complaints
    return complaints.length > 0
      ? []
      : [`${file}: needs no exception from the rule ${rule} any more: take it off the list`]
  })
}

function checkAmbient(file: string, text: string): string[] {
  const code = codeOf(text)
  const hasOwnFetch = /\b(?:function|const|let)\s+fetch\b/.test(code)
  const patterns = folderOf(file) === 'cli' ? ambient : [...ambient, local]
  return patterns.flatMap(([pattern, instead]) => {
    const match = pattern.exec(code)
    if (!match || (hasOwnFetch && match[0] === 'fetch(')) return []
    return [`${file}:${lineAt(code, match.index)}: ${match[0]} is ambient: use ${instead}`]
  })
}

function checkModules(file: string, text: string): string[] {
  const isPure = pureFolders.includes(folderOf(file))
  return importsOf(text).flatMap(({ specifier, isType, line }) => {
    if (isType || /^[.#]/.test(specifier)) return []
    if (isPure && !purePackages.includes(specifier))
      return [`${file}:${line}: ${folderOf(file)} is pure; ${specifier} is not`]
    const isIo = specifier.startsWith('node:') && !harmless.includes(specifier)
    return isIo ? [`${file}:${line}: ${specifier} is for src/host/node: take a port as an argument`] : []
  })
}

function checkAsync(file: string, text: string): string[] {
  if (!pureFolders.includes(folderOf(file))) return []
  const code = codeOf(text)
  const match = /\b(?:async|await)\b|\bnew Promise\b|\bPromise\.\w/.exec(code)
  return match
    ? [`${file}:${lineAt(code, match.index)}: ${match[0]}: ${folderOf(file)} is pure, so nothing in it waits`]
    : []
}
