/** Who leads, and until when, with clocks that the tests set. */
import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import postgres from 'postgres'
import type { Journal, OpenSharedJournal, SharedJournals } from '#host/host.ts'
import { Problem } from '#protocol/problem.ts'
import { appended } from './journal-contract.ts'
import { createPostgresJournals } from './postgres-journal.ts'
import { createHandClock, type HandClock } from './test-clock.ts'
import { skipWithoutPostgres, startPostgres, type TestPostgres } from './test-postgres.ts'

const LEASE_MS = 2_000
const MARGIN_MS = 100
const RENEW_MS = 500
const isSkipped = skipWithoutPostgres('PostgreSQL leases')
const server = isSkipped ? null : await startPostgres()
after(() => server?.dispose())
const fact = (title: string, tell: (bench: Bench) => Promise<void>): void => {
  if (server) test(title, (t) => tell(setup(t, server)))
}

fact('a lease that runs keeps others out, and says who holds it', async ({ peer }) => {
  await peer('one').open()
  await assert.rejects(peer('two').open(), (error) => {
    assert.ok(error instanceof Problem && error.code === 'journal_held' && error.retriable)
    assert.match(error.message, /^one leads the journal "ledger" in PostgreSQL at 127\.0\.0\.1:\d+\/test_\d+/)
    assert.deepEqual(
      { ...error.details, database: '' },
      { holder: 'one', remainingMs: LEASE_MS, database: '' },
    )
    return true
  })
})

fact('a lease is over once it was watched for its whole term', async ({ peer }) => {
  const one = peer('one')
  const leader = await one.open()
  await appended(leader, ['kept'])
  const two = peer('two')
  const follower = await two.journals.follow('ledger')
  const leftMs = async (): Promise<number> => (await follower.head()).remainingMs
  assert.equal(await leftMs(), LEASE_MS)
  two.clock.advance(LEASE_MS - 1)
  assert.equal(await leftMs(), 1)
  await appended(leader, ['renews the lease'])
  assert.equal(await leftMs(), LEASE_MS)
  two.clock.advance(LEASE_MS)
  assert.equal(await leftMs(), 0)
  const next = await two.open()
  assert.equal(next.epoch, leader.epoch + 1)
  assert.equal(next.lastSequence, 2)
  await assert.rejects(appended(leader, ['too late']), { code: 'epoch_stale' })
  assert.deepEqual(
    (await follower.read(1, 9)).map((entry) => entry.payload),
    ['kept', 'renews the lease'],
  )
  await follower.close()
})

fact('a leader that closes is not waited for', async ({ peer }) => {
  await (await peer('one').open()).close()
  const { journals } = peer('two')
  const follower = await journals.follow('ledger')
  assert.deepEqual(await follower.head(), { lastSequence: 0, epoch: 1, holder: '', remainingMs: 0 })
  await follower.close()
  assert.equal((await peer('two').open()).epoch, 2)
})

fact(
  'what is taken over from one epoch is not taken from the next, whose lease is another’s',
  async ({ peer }) => {
    const dead = await peer('one').open()
    const leader = await peer('two').open({ takeOver: true })
    const late = peer('three')
    await assert.rejects(late.open({ takeOver: true, epoch: dead.epoch }), { code: 'journal_held' })
    await appended(leader, ['goes on'])
    assert.equal((await late.open({ takeOver: true, epoch: leader.epoch })).epoch, leader.epoch + 1)
  },
)

fact('a leader that renews is left alone though the clock of the server was put forward', async (bench) => {
  const { peer, sql } = bench
  await peer('one').open()
  sql(`update shoal.journals set renewed_at = renewed_at - interval '1 hour'`)
  const two = peer('two', () => sql('update shoal.journals set renewals = renewals + 1'))
  await assert.rejects(two.open(), { code: 'journal_held' })
})

fact(
  'who died long ago is followed by whoever waits for one term, with no other try',
  async ({ peer, sql }) => {
    await peer('one').open()
    sql(`update shoal.journals set renewed_at = renewed_at - interval '1 hour'`)
    assert.equal((await peer('two', () => undefined).open()).epoch, 2)
  },
)

fact('a lease ends though the clock of the server was set back', async ({ peer, sql }) => {
  await peer('one').open()
  sql(`update shoal.journals set renewed_at = renewed_at + interval '1 hour'`)
  const two = peer('two')
  await assert.rejects(two.open(), { code: 'journal_held' })
  two.clock.advance(LEASE_MS)
  assert.equal((await two.open()).epoch, 2)
})

fact('a leader that renews at the last moment keeps its lead', async ({ peer, url, sql }) => {
  const leader = await peer('one').open()
  const clock = createHandClock()
  let isOpening = false
  let asked = 0
  const elapsedMs = (): number => {
    // The third question for the time is the one right before the epoch is taken.
    if (isOpening && ++asked === 3) {
      sql('update shoal.journals set renewals = renewals + 1, renewed_at = clock_timestamp()')
    }
    return clock.elapsedMs()
  }
  const log = { info() {}, warn() {}, error() {} }
  const journals = createPostgresJournals({ url, holder: 'two', clock: { ...clock, elapsedMs }, log })
  const follower = await journals.follow('ledger')
  await follower.head()
  clock.advance(LEASE_MS)
  assert.equal((await follower.head()).remainingMs, 0)
  isOpening = true
  await assert.rejects(journals.open('ledger'), { code: 'journal_held' })
  await appended(leader, ['still leads'])
  await follower.close()
})

fact('of many who open at once exactly one leads', async ({ peer }) => {
  await (await peer('old').open()).close()
  const names = Array.from({ length: 8 }, (_, index) => `standby ${index}`)
  const opened = await Promise.allSettled(names.map((name) => peer(name).open()))
  const codes = opened.map((each) => (each.status === 'rejected' ? each.reason.code : 'leads'))
  assert.deepEqual(codes.sort(), [...Array(7).fill('journal_held'), 'leads'])
})

fact('of many who are ordered to take over at once exactly one leads', async ({ peer }) => {
  const old = await peer('old').open()
  const names = Array.from({ length: 8 }, (_, index) => `standby ${index}`)
  const opened = await Promise.allSettled(names.map((name) => peer(name).open({ takeOver: true })))
  const leaders = opened.filter((each) => each.status === 'fulfilled').map((each) => each.value)
  const able = []
  for (const leader of leaders)
    if (
      await appended(leader, ['mine']).then(
        () => true,
        () => false,
      )
    )
      able.push(leader)
  assert.equal(able.length, 1)
  await assert.rejects(appended(old, ['too late']), { code: 'epoch_stale' })
})

fact('who was taken over writes nothing more and hears of it once', async ({ peer }) => {
  const old = await peer('old').open()
  await appended(old, ['kept'])
  const heard: string[] = []
  old.onLost((problem) => heard.push(problem.code))
  const young = await peer('young').open({ takeOver: true })
  const done: string[] = []
  for (const payload of ['lost', 'lost too'])
    old.append([payload], (problem) => done.push(problem?.code ?? 'durable'))
  await assert.rejects(appended(old, ['late']), { code: 'epoch_stale', message: /of epoch 1, must stop/ })
  await assert.rejects(appended(old, ['later']), { code: 'epoch_stale' })
  assert.deepEqual(done, ['epoch_stale', 'epoch_stale'])
  assert.deepEqual(heard, ['epoch_stale'])
  assert.ok(old.heldUntilMs() <= 0)
  await appended(young, ['next'])
  assert.deepEqual(
    (await young.read(1, 9)).map(({ payload }) => payload),
    ['kept', 'next'],
  )
})

fact('who was taken over while it had nothing to write hears of it when it renews', async ({ peer }) => {
  const { clock, open } = peer('old')
  const old = await open()
  await peer('young').open({ takeOver: true })
  const heard = new Promise<Problem>((resolve) => old.onLost(resolve))
  clock.advance(RENEW_MS)
  assert.equal((await heard).code, 'epoch_stale')
})

fact('what was read is good for a lease, less the margin, from before the last renewal', async ({ peer }) => {
  const { clock, open } = peer('one')
  const journal = await open()
  const startMs = clock.elapsedMs()
  assert.equal(journal.heldUntilMs(), startMs + LEASE_MS - MARGIN_MS)
  clock.advance(300)
  const durable = appended(journal, ['renews'])
  await Promise.resolve() // It is sent.
  clock.advance(100)
  await durable
  assert.equal(journal.heldUntilMs(), startMs + 300 + LEASE_MS - MARGIN_MS)
})

fact('an idle leader keeps its lease', async ({ peer, sql }) => {
  const { clock, open } = peer('one')
  const journal = await open()
  const renewals = (): number => Number(sql('select renewals from shoal.journals'))
  const before = renewals()
  clock.advance(RENEW_MS)
  await appended(journal, []) // In line behind the renewal.
  assert.equal(renewals(), before + 2)
})

fact(
  'an answer that comes after its lease is over is passed on once the next tells who leads',
  async (bench) => {
    const { peer } = bench
    const { clock, open } = peer('one')
    const journal = await open()
    const durable = appended(journal, ['slow'])
    await Promise.resolve()
    clock.advance(LEASE_MS)
    await durable
    assert.ok(journal.heldUntilMs() > clock.elapsedMs())
  },
)

fact('a leader whose server does not answer for a lease is lost', async ({ peer, url }) => {
  const { clock, open } = peer('one')
  const journal = await open()
  const heard = new Promise<Problem>((resolve) => journal.onLost(resolve))
  const other = postgres(url, { max: 1 })
  await other.unsafe('begin; select from shoal.journals for update')
  const late = appended(journal, ['waits for the lock'])
  late.catch(() => undefined)
  await Promise.resolve()
  clock.advance(LEASE_MS + RENEW_MS)
  clock.advance(RENEW_MS)
  assert.equal((await heard).code, 'lease_lost')
  await assert.rejects(late, { code: 'lease_lost' })
  await other.end()
})

fact(
  'a statement of the old leader that hangs does not keep the next from leading',
  async ({ peer, url, sql }) => {
    const old = await peer('old').open()
    const hung = postgres(url, { max: 1, connection: { application_name: 'shoal journal leader' } })
    const [row] = await hung.unsafe('select pg_backend_pid() as pid')
    sql(`update shoal.journals set holder_pid = ${row?.['pid']}`)
    await hung.unsafe('begin; update shoal.journals set last_sequence = 77')
    const young = await peer('young').open({ takeOver: true })
    assert.equal(young.lastSequence, 0)
    await appended(young, ['first'])
    await assert.rejects(appended(old, ['too late']), { code: 'epoch_stale' })
    await hung.end({ timeout: 0 })
  },
)

interface Peer {
  readonly clock: HandClock
  readonly journals: SharedJournals
  open(how?: OpenSharedJournal): Promise<Journal>
}
interface Bench {
  readonly url: string
  sql(text: string): string
  /** Another process, with a clock of its own. With `onPause`, which runs then, it goes on whenever `open` pauses. */
  peer(holder: string, onPause?: () => void): Peer
}

function setup(t: TestContext, { createDatabase, sql }: TestPostgres): Bench {
  const url = createDatabase()
  const opened: Journal[] = []
  t.after(async () => {
    for (const journal of opened) await journal.close()
  })
  return {
    url,
    sql: (text) => sql(text, url),
    peer(holder, onPause) {
      const clock = createHandClock()
      let isOpening = true
      const hasty: Pick<HandClock, 'elapsedMs' | 'after'> = {
        elapsedMs: clock.elapsedMs,
        after(delayMs, run) {
          const timer = clock.after(delayMs, run)
          const goOn = (): void => {
            onPause?.()
            clock.advance(delayMs)
          }
          if (onPause && isOpening) setImmediate(goOn)
          return timer
        },
      }
      const log = { info() {}, warn() {}, error() {} }
      const journals = createPostgresJournals({ url, holder, clock: hasty, log, leaseMs: LEASE_MS })
      return {
        clock,
        journals,
        async open(how) {
          const journal = await journals.open('ledger', how)
          isOpening = false
          opened.push(journal)
          return journal
        },
      }
    },
  }
}
