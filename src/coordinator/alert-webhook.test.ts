import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRandom } from '#kernel/random.ts'
import { Problem } from '#protocol/problem.ts'
import { simCrypto } from '#sim/sim-host.ts'
import { openAlertWebhook, SIGNATURE_HEADER } from './alert-webhook.ts'
import type { CoordinatorEvent } from './coordinator-events.ts'

test('an alert is told once it is durable, signed, with the id that the list gives it', async () => {
  const { decide, durable, posts, rest } = setup(() => 200)
  decide(7, 50, 80)
  await rest()
  assert.equal(posts.length, 0, 'it could still be lost')
  durable(6)
  durable(7)
  await rest()
  assert.deepEqual(
    posts.map(({ body }) => [body['alertId'], body['sharePercent'], body['spent'], body['limit']]),
    [
      ['alert-7-0', 50, '900', '1000'],
      ['alert-7-1', 80, '900', '1000'],
    ],
  )
  for (const { text, signature } of posts) {
    assert.equal(signature, `sha256=${Buffer.from(simCrypto.hmacSha256('secret', text)).toString('hex')}`)
  }
})

test('a server that fails is asked three times in all, then it is logged, and the next alert is told', async () => {
  const answers: (number | Problem)[] = [500, new Problem('network_unreachable', 'gone'), 302, 503, 204]
  const { decide, durable, posts, rest, logged } = setup(() => answers.shift() ?? 200)
  decide(1, 50)
  decide(2, 80)
  durable(2)
  await rest()
  assert.deepEqual(
    posts.map(({ body }) => body['alertId']),
    ['alert-1-0', 'alert-1-0', 'alert-1-0', 'alert-2-0', 'alert-2-0'],
  )
  assert.deepEqual(logged, ['alert.untold', 'alert.told'])
})

test('a server that hangs is given up, and no turn waits for it', async () => {
  const { decide, durable, posts, rest, logged } = setup(() => 'hangs')
  for (let sequence = 1; sequence <= 1_500; sequence++) decide(sequence, 50)
  assert.equal(logged.filter((event) => event === 'alert.untold').length, 500, 'what waits has a maximum')
  durable(1)
  await rest()
  assert.equal(posts.length, 3)
})

test('what is closed tells nothing more', async () => {
  const { webhook, decide, durable, posts, rest } = setup(() => 'hangs')
  decide(1, 50)
  decide(2, 80)
  durable(2)
  webhook.close()
  durable(3)
  await rest()
  assert.equal(posts.length, 1)
})

interface Post {
  readonly text: string
  readonly body: Record<string, unknown>
  readonly signature: string | null
}

/** A webhook whose server answers as told. Waits pass at once. */
function setup(answer: () => number | 'hangs' | Problem) {
  const posts: Post[] = []
  const logged: string[] = []
  const onEvents: ((event: CoordinatorEvent, sequence: number) => void)[] = []
  const onDurables: ((sequence: number) => void)[] = []
  const note = (event: string): void => void logged.push(event)
  const webhook = openAlertWebhook(
    {
      clock: {
        nowMs: () => 0,
        elapsedMs: () => 0,
        after(_delayMs, run) {
          const timer = setImmediate(() => setImmediate(run))
          return { cancel: () => clearImmediate(timer) }
        },
      },
      random: createRandom(1),
      crypto: simCrypto,
      log: { info: note, warn: note, error: note },
      network: {
        async fetch(request) {
          const text = await request.text()
          posts.push({ text, body: JSON.parse(text), signature: request.headers.get(SIGNATURE_HEADER) })
          const status = answer()
          if (status instanceof Problem) throw status
          if (status !== 'hangs') return new Response(null, { status })
          return new Promise((_resolve, reject) => {
            const end = (): void => reject(new Problem('cancelled', 'given up'))
            if (request.signal.aborted) end()
            request.signal.addEventListener('abort', end)
          })
        },
        connect: () => assert.fail('it only fetches'),
        listen: () => assert.fail('it only fetches'),
      },
    },
    { onEvent: (run) => void onEvents.push(run), onDurable: (run) => void onDurables.push(run) },
    { url: 'https://alerts.example/', secret: 'secret' },
  )
  return {
    webhook,
    posts,
    logged,
    decide(sequence: number, ...shares: number[]) {
      for (const sharePercent of shares) {
        const ids = { organisationId: 'o', keyId: 'k', budgetId: 'k' }
        const amounts = { spent: 900n, limit: 1_000n, sharePercent, window: 'day' as const }
        for (const run of onEvents)
          run({ type: 'organisation.budget_reached', ...ids, ...amounts, atMs: 1 }, sequence)
      }
    },
    durable: (sequence: number) => onDurables.forEach((run) => void run(sequence)),
    async rest() {
      for (let index = 0; index < 200; index++) await new Promise(setImmediate)
    },
  }
}
