/** Lets this process load one source file with a planted bug in it. Nothing is written anywhere. */
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { assert } from '#kernel/assert.ts'
import type { PlantedBug } from './mutants.ts'

const source = join(import.meta.dirname, '..', '..', 'src')

/** The file's text with the bug. Throws when one of the edits does not fit exactly once. */
export function mutate({ name, file, edits }: PlantedBug): string {
  let text = readFileSync(join(source, file), 'utf8')
  for (const [part, instead] of edits) {
    const count = text.split(part).length - 1
    assert(count === 1, `mutant ${name}: its text stands ${count} times in src/${file}, not once: ${part}`)
    text = text.replace(part, () => instead)
  }
  return text
}

/** From now on the mutant's file is loaded with the bug. To be called before anything that imports it. */
export function plant(mutant: PlantedBug): void {
  const url = pathToFileURL(join(source, mutant.file)).href
  const text = mutate(mutant)
  registerHooks({
    load: (at, context, nextLoad) =>
      at === url ? { format: 'module-typescript', source: text, shortCircuit: true } : nextLoad(at, context),
  })
}
