import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { isFailure, type KeptProof, type ProofSolver } from '#agent/hardware/proof-solver.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import type { Gpu } from '#protocol/capability.ts'
import type { OpenedRow, ProofBegin } from '#protocol/hardware-proof.ts'
import { checkProof } from '#verify/hardware/check-proof.ts'
import { solveProof } from '#verify/hardware/solve-proof.ts'
import { openCardProver } from './card-prover.ts'
import { createCpuProver } from './cpu-prover.ts'

const folder = mkdtempSync(join(tmpdir(), 'shoal-provers-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const skip = hasCompiler() ? false : 'there is no C compiler here'
const size = { rows: 64, width: 32, rounds: 3 }
const task: ProofBegin = { kind: 'begin', challengeId: 'one', deviceId: 'cpu', seed: 'a7'.repeat(32), size }

test('the thread of the processor proves what the check believes', async () => {
  const prover = createCpuProver('test')
  assert.equal(await proves(prover, task), 'good')
  const refused = await solved(prover, { ...task, size: { rows: 2 ** 20, width: 1_024, rounds: 3 } })
  assert.equal(isFailure(refused) && refused.reason, 'memory_short')
  await prover.close()
})

test('the source for cards, as plain C, computes the same numbers', { skip }, async () => {
  const prover = await openCardProver([gpu('plain C')], { folder, kinds: ['c'], onNote: assert.fail })
  assert.ok(prover)
  assert.equal(await proves(prover, { ...task, deviceId: 'GPU-test' }), 'good')
  const refused = await solved(prover, { ...task, deviceId: 'GPU-other' })
  assert.equal(isFailure(refused) && refused.reason, 'device_unknown')
  prover.close()
})

test('a card that was promised memory and cannot compute in it is asked for less', { skip }, async () => {
  const own = mkdtempSync(join(folder, 'short-'))
  const prover = await openCardProver([gpu('plain C')], { folder: own, kinds: ['c'], onNote: assert.fail })
  assert.ok(prover)
  const program = readdirSync(own).find((name) => !name.endsWith('.source')) ?? ''
  const answers = 'read line; echo ok; read line; echo error round; read line'
  writeFileSync(join(own, 'short'), `#!/bin/sh\n${answers}\n`, { mode: 0o755 })
  renameSync(join(own, 'short'), join(own, program))
  const refused = await solved(prover, { ...task, deviceId: 'GPU-test' })
  assert.equal(isFailure(refused) && refused.reason, 'memory_short')
  prover.close()
})

test('the source for cards computes the same numbers by OpenCL', { skip }, async (context) => {
  const notes: string[] = []
  const prover = await openCardProver([gpu('pthread')], {
    ...{ folder, kinds: ['opencl'], devices: 'any', onNote: (text) => notes.push(text) },
  })
  if (!prover) return context.skip(`there is no OpenCL device here: ${notes.join()}`)
  assert.equal(await proves(prover, { ...task, deviceId: 'GPU-test' }), 'good')
  prover.close()
})

test('a machine whose cards nothing can prove says so, and proves its processor alone', async () => {
  const notes: string[] = []
  const onNote = (text: string) => void notes.push(text)
  assert.equal(await openCardProver([gpu('none such')], { folder, kinds: [], onNote }), null)
  assert.match(notes.join(), /cannot be proven here, only its processor/)
})

function gpu(name: string): Gpu {
  const unknown = { vramUsedMib: null, utilisationPercent: null, powerWatts: null, powerLimitWatts: null }
  return {
    ...{ index: 0, uuid: 'GPU-test', vendor: 'nvidia', name, vramMib: 1_024, ...unknown },
    ...{ temperatureC: null, driver: null, pcieGeneration: null, pcieLanes: null, mig: null },
    ...{ healthy: true, unhealthyReason: null },
  }
}

const solved = (prover: ProofSolver, asked: ProofBegin) =>
  new Promise<Parameters<Parameters<ProofSolver['solve']>[1]>[0]>((resolve) => prover.solve(asked, resolve))

async function proves(prover: ProofSolver, asked: ProofBegin): Promise<unknown> {
  const result = await solved(prover, asked)
  assert.ok(!isFailure(result), JSON.stringify(result))
  const seed = Buffer.from(asked.seed, 'hex')
  const sha256 = (data: Uint8Array) => nodeCrypto.sha256(data)
  assert.deepEqual(result.roots, solveProof({ seed, size: asked.size }, sha256).roots)
  const rows = [0, 17, 63]
  const chains = await opened(result, rows)
  result.drop()
  const check = checkProof({ seed, size: asked.size, roots: result.roots, rows, chains }, sha256)
  for (;;) {
    const verdict = check.advance()
    if (verdict !== null) return verdict
  }
}

const opened = (proof: KeptProof, rows: readonly number[]) =>
  new Promise<OpenedRow[][]>((resolve, reject) =>
    proof.open(rows, (chains) => (isFailure(chains) ? reject(new Error(chains.message)) : resolve(chains))),
  )

function hasCompiler(): boolean {
  try {
    execFileSync('cc', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
