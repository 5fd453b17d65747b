/**
 * How long the page of economics takes from a key on a slider to the new chart, and what its first visit loads, in a headless
 * Chromium against a network that runs. `node bench/roi-page.ts [--json] [--steps N]` takes about 30 s.
 *
 * Measured inside the page: from the time stamp of the key to the first moment after the frame in which the distribution
 * was drawn anew, with all that hangs on it (verdict, tables, heat map, tornado).
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { chromium, type Page } from 'playwright-core'
import { ensureWebBuilt } from '../web/build-web.ts'
import { print } from './parts/machine.ts'

const root = join(import.meta.dirname, '..')
const QUERY = 'gpu=RTX+4090&kwh=0.12&view=buy'
const AIM_MS = 100

const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, steps: { type: 'string', default: '60' } },
})

await ensureWebBuilt(root, (line) => process.stderr.write(`${line}\n`))
const folder = mkdtempSync(join(tmpdir(), 'shoal-bench-page-'))
const readyFile = join(folder, 'ready.json')
const network = spawn(
  process.execPath,
  [
    join(root, 'bin/shoal.ts'),
    'up',
    '--data',
    join(folder, 'data'),
    '--port',
    '0',
    '--ready-file',
    readyFile,
  ],
  { stdio: 'ignore', env: { ...process.env, HOME: folder } },
)
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
try {
  while (!existsSync(readyFile)) {
    if (network.exitCode !== null) throw new Error(`the network ended with ${network.exitCode}`)
    await sleep(100)
  }
  const { apiUrl } = JSON.parse(readFileSync(readyFile, 'utf8')) as { apiUrl: string }
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } })
  await page.goto(`${apiUrl}/roi?${QUERY}`)
  await page.locator('.report[data-stage="full"]').waitFor()
  await page.locator('.networks').waitFor()
  const firstLoadBytes = await page.evaluate(bytesReceived)
  const latencies = (await measure(page, Number(values.steps))).toSorted((a, b) => a - b)
  const at = (share: number) =>
    latencies[Math.min(Math.floor(share * latencies.length), latencies.length - 1)] ?? Number.NaN
  const result = {
    steps: latencies.length,
    sliderToChartMs: { median: at(0.5), p95: at(0.95), max: at(1) },
    aimMs: AIM_MS,
    firstLoadBytes,
  }
  print(values.json, result, () => [
    `slider to new chart: ${at(0.5).toFixed(0)} ms in the middle of ${latencies.length} steps, 95th percentile ${at(0.95).toFixed(0)} ms, longest ${at(1).toFixed(0)} ms. The aim is ${AIM_MS}.`,
    `first visit: ${(firstLoadBytes / 1000).toFixed(0)} kB received. The aim is 250.`,
  ])
} finally {
  await browser.close()
  network.kill('SIGTERM')
  if (network.exitCode === null) await new Promise((resolve) => network.once('exit', resolve))
  rmSync(folder, { recursive: true, force: true })
}

/** Bodies as they came over the wire, each file once. Runs in the page. */
function bytesReceived(): number {
  const entries = ['navigation', 'resource'].flatMap((type) => performance.getEntriesByType(type))
  const bytes = new Map(
    entries.map((entry) => [entry.name, (entry as PerformanceResourceTiming).encodedBodySize] as const),
  )
  return [...bytes.values()].reduce((sum, size) => sum + size, 0)
}

/** Moves sliders back and forth, a key at a time, and waits for each chart. */
async function measure(page: Page, steps: number): Promise<number[]> {
  await page.evaluate(() => {
    const state = window as { drawn?: number[]; pressedAtMs?: number }
    state.drawn = []
    document.addEventListener('keydown', (event) => {
      state.pressedAtMs = event.timeStamp
    })
    new MutationObserver(() => {
      const pressedAtMs = state.pressedAtMs
      if (pressedAtMs === undefined) return
      delete state.pressedAtMs
      // After the next frame is on its way to the screen.
      requestAnimationFrame(() => setTimeout(() => state.drawn?.push(performance.now() - pressedAtMs)))
    }).observe(document.body, { subtree: true, attributes: true, attributeFilter: ['data-chart'] })
  })
  const drawn = () => page.evaluate(() => (window as { drawn?: number[] }).drawn?.length ?? 0)
  for (let step = 0; step < steps; step++) {
    const name = ['Rented', 'Price of electricity', 'Rental price'][step % 3] ?? ''
    await page.getByRole('slider', { name, exact: true }).focus()
    await page.keyboard.press(step % 6 < 3 ? 'ArrowRight' : 'ArrowLeft')
    while ((await drawn()) <= step) await sleep(5)
  }
  return page.evaluate(() => (window as { drawn?: number[] }).drawn ?? [])
}
