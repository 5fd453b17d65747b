import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { collectionRules } from '#blobs/plan-collection.ts'
import type { Root } from '#blobs/tree.ts'
import { writeTree } from '#blobs/tree.ts'
import type { BlobStore } from '#host/blob-store.ts'
import { createDiskBlobStore } from '#host/node/disk-blob-store.ts'
import { createRandom, type Random } from '#kernel/random.ts'
import { Problem } from '#protocol/problem.ts'
import { MemoryBlobStore } from '../batches/test-batches.ts'
import { collectAll, collectBlobs } from './collect-blobs.ts'
import { keepObject, readObject, vaultOn } from './test-vault.ts'

test('whatever is done in whatever order: what roots reach is whole, and what they do not is gone after the grace', async () => {
  for (let seed = 1; seed <= 12; seed++) await runOracle(seed)
})

test('dying between any two steps loses nothing that is needed and leaks nothing for ever', async () => {
  let steps = 0
  for (let dieAfter = 0; ; dieAfter++) {
    const inner = new MemoryBlobStore()
    const kept = await actUntilDeath(dyingStore(inner, dieAfter))
    let nowMs = 1e9
    const vault = vaultOn(inner, { nowMs: () => nowMs })
    for (const [sha256, bytes] of kept.live)
      assert.deepEqual(await readObject(vault.vault, sha256), bytes, `${dieAfter}`)
    await collectBlobs({ ...vault, rules: eager }, 'ada', async () => [...kept.live.keys()].map(asRoot))
    for (const [sha256, bytes] of kept.live) assert.deepEqual(await readObject(vault.vault, sha256), bytes)
    nowMs += 1_000
    await collectBlobs({ ...vault, rules: eager }, 'ada', async () => [])
    assert.deepEqual([...inner.blobs.keys()], [], `leaks after ${dieAfter} steps`)
    steps = dieAfter
    if (!kept.hasDied) break
  }
  assert.ok(steps > 20, `${steps} steps`)
})

test('a process killed while it collects has lost nothing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-collect-'))
  try {
    for (let round = 0; round < 3; round++) {
      const live = await runAndKill(folder, 25 + round * 30)
      const vault = vaultOn(createDiskBlobStore(folder, { bytesMax: 1e12 }), {
        nowMs: () => Date.now() + 1e7,
      })
      for (const sha256 of live)
        assert.ok(await readObject(vault.vault, sha256), `${sha256} of round ${round}`)
      await collectBlobs({ ...vault, rules: eager }, 'ada', async () => [])
      assert.deepEqual(
        readdirSync(folder).filter((name) => name !== 'temporary'),
        [],
      )
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('nothing young goes, nor what somebody was told of, nor anything while roots are not known', async () => {
  let nowMs = 1_000
  const vault = vaultOn(new MemoryBlobStore(), { nowMs: () => nowMs })
  const rules = { ...collectionRules, graceMs: 100 }
  const sha256 = await keepObject(vault.vault, new Uint8Array(5_000).fill(1))
  const collect = (roots: Root[] = []) => collectBlobs({ ...vault, rules }, 'ada', async () => roots)
  nowMs = 1_050
  assert.deepEqual(await collect(), { objects: 0, packs: 0, freedBytes: 0 })
  nowMs = 1_090
  assert.deepEqual(await vault.vault.unknownOf({ organisationId: 'ada', by: '' }, [sha256]), [])
  nowMs = 1_150
  assert.equal((await collect()).objects, 0)
  nowMs = 1_500
  const unknownRoots = collectBlobs({ ...vault, rules }, 'ada', () =>
    Promise.reject(new Problem('unavailable', 'no')),
  )
  await assert.rejects(unknownRoots, { code: 'unavailable' })
  assert.equal((await collect([{ kind: 'object', sha256 }])).objects, 0)
  assert.equal((await collect()).objects, 1)
  nowMs = 2_000
  await collect()
  assert.equal((await vault.vault.usage('ada')).usedBytes, 0)
})

test('what a client that sends was told is there stays for a day after what it sent last, over a restart', async () => {
  const { store, keep, pass, collect, nowMs } = setup(10_000)
  const old = await keep(1)
  pass()
  // It is told that this one is there, and goes on to send others.
  await keep(2)
  const restarted = vaultOn(store, { nowMs })
  assert.deepEqual(await readObject(restarted.vault, old), pieces(1))
  pass(9_999)
  assert.equal((await collect([], restarted)).objects, 0)
  pass(1)
  assert.equal((await collect([], restarted)).objects, 2)
  // One that nobody sends to is as old as it is.
  await keepObject(restarted.vault, pieces(3))
  pass(20_000)
  assert.equal((await collect([], vaultOn(store, { nowMs }))).objects, 1)
})

test('a tree that is needed holds its files', async () => {
  let nowMs = 0
  const vault = vaultOn(new MemoryBlobStore(), { nowMs: () => nowMs })
  const sha256 = await keepObject(vault.vault, new Uint8Array(3_000).fill(9))
  const file = { path: 'a.png', bytes: 3_000, sha256, form: 'plain' as const, object: sha256 }
  const tree = await keepObject(vault.vault, new TextEncoder().encode(writeTree([file])))
  nowMs = 1e9
  await collectBlobs({ ...vault, rules: eager }, 'ada', async () => [{ kind: 'tree', sha256: tree }])
  assert.ok(await readObject(vault.vault, sha256))
  assert.equal((await vault.vault.readTree('ada', tree)).files.length, 1)
})

test('a chunk that the disk damaged holds up no collection: what needs it is sent again, all else is as it was', async () => {
  const { store, vault, keep, collect, pass, packOf } = setup()
  const [whole, hurt, old] = [await keep(1), await keep(2), await keep(3)]
  const name = packOf(hurt)
  const pack = store.blobs.get(name)
  if (pack) pack[pack.length - 10] = (pack[pack.length - 10] ?? 0) ^ 1
  pass()
  // Three packs are small, and become one.
  const { objects, packs } = await collect([whole, hurt])
  assert.deepEqual({ objects, packs }, { objects: 1, packs: 3 })
  assert.equal(store.blobs.has(name), false)
  assert.deepEqual(await readObject(vault.vault, whole), pieces(1))
  assert.equal(await readObject(vault.vault, old), null)
  assert.deepEqual(await vault.vault.unknownOf({ organisationId: 'ada', by: '' }, [hurt]), [hurt])
  assert.equal(await keepObject(vault.vault, pieces(2)), hurt)
  pass()
  await collect([whole, hurt])
  const again = vaultOn(store, { nowMs: () => 1e9 }).vault
  assert.deepEqual(await readObject(again, hurt), pieces(2))
  assert.deepEqual(await readObject(again, whole), pieces(1))
})

test('what cannot be read on the disk stays, and holds up nothing else', async () => {
  const { store, vault, keep, collect, pass, packOf, unreadable } = setup()
  const [lost, other, unlisted, old] = [await keep(1), await keep(2), await keep(3), await keep(4)]
  unreadable.add(packOf(lost))
  store.blobs.set(`object.ada.${unlisted}`, new Uint8Array(3))
  pass()
  const { objects, packs } = await collect([lost, other, unlisted])
  assert.deepEqual({ objects, packs }, { objects: 1, packs: 3 }, 'all but the one that cannot be read')
  assert.equal(await readObject(vault.vault, unlisted), null)
  assert.equal(await readObject(vault.vault, old), null)
  unreadable.clear()
  assert.deepEqual(await readObject(vault.vault, lost), pieces(1))
  assert.deepEqual(await readObject(vault.vault, other), pieces(2))
})

test('on a full disk what nothing needs goes all the same, though nothing can be written anew', async () => {
  const { store, vault, keep, collect, pass, packOf, disk } = setup()
  const [one, other, old] = [await keep(1), await keep(2), await keep(3)]
  const unneeded = packOf(old)
  disk.isFull = true
  pass()
  // Two packs are small, and would become one.
  await assert.rejects(collect([one, other]), { code: 'disk_full' })
  assert.equal(store.blobs.has(unneeded), false)
  assert.deepEqual(await readObject(vault.vault, one), pieces(1))
  assert.deepEqual(await readObject(vault.vault, other), pieces(2))
})

test('what is wrong with the files of one organisation holds up no other', async () => {
  const { vault, pass } = setup()
  for (const organisationId of ['ada', 'bob', 'carol'])
    await keepObject(vault.vault, pieces(1), { organisationId, by: '' })
  pass()
  const collected = await collectAll({ ...vault, rules: eager }, ['ada', 'bob', 'carol'], async (one) => {
    if (one === 'bob') throw new Problem('disk_failed', 'A disk that fails.')
    return []
  })
  assert.deepEqual(
    collected.map(({ objects }) => objects),
    [1, 1],
  )
  assert.equal((await vault.vault.usage('bob')).objectCount, 1)
  assert.equal((await vault.vault.usage('carol')).objectCount, 0)
})

const eager = { ...collectionRules, graceMs: 1, smallPacksMax: 3 }
const asRoot = (sha256: string): Root => ({ kind: 'object', sha256 })

async function runOracle(seed: number): Promise<void> {
  const random = createRandom(seed)
  const store = new MemoryBlobStore()
  let nowMs = 1_000
  let vault = vaultOn(store, { nowMs: () => nowMs })
  let openedAtMs = Number.NEGATIVE_INFINITY
  const kept = new Map<string, { bytes: Uint8Array; atMs: number }>()
  const roots = new Set<string>()
  const rules = { ...collectionRules, graceMs: 1_000, smallPacksMax: 4 }
  for (let step = 0; step < 80; step++) {
    nowMs += random.int(400)
    const known = [...kept.keys()]
    const one = known[random.int(Math.max(1, known.length))]
    const act = random.int(10)
    if (act < 4) {
      const bytes = someBytes(random)
      const sha256 = await keepObject(vault.vault, bytes)
      kept.set(sha256, { bytes, atMs: nowMs })
    } else if (act < 6 && one) roots.add(one)
    else if (act < 8 && one) roots.delete(one)
    else if (act < 9) {
      await collectBlobs({ ...vault, rules }, 'ada', async () => [...roots].map(asRoot))
      for (const [sha256, { atMs }] of kept) {
        if (nowMs - atMs < rules.graceMs || roots.has(sha256)) continue
        const isGone = (await readObject(vault.vault, sha256)) === null
        // What was sent last before a start holds the others, and that was before the start.
        assert(isGone || nowMs - openedAtMs < rules.graceMs, `seed ${seed}: ${sha256} was to go`)
        if (isGone) kept.delete(sha256)
      }
    } else {
      vault = vaultOn(store, { nowMs: () => nowMs })
      openedAtMs = nowMs
    }
    for (const [sha256, { bytes }] of kept)
      assert.deepEqual(await readObject(vault.vault, sha256), bytes, `seed ${seed}, step ${step}`)
    const bytes = [...store.blobs].reduce(
      (sum, [name, blob]) => sum + (name.startsWith('pack') ? blob.length : 0),
      0,
    )
    assert.equal((await vault.vault.usage('ada')).usedBytes, bytes)
  }
  nowMs += 1e6
  for (let again = 0; again < 2; again++) {
    await collectBlobs({ ...vault, rules }, 'ada', async () => [])
    nowMs += 1e6
  }
  assert.deepEqual([...store.blobs.keys()], [])
}

/** Pieces that objects have in common, so that packs become sparse and not empty. */
function someBytes(random: Random): Uint8Array {
  const bytes = new Uint8Array((1 + random.int(6)) * 20_000)
  for (let at = 0; at < bytes.length; at += 20_000) {
    const piece = createRandom(random.int(12))
    for (let index = at; index < at + 20_000; index++) bytes[index] = piece.int(256)
  }
  return bytes
}

async function actUntilDeath(store: BlobStore): Promise<{ live: Map<string, Uint8Array>; hasDied: boolean }> {
  const live = new Map<string, Uint8Array>()
  const random = createRandom(7)
  let nowMs = 0
  try {
    const vault = vaultOn(store, { nowMs: () => nowMs })
    for (let round = 0; round < 5; round++) {
      for (let count = 0; count < 3; count++) {
        const bytes = someBytes(random)
        live.set(await keepObject(vault.vault, bytes), bytes)
      }
      // No longer needed from here on, whether or not it goes in time.
      for (const sha256 of [...live.keys()].filter((_, index) => index % 2 === 0)) live.delete(sha256)
      nowMs += 10_000
      await collectBlobs({ ...vault, rules: eager }, 'ada', async () => [...live.keys()].map(asRoot))
    }
    return { live, hasDied: false }
  } catch (error) {
    if (error !== DEATH) throw error
    return { live, hasDied: true }
  }
}

const DEATH = new Problem('unavailable', 'It died.')

/** Does so many steps that change something, and nothing any more. */
function dyingStore(inner: BlobStore, stepsMax: number): BlobStore {
  let steps = 0
  const step = (): void => {
    if (steps++ >= stepsMax) throw DEATH
  }
  return {
    async create() {
      const writer = await inner.create()
      const finish = async (name: string): Promise<void> => {
        step()
        await writer.finish(name)
      }
      return {
        write: (chunk) => writer.write(chunk),
        digest: () => writer.digest(),
        finish,
        abort: () => writer.abort(),
      }
    },
    async delete(name) {
      step()
      await inner.delete(name)
    },
    open: (name) => inner.open(name),
    list: (prefix) => inner.list(prefix),
    usage: () => inner.usage(),
  }
}

const pieces = (seed: number): Uint8Array => {
  const random = createRandom(seed)
  return Uint8Array.from({ length: 60_000 }, () => random.int(256))
}

/** A vault in memory, of whose packs some cannot be read; `pass` lets more than the grace go by. */
function setup(graceMs = eager.graceMs) {
  const store = new MemoryBlobStore()
  const unreadable = new Set<string>()
  const read = async (): Promise<never> => {
    throw new Problem('disk_failed', 'A bad sector.')
  }
  let atMs = 1_000
  const nowMs = (): number => atMs
  const disk = { isFull: false }
  const failing: BlobStore = {
    async create() {
      if (disk.isFull) throw new Problem('disk_full', 'A full disk.')
      return await store.create()
    },
    delete: (name) => store.delete(name),
    list: (prefix) => store.list(prefix),
    usage: () => store.usage(),
    async open(name) {
      const reader = await store.open(name)
      return reader && unreadable.has(name) ? { ...reader, read } : reader
    },
  }
  const vault = vaultOn(failing, { nowMs })
  const packs = new Map<string, string>()
  return {
    store,
    vault,
    unreadable,
    disk,
    async keep(seed: number) {
      const sha256 = await keepObject(vault.vault, pieces(seed))
      packs.set(sha256, [...store.blobs.keys()].findLast((name) => name.startsWith('pack.')) ?? '')
      return sha256
    },
    nowMs,
    pass(ms = 10_000) {
      atMs += ms
    },
    collect: (needed: readonly string[], of = vault) =>
      collectBlobs({ ...of, rules: { ...eager, graceMs, smallPacksMax: 1 } }, 'ada', async () =>
        needed.map(asRoot),
      ),
    packOf: (sha256: string) => packs.get(sha256) ?? '',
  }
}

/** What the child said that it keeps, until it was killed after so many lines. */
async function runAndKill(folder: string, lines: number): Promise<Set<string>> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'test-collect-main.ts'), folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const live = new Set<string>()
  let count = 0
  for await (const line of createInterface({ input: child.stdout })) {
    const [what, sha256 = ''] = line.split(' ')
    if (what === 'keep') live.add(sha256)
    else live.delete(sha256)
    if (++count === lines) child.kill('SIGKILL')
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  assert.equal(child.signalCode, 'SIGKILL')
  return live
}
