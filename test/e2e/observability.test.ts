/** Metrics, traces, the access log, alerts and the status page of a real network of several processes, over real requests. */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { StatusPage } from '#protocol/sla-api.ts'
import { type AlertReceiver, openAlertReceiver } from './alert-receiver.ts'
import { burnBudget } from './burning-budget.ts'
import { until } from './process-group.ts'
import { findNodeProcesses, type Network, openRig, startTiny } from './rig.ts'
import { storeArguments } from './store-under-test.ts'
import { openTraceCollector, type Span, type TraceCollector } from './trace-collector.ts'

const rig = openRig()
const entry = join(import.meta.dirname, '../../bin/shoal.ts')
let collector: TraceCollector
let receiver: AlertReceiver
let network: Network
const TOKEN = 'a-metrics-token-of-this-test'
const PROMPT = 'xylophone harvest'
/** Whose requests failed for an hour before all this. */
const BURNING = 'org_burning'
const hasOwnStore = storeArguments(rig.path('net')).length > 0

before(async () => {
  collector = await openTraceCollector()
  receiver = await openAlertReceiver()
  if (!hasOwnStore) await burnBudget(rig.path('net'), BURNING)
  const start = (args: readonly string[]) =>
    rig.startCommand([
      'env',
      `OTEL_EXPORTER_OTLP_ENDPOINT=${collector.url}`,
      'OTEL_EXPORTER_OTLP_HEADERS=x-team=fish',
      'OTEL_BSP_SCHEDULE_DELAY=200',
      'OTEL_TRACES_SAMPLER=parentbased_always_off',
      process.execPath,
      entry,
      ...args,
    ])
  network = await startTiny({ ...rig, start }, rig.path('net'), [
    ...['--access-log', '--metrics-token', TOKEN, '--alert-webhook', receiver.url],
  ])
})
after(async () => {
  await rig.dispose()
  await collector?.close()
  await receiver?.close()
})

test('what the metrics count is what was asked', async () => {
  const { openai } = network
  const call = { model: 'tiny', temperature: 0, messages: [{ role: 'user' as const, content: PROMPT }] }
  const ask = (max_tokens: number, n = 1) => openai.chat.completions.create({ ...call, n, max_tokens })
  const replies = [await ask(5), await ask(9), await ask(3, 2)]
  const stream = await openai.chat.completions.create({ ...call, max_tokens: 20, stream: true })
  for await (const _chunk of stream);
  await assert.rejects(ask(999_999_999))
  const metrics = await scrape()
  assert.equal(metrics.sum('shoal_gateway_requests_total', { outcome: 'completed' }), 5)
  assert.equal(metrics.sum('shoal_gateway_tokens_total', { type: 'completion' }), 5 + 9 + 3 + 3 + 20)
  assert.equal(metrics.sum('shoal_gateway_streamed_tokens_total'), 40)
  const asked = replies.reduce((sum, { usage }) => sum + (usage?.prompt_tokens ?? 0), 0)
  assert.ok(metrics.sum('shoal_gateway_tokens_total', { type: 'prompt' }) > asked, 'and the stream’s')
  for (const name of ['time_to_first_token_seconds', 'request_duration_seconds', 'queue_wait_seconds'])
    assert.equal(metrics.sum(`shoal_gateway_${name}_count`), 5, name)
  assert.equal(
    metrics.sum('shoal_gateway_inter_token_seconds_count'),
    40 - 5,
    'all tokens but the first ones',
  )
  assert.equal(metrics.sum('shoal_gateway_requests_in_flight'), 0)
  assert.equal(metrics.sum('shoal_gateway_attempts_total'), 5)
  assert.equal(metrics.sum('shoal_gateway_nodes', { state: 'online' }), 1)
  assert.equal(metrics.sum('shoal_coordinator_nodes', { state: 'online' }), 1)
  assert.ok(metrics.sum('shoal_gateway_slots') > 0)
  assert.ok(metrics.sum('shoal_coordinator_journal_sequence') > 0)
  assert.ok(metrics.sum('shoal_journal_flush_seconds_count', { journal: 'journal' }) > 0)
  assert.equal(metrics.sum('shoal_journal_entries_total', { journal: 'spool' }), 5)
  assert.ok(metrics.sum('shoal_gateway_charged_usd_total') > 0)
  await until(
    'every reading to be in the ledger',
    async () => (await scrape()).sum('shoal_gateway_spool_lag_records') === 0,
  )
})

test('metrics are for this machine, for the metrics token and for operators', async () => {
  const { apiUrl, apiKey } = network.ready
  const statusOf = async (headers: Record<string, string>) =>
    (await fetch(`${apiUrl}/metrics`, { headers })).status
  assert.equal(await statusOf({}), 200)
  assert.equal(await statusOf({ authorization: `Bearer ${TOKEN}` }), 200)
  assert.equal(await statusOf({ authorization: `Bearer ${network.operatorKey}` }), 200)
  assert.equal(await statusOf({ authorization: `Bearer ${apiKey}` }), 403)
  assert.equal(await statusOf({ authorization: `Bearer ${TOKEN}x` }), 403)
  assert.equal(await statusOf({ authorization: 'Basic abc' }), 401)
  assert.equal(await statusOf({ origin: 'https://elsewhere.example' }), 403)
  assert.equal((await fetch(`${apiUrl}/metrics`, { method: 'POST' })).status, 405)
})

test('a call is one trace over gateway and agent, below its caller’s span, without a word of its text', async () => {
  const { traceId, parent, requestId } = await tracedStream(
    '4bf92f3577b34da6a3ce929d0e0e4736',
    () => undefined,
  )
  const spans = await spansOf(traceId, (found) => found.some(({ service }) => service === 'shoal-agent'))
  const root = only(spans, 'POST /v1/chat/completions')
  assert.equal(root.parentSpanId, parent)
  assert.equal(root.service, 'shoal-cell')
  assert.equal(root.attributes['shoal.request_id'], requestId)
  assert.equal(root.attributes['gen_ai.request.model'], 'tiny')
  assert.equal(root.attributes['gen_ai.operation.name'], 'chat')
  assert.equal(root.attributes['gen_ai.usage.output_tokens'], 40)
  assert.equal(root.attributes['http.response.status_code'], 200)
  const queue = only(spans, 'queue')
  const attempt = only(spans, 'attempt')
  assert.deepEqual([queue.parentSpanId, attempt.parentSpanId], [root.spanId, root.spanId])
  const engine = only(spans, 'chat tiny')
  assert.equal(engine.service, 'shoal-agent')
  assert.equal(engine.parentSpanId, attempt.spanId)
  assert.equal(engine.attributes['gen_ai.usage.output_tokens'], 40)
  assert.deepEqual(engine.events, ['gen_ai.first_token'])
  assert.equal(spans.length, 4)
  assert.equal(collector.headers()['x-team'], 'fish')
  assert.doesNotMatch(collector.text(), /xylophone/)
})

test('a caller that does not record, and one without a trace, leave no spans behind', async () => {
  await tracedStream('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', () => undefined, '00')
  await network.openai.models.list()
  const { traceId } = await tracedStream('bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', () => undefined)
  await spansOf(traceId, (found) => found.length === 4)
  assert.deepEqual([...new Set(collector.spans().map((span) => span.traceId))].sort(), [
    '4bf92f3577b34da6a3ce929d0e0e4736',
    'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',
  ])
})

test('a failover in the middle of an answer is one trace with both nodes, and is counted', async () => {
  const { token } = await network.operator.createEnrolmentToken({ body: {} })
  const provider = rig.startCommand([
    ...['env', `OTEL_EXPORTER_OTLP_ENDPOINT=${collector.url}`, 'OTEL_BSP_SCHEDULE_DELAY=200'],
    ...[
      process.execPath,
      entry,
      'provide',
      '--render',
      'off',
      '--data',
      rig.path('other'),
      '--join',
      network.ready.apiUrl,
    ],
    ...['--token', token, '--model', rig.tinyPath(), '--model-id', 'tiny', '--metrics-port', '0'],
  ])
  const other = await until('the second node', () => /^(node_\w+) serves/m.exec(provider.output())?.[1])
  await until('both nodes', async () => (await network.status()).models[0]?.nodes === 2)
  const { agent } = await findNodeProcesses(network)
  const { traceId, tokens } = await tracedStream(
    'cccccccccccccccccccccccccccccccc',
    (nodeId) => process.kill(nodeId === other ? provider.pid : agent, 'SIGKILL'),
    '01',
    4_000,
  )
  assert.equal(tokens, 4_000)
  const spans = await spansOf(
    traceId,
    (found) =>
      found.some(({ name }) => name.startsWith('POST')) && found.some(({ name }) => name === 'chat tiny'),
  )
  const root = only(spans, 'POST /v1/chat/completions')
  const attempts = spans.filter(({ name }) => name === 'attempt')
  assert.equal(attempts.length, 2)
  assert.ok(attempts.every(({ parentSpanId }) => parentSpanId === root.spanId))
  assert.equal(new Set(attempts.map(({ attributes }) => attributes['shoal.node_id'])).size, 2)
  const lost = attempts.find(({ isError }) => isError)
  assert.equal(lost?.attributes['error.type'], 'node_failed')
  assert.equal(lost?.attributes['shoal.is_mid_stream'], true)
  assert.equal(spans.filter(({ name }) => name === 'queue').length, 2)
  const winner = attempts.find(({ isError }) => !isError)
  // The first engine died with its agent, and its span with both.
  assert.equal(only(spans, 'chat tiny').parentSpanId, winner?.spanId)
  assert.equal(root.attributes['shoal.continuations'], 1)
  assert.equal(root.isError, false)
  const metrics = await scrape()
  assert.equal(metrics.sum('shoal_gateway_failovers_total', { phase: 'mid_stream' }), 1)
})

test('the access log has a line for each call, and no text of a prompt', async () => {
  const file = join(network.folder, 'access.log')
  const read = () =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  await until('the newest line', () => read().some((line) => line['failovers'] === 1))
  const lines = read().filter(({ path }) => path === '/v1/chat/completions')
  assert.doesNotMatch(readFileSync(file, 'utf8'), /xylophone/)
  const completed = lines.filter(({ outcome }) => outcome === 'completed')
  assert.equal(completed.length, 4 + 3 + 1, 'two choices are one call')
  assert.equal(completed[2]?.['completionTokens'], 6)
  assert.equal(completed[2]?.['attempts'], 2)
  const refused = lines.find(({ outcome }) => outcome === 'refused')
  assert.equal(refused?.['status'], 400)
  const moved = completed.at(-1)
  assert.equal(moved?.['traceId'], 'cccccccccccccccccccccccccccccccc')
  assert.equal(moved?.['attempts'], 2)
  assert.ok((moved?.['bytes'] as number) > 100_000)
  for (const line of completed) assert.match(String(line['costNanoUsd']), /^[1-9]\d*$/)
})

test('a budget that burns is told to the operator’s server, signed, and everybody sees the incident', {
  skip: hasOwnStore && 'what happened before is written to a folder',
}, async () => {
  const alerts = () => receiver.taken().map(({ text }) => JSON.parse(text) as Record<string, unknown>)
  await until('three alerts', () => alerts().length >= 3)
  const secret = readFileSync(join(network.folder, 'secrets/alert-secret'), 'utf8').trim()
  for (const { text, signature } of receiver.taken())
    assert.equal(signature, `sha256=${createHmac('sha256', secret).update(text).digest('hex')}`)
  const burning = alerts().filter(({ kind }) => kind === 'budget_burning')
  assert.deepEqual(
    burning.map(({ organisationId, slaClass, window }) => [organisationId, slaClass, window]),
    [
      [BURNING, 'business', 'fast'],
      [BURNING, 'business', 'slow'],
    ],
  )
  // All is lost, of which a two-hundredth may be; where five minutes began since, eleven twelfths of all.
  assert.ok([200, 183.3].includes(burning[0]?.['burn'] as number), String(burning[0]?.['burn']))

  const found = await statusPage()
  const [incident] = found.json.incidents
  assert.deepEqual([found.json.state, incident?.by, incident?.endedAtMs], ['degraded', 'network', null])
  assert.ok(found.json.bins.some(({ valid, errors }) => valid === 20 && errors === 20))
  assert.match(found.html, /Some requests fail\./)
  assert.match(found.html, new RegExp(`${incident?.title}.*found by the network itself`))
  assert.doesNotMatch(found.html + found.text, new RegExp(BURNING))

  const title = 'Nobody <b>answers</b>'
  const { incidentId } = await network.operator.openIncident({ body: { title, isOutage: true } })
  const away = await statusPage()
  assert.deepEqual([away.json.state, away.json.incidents[0]?.title], ['outage', title])
  assert.match(away.html, /The network cannot serve\..*Nobody &#60;b&#62;answers/s)
  await network.operator.closeIncident({ params: { incidentId } })
  assert.equal((await statusPage()).json.state, 'degraded')
  const ofIncident = () =>
    alerts()
      .filter((alert) => alert['incidentId'] === incidentId)
      .map(({ kind }) => kind)
  await until('both ends of it to be told', () => ofIncident().length === 2)
  assert.deepEqual(ofIncident(), ['incident_opened', 'incident_closed'])
})

/** As anybody sees it, without a key. */
async function statusPage() {
  const { apiUrl } = network.ready
  const [json, page] = await Promise.all([fetch(`${apiUrl}/api/status-page`), fetch(`${apiUrl}/status`)])
  assert.match(page.headers.get('content-type') ?? '', /^text\/html/)
  const text = await json.text()
  return { text, json: StatusPage.parse(JSON.parse(text)), html: await page.text() }
}

async function scrape() {
  const text = await (await fetch(`${network.ready.apiUrl}/metrics`)).text()
  const samples = [...text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name, labels = '', value]) => ({
    ...{ name, value: Number(value) },
    labels: Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, text]) => [key, text])),
  }))
  return {
    sum: (name: string, labels: Readonly<Record<string, string>> = {}): number =>
      samples
        .filter((sample) => sample.name === name)
        .filter((sample) => Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
        .reduce((sum, { value }) => sum + value, 0),
  }
}

/** One stream of `tokensMax` tokens within a trace; `act` runs once it has begun. */
async function tracedStream(traceId: string, act: (nodeId: string) => void, flags = '01', tokensMax = 40) {
  const parent = '00f067aa0ba902b7'
  const response = await fetch(`${network.ready.openaiBaseUrl}/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${network.ready.apiKey}`,
      'content-type': 'application/json',
      traceparent: `00-${traceId}-${parent}-${flags}`,
    },
    body: JSON.stringify({
      ...{ model: 'tiny', stream: true, max_tokens: tokensMax, temperature: 0 },
      stream_options: { include_usage: true },
      messages: [{ role: 'user', content: PROMPT }],
    }),
  })
  assert.equal(response.status, 200)
  let text = ''
  let hasActed = false
  for await (const piece of response.body ?? []) {
    text += Buffer.from(piece).toString()
    if (hasActed || text.length < 3_000) continue
    hasActed = true
    act(response.headers.get('x-shoal-node') ?? '')
  }
  assert.match(text, /data: \[DONE\]/)
  const tokens = Number(/"completion_tokens":(\d+)/.exec(text)?.[1])
  return { traceId, parent, tokens, requestId: response.headers.get('x-request-id') }
}

/** The spans of a trace, once those that are waited for came. */
const spansOf = (traceId: string, areThere: (found: readonly Span[]) => boolean): Promise<Span[]> =>
  until(`the spans of ${traceId}`, () => {
    const found = collector.spans().filter((span) => span.traceId === traceId)
    return found.some(({ name }) => name.startsWith('POST')) && areThere(found) ? found : null
  })

function only(spans: readonly Span[], name: string): Span {
  const found = spans.filter((span) => span.name === name)
  assert.equal(found.length, 1, `one span ${name} of ${spans.map((span) => span.name).join(', ')}`)
  return found[0] as Span
}
