/** What a step's `hostRequirements` mean for nodes that all run Linux on x86-64, and are told apart by memory. */
import type { NewStep } from '#protocol/job.ts'
import { type Path, refuse } from './refuse.ts'
import type { HostRequirements } from './template.ts'

const amounts: Readonly<Record<string, keyof NewStep['requirements']>> = {
  'amount.worker.memory': 'memoryMib',
  'amount.worker.gpu.memory': 'vramMib',
}
const attributes: Readonly<Record<string, string>> = {
  'attr.worker.os.family': 'linux',
  'attr.worker.cpu.arch': 'x86_64',
}

export function planRequirements(
  required: HostRequirements | undefined,
  path: Path,
): NewStep['requirements'] {
  const planned = { memoryMib: 0, vramMib: 0 }
  for (const [at, { name, min = 0 }] of (required?.amounts ?? []).entries()) {
    const where = [...path, 'amounts', at]
    const known = amounts[name.toLowerCase()]
    if (known !== undefined) planned[known] = Math.ceil(min)
    // Every node has one core.
    else if (name.toLowerCase() === 'amount.worker.vcpu' && min <= 1) continue
    else if (min > 0)
      throw refuse(
        where,
        `${name} is not supported: nodes are chosen by amount.worker.memory and amount.worker.gpu.memory`,
      )
  }
  for (const [at, { name, anyOf = [], allOf = [] }] of (required?.attributes ?? []).entries()) {
    const where = [...path, 'attributes', at]
    const own = attributes[name.toLowerCase()]
    if (own === undefined)
      throw refuse(where, `${name} is not supported: there are ${Object.keys(attributes).join(' and ')}`)
    const fits = (anyOf.length === 0 || anyOf.includes(own)) && allOf.every((one) => one === own)
    if (!fits) throw refuse(where, `no node has that: ${name} is ${own} everywhere`)
  }
  return planned
}
