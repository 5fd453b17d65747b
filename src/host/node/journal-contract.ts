/** What every journal does, whatever it is kept on: the facts that the shells rely on, as tests. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Journal, Journals } from '#host/host.ts'
import { Problem } from '#protocol/problem.ts'

export interface JournalWorld {
  /** Empty storage, in which what a closed journal held is found when it is opened again. */
  readonly journals: Journals
  /** Lets the world go on until `work` settles; left out where it does so by itself. */
  wait?<T>(work: Promise<T>): Promise<T>
  dispose(): void | Promise<void>
}

/** Registers the facts as tests of `name`, each in a world of its own. */
export function journalContract(name: string, createWorld: () => JournalWorld | Promise<JournalWorld>): void {
  for (const [title, tell] of Object.entries(facts)) {
    test(`${name}: ${title}`, async () => {
      const world = await createWorld()
      const { bench, closeAll } = createBench(world)
      try {
        await tell(bench)
      } finally {
        await closeAll()
        await world.dispose()
      }
    })
  }
}

const facts: Readonly<Record<string, (bench: Bench) => Promise<void>>> = {
  'a new journal is empty and has a random id': async ({ open, read }) => {
    const ledger = await open('ledger')
    const other = await open('other')
    assert.equal(ledger.lastSequence, 0)
    assert.deepEqual(await read(ledger), [])
    assert.ok(ledger.id.length >= 16)
    assert.notEqual(ledger.id, other.id)
  },

  'entries come back as they were appended, numbered from 1': async ({ open, append, read }) => {
    const journal = await open('ledger')
    await append(journal, ['a', 'b'])
    await append(journal, ['c'])
    const { epoch } = journal
    assert.deepEqual(await read(journal), [
      { sequence: 1, epoch, payload: 'a' },
      { sequence: 2, epoch, payload: 'b' },
      { sequence: 3, epoch, payload: 'c' },
    ])
  },

  'any text is a payload': async ({ open, append, read }) => {
    const payloads = ['', '\0', 'a\0b', 'äöü 😀', '"\'\\\n', 'x'.repeat(1_000_000)]
    const journal = await open('ledger')
    await append(journal, payloads)
    const entries = await read(journal)
    assert.deepEqual(
      entries.map((entry) => entry.payload),
      payloads,
    )
  },

  'the next opener finds the same journal and a higher epoch': async ({ open, append, read, close }) => {
    const first = await open('ledger')
    await append(first, ['a', 'b'])
    await close(first)
    const second = await open('ledger')
    assert.equal(second.id, first.id)
    assert.ok(second.epoch > first.epoch)
    assert.equal(second.lastSequence, 2)
    await append(second, ['c'])
    assert.deepEqual(
      (await read(second)).map(({ sequence, epoch }) => [sequence, epoch]),
      [
        [1, first.epoch],
        [2, first.epoch],
        [3, second.epoch],
      ],
    )
  },

  'lastSequence counts what is on its way': async ({ open, append }) => {
    const journal = await open('ledger')
    const durable = append(journal, ['a', 'b'])
    assert.equal(journal.lastSequence, 2)
    await durable
    assert.equal(journal.lastSequence, 2)
  },

  'done runs in call order and never inside append': async ({ open, wait }) => {
    const journal = await open('ledger')
    const order: number[] = []
    let isAppending = false
    await wait(
      new Promise<void>((resolve) => {
        for (let index = 0; index < 5_000; index++) {
          isAppending = true
          journal.append([`entry ${index}`], (problem) => {
            assert.equal(problem, null)
            assert.equal(isAppending, false)
            if (order.push(index) === 5_000) resolve()
          })
          isAppending = false
        }
      }),
    )
    assert.deepEqual(order, [...Array(5_000).keys()])
  },

  'an entry can be read once done has run': async ({ open, append, read }) => {
    const journal = await open('ledger')
    for (let sequence = 1; sequence <= 20; sequence++) {
      await append(journal, [`entry ${sequence}`])
      assert.equal((await read(journal, sequence))[0]?.payload, `entry ${sequence}`)
    }
  },

  'an empty group adds nothing and is acknowledged': async ({ open, append, read }) => {
    const journal = await open('ledger')
    await append(journal, [])
    assert.equal(journal.lastSequence, 0)
    assert.deepEqual(await read(journal), [])
  },

  'read begins where it is told and returns countMax entries at most': async ({ open, append, read }) => {
    const journal = await open('ledger')
    await append(journal, ['a', 'b', 'c', 'd'])
    const numbers = async (from: number, countMax: number): Promise<number[]> =>
      (await read(journal, from, countMax)).map((entry) => entry.sequence)
    assert.deepEqual(await numbers(2, 2), [2, 3])
    assert.deepEqual(await numbers(4, 9), [4])
    assert.deepEqual(await numbers(5, 9), [])
    assert.deepEqual(await numbers(99, 9), [])
    assert.deepEqual(await numbers(1, 0), [])
  },

  'trim forgets the oldest, and numbers go on': async ({ open, append, read, close }) => {
    const first = await open('ledger')
    for (let group = 0; group < 60; group++) await append(first, Array(100).fill(`group ${group}`))
    first.trim(5_500)
    assert.equal((await read(first, 1, 1))[0]?.sequence, 5_501)
    await append(first, ['after'])
    await close(first)
    const second = await open('ledger')
    assert.equal(second.lastSequence, 6_001)
    assert.equal((await read(second, 1, 1))[0]?.sequence, 5_501)
    second.trim(6_001)
    await append(second, ['last'])
    assert.deepEqual(await read(second), [{ sequence: 6_002, epoch: second.epoch, payload: 'last' }])
  },

  'a journal trimmed to nothing keeps its number': async ({ open, append, read, close }) => {
    const first = await open('ledger')
    await append(first, ['a', 'b'])
    first.trim(2)
    await close(first)
    const second = await open('ledger')
    assert.equal(second.lastSequence, 2)
    assert.deepEqual(await read(second), [])
    await append(second, ['c'])
    assert.deepEqual(await read(second), [{ sequence: 3, epoch: second.epoch, payload: 'c' }])
  },

  'close lets appends on their way end': async ({ open, close, read }) => {
    const first = await open('ledger')
    const done: (Problem | null)[] = []
    for (let index = 0; index < 100; index++) first.append(['entry'], (problem) => done.push(problem))
    await close(first)
    assert.deepEqual(done, Array(100).fill(null))
    assert.equal((await read(await open('ledger'))).length, 100)
  },

  'an opener holds the journal, and hears nothing while nobody takes it': async ({ open, append }) => {
    const journal = await open('ledger')
    journal.onLost((problem) => assert.fail(problem))
    const heldUntilMs = journal.heldUntilMs()
    assert.ok(heldUntilMs > 0)
    for (let count = 0; count < 5; count++) await append(journal, ['entry'])
    assert.ok(journal.heldUntilMs() >= heldUntilMs)
  },

  'two openers never both write': async ({ open, append, read }) => {
    const first = await open('ledger')
    await append(first, ['first'])
    const second = await open('ledger').catch((error: unknown) => {
      assert.ok(error instanceof Problem, String(error))
      assert.ok(['folder_in_use', 'journal_held'].includes(error.code), error.code)
      return null
    })
    if (second === null) return append(first, ['still alone'])
    const stale = { code: 'epoch_stale' }
    await assert.rejects(append(first, ['too late']), stale)
    await assert.rejects(append(first, ['after a failure']), stale)
    await append(second, ['second'])
    assert.deepEqual(
      (await read(second)).map((entry) => entry.payload),
      ['first', 'second'],
    )
  },
}

/** A world's verbs as promises. What was opened is closed once the fact has been told. */
interface Bench {
  open(name: string): Promise<Journal>
  append(journal: Journal, payloads: readonly string[]): Promise<void>
  read(journal: Journal, fromSequence?: number, countMax?: number): ReturnType<Journal['read']>
  close(journal: Journal): Promise<void>
  wait<T>(work: Promise<T>): Promise<T>
}

function createBench({ journals, wait = (work) => work }: JournalWorld) {
  const opened: Journal[] = []
  const bench: Bench = {
    async open(name) {
      const journal = await wait(journals.open(name))
      opened.push(journal)
      return journal
    },
    append: (journal, payloads) => wait(appended(journal, payloads)),
    read: (journal, fromSequence = 1, countMax = 10_000) => wait(journal.read(fromSequence, countMax)),
    close: (journal) => wait(journal.close()),
    wait,
  }
  const closeAll = async (): Promise<void> => {
    for (const journal of opened) await wait(journal.close())
  }
  return { bench, closeAll }
}

/** Resolves once `payloads` are durable; rejects with the problem. */
export const appended = (journal: Journal, payloads: readonly string[]): Promise<void> =>
  new Promise((resolve, reject) => {
    journal.append(payloads, (problem) => (problem ? reject(problem) : resolve()))
  })
