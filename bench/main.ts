/** `npm run bench`: lists what can be measured and measures it; `npm run bench -- NAME…` measures some. */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const usage = `Usage: npm run bench -- [NAME…] [--list] [--json] [options of a bench]

Without names, everything is measured, one after the other. --json prints one line a bench. What else a bench takes
stands at the top of its file: NAME --help prints it.`

interface Bench {
  readonly name: string
  readonly path: string
  /** What its file says first. */
  readonly what: string
  /** All of that: options, aims, when it fails. */
  readonly about: string
}

const benches = findBenches(import.meta.dirname)
const words = process.argv.slice(2)
const firstOption = words.findIndex((word) => word.startsWith('-'))
const names = firstOption === -1 ? words : words.slice(0, firstOption)
const options = words.slice(names.length)
const isForPeople = !options.includes('--json')
const list = benches.map(({ name, what }) => `  ${name.padEnd(13)} ${what}`).join('\n')
const unknown = names.find((name) => benches.every((bench) => bench.name !== name))

if (options.includes('--help') && unknown === undefined && names.length > 0) {
  for (const { name, about } of benches) if (names.includes(name)) console.log(`${about}\n`)
  process.exit(0)
}
if (options.includes('--help') || unknown !== undefined) {
  if (unknown !== undefined) console.error(`There is no bench '${unknown}'.`)
  console.error(`${usage}\n\n${list}`)
  process.exit(unknown === undefined ? 0 : 2)
}
if (isForPeople && names.length === 0) console.log(`${list}\n`)
if (!options.includes('--list')) process.exitCode = measure()

/** Each in a process of its own, so that no bench finds memory or code that another left. Answers the worst status. */
function measure(): number {
  let worst = 0
  for (const { name, path } of benches) {
    if (names.length > 0 && !names.includes(name)) continue
    if (isForPeople) console.log(`── ${name} ${'─'.repeat(100 - name.length)}`)
    const { status, error } = spawnSync(process.execPath, [path, ...options], { stdio: 'inherit' })
    if (error) throw error
    if (status !== 0) console.error(`The bench '${name}' failed.`)
    worst = Math.max(worst, status ?? 1)
    if (isForPeople) console.log('')
  }
  return worst
}

function findBenches(folder: string): Bench[] {
  return readdirSync(folder)
    .filter((file) => /^[a-z-]+\.ts$/.test(file) && file !== 'main.ts')
    .toSorted()
    .map((file) => {
      const path = join(folder, file)
      const about = openingComment(readFileSync(path, 'utf8'))
      return { name: file.slice(0, -'.ts'.length), path, what: firstSentence(about), about }
    })
}

function openingComment(text: string): string {
  const comment = /^\/\*\*(.*?)\*\//s.exec(text)?.[1] ?? ''
  return comment.replaceAll(/^[ \t]*\*[ ]?/gm, '').trim()
}

function firstSentence(about: string): string {
  const line = about.replaceAll(/\s*\n\s*/g, ' ')
  return /^.*?[.:](?=\s|$)/.exec(line)?.[0].replace(/[:]$/, '.') ?? line
}
