/**
 * Runs the fault matrix: every disaster that Shoal says it survives, on real processes and in the simulator.
 *
 *     npm run bench:reliability -- [--rows F1,F5] [--parts churn,gray] [--seed 1] [--quick] [--json] [--out FILE] [--write]
 *
 * One row after the other; `--quick` takes shorter runs, which claim nothing. `--json` prints one line with seed, commit, machine,
 * figures and counts; `--out` writes it to a file. `--write` puts what was found, row by row, into
 * `docs/reference/reliability.json` and its table into `docs/reference/reliability.md`. Ends with 0 when every part that was run passed.
 * Ctrl-C ends what runs.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { describeMachine, machineState } from './parts/machine.ts'
import type { PartResult } from './reliability/part.ts'
import { merge, type Report, type RowResult, rowResult, tableOf, tellRow } from './reliability/report.ts'
import { rows } from './reliability/rows.ts'
import { endParts, readCommit, runPart } from './reliability/run-part.ts'

const DOCS = join(import.meta.dirname, '../docs/reference')
const [KEPT, PAGE] = [join(DOCS, 'reliability.json'), join(DOCS, 'reliability.md')]
const BEGIN = '<!-- made by `npm run bench:reliability -- --write` -->'
const END = '<!-- end of what was made -->'

const { values } = parseArgs({
  options: {
    rows: { type: 'string' },
    parts: { type: 'string' },
    seed: { type: 'string', default: '1' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    out: { type: 'string' },
    write: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const ids = rows.map(({ id }) => id)
const asked = values.rows?.split(',').map((id) => id.trim().toUpperCase())
const askedParts = values.parts?.split(',').map((name) => name.trim())
const unknown = asked?.find((id) => !ids.includes(id))
const seed = Number(values.seed)
if (unknown !== undefined || !Number.isSafeInteger(seed)) {
  console.error(
    unknown === undefined
      ? `--seed "${values.seed}" is no whole number.`
      : `There is no row '${unknown}'. There are: ${ids.join(', ')}.`,
  )
  process.exit(2)
}
if (values.help || values.list) {
  for (const { id, fault, parts } of rows)
    console.log(`${id.padEnd(4)} ${fault}: ${parts.map(({ name }) => name).join(', ') || 'not run'}`)
  process.exit(0)
}
for (const [name, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(name, () => {
    console.error(`\n${name}: ending what runs`)
    void endParts().then(() => process.exit(status))
  })
}
process.exitCode = await main()

async function main(): Promise<number> {
  const results: RowResult[] = []
  const done = new Map<string, PartResult>()
  if (!values.json)
    console.log(
      `${describeMachine(machineState())}\ncommit ${readCommit()}, seed ${seed}${values.quick ? ', short runs' : ''}\n`,
    )
  for (const row of rows) {
    if (asked && !asked.includes(row.id)) continue
    const parts: PartResult[] = []
    for (const part of row.parts) {
      if (askedParts && !askedParts.includes(part.name)) continue
      const result = done.get(part.name) ?? (await runPart(part, { seed, isQuick: values.quick }))
      done.set(part.name, result)
      parts.push(result)
    }
    if (askedParts && parts.length === 0) continue
    const result = rowResult(row, parts, machineState())
    results.push(result)
    // At once: a run takes hours, and what was found must not wait for what comes last.
    if (values.write) writeDocs({ rows: [result] })
    if (!values.json) console.log(`${tellRow(result).join('\n')}\n`)
  }
  return publish({ rows: results })
}

function publish(report: Report): number {
  const parts = report.rows.flatMap((row) => row.parts)
  const count = (verdict: PartResult['verdict']): number =>
    parts.filter((part) => part.verdict === verdict).length
  const counts = {
    run: parts.length,
    passed: count('passed'),
    missed: count('missed'),
    missing: count('missing'),
    broken: count('broken'),
  }
  const whole = {
    bench: 'reliability',
    seed,
    isQuick: values.quick,
    commit: readCommit(),
    machine: machineState(),
    counts,
    ...report,
  }
  if (values.json) console.log(JSON.stringify(whole))
  else
    console.log(
      `${counts.run} parts run: ${counts.passed} passed, ${counts.missed} missed, ${counts.missing} without a scenario, ${counts.broken} broken.`,
    )
  if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify(whole, null, 1)}\n`)
  return counts.passed === counts.run ? 0 : 1
}

function writeDocs(report: Report): void {
  const previous = existsSync(KEPT) ? (JSON.parse(readFileSync(KEPT, 'utf8')) as Report) : { rows: [] }
  const all = merge(previous, report, rows)
  writeFileSync(KEPT, `${JSON.stringify(all, null, 1)}\n`)
  const page = readFileSync(PAGE, 'utf8')
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (begin < 0 || end < begin) throw new Error(`${PAGE} has no place for the table`)
  writeFileSync(PAGE, `${page.slice(0, begin)}${BEGIN}\n\n${tableOf(all, rows)}\n\n${page.slice(end)}`)
}
