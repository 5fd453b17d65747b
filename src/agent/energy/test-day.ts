/** A day of a machine with a card, for tests: what it draws, what it works, and what electricity costs. */
import { createServer } from 'node:http'
import type { TestContext } from 'node:test'
import { POWERCAP_FOLDER } from '#host/rapl.ts'
import { DAY_MS, HOUR_MS } from '#kernel/time.ts'
import { createRecordedMachine } from '#sim/recorded-machine.ts'

/** What the machine draws, without and with a request under way. */
export const WATTS = { wall: [96, 600], gpu: [21.87, 438.5], cpu: [31, 62] } as const
/** From which hour, which price. */
export const TARIFF: readonly (readonly [hour: number, usdPerKwh: number])[] = [
  [0, 0.12],
  [4, 0.08],
  [6, 0.15],
  [17, 0.35],
  [21, 0.15],
]
/** A list of this day's and the next day's hours, as a file holds it. */
export const tariffText = (startMs: number, gapHour?: number): string => {
  const hours = Array.from({ length: 48 }, (_, hour) => hour).filter((hour) => hour !== gapHour)
  const prices = hours.map((hour) => ({
    from: new Date(startMs + hour * HOUR_MS).toISOString(),
    per_kwh: usdPerKwhAt((hour % 24) * HOUR_MS),
  }))
  return JSON.stringify({ currency: 'USD', prices })
}
export const usdPerKwhAt = (dayMs: number): number =>
  TARIFF.findLast(([hour]) => hour * HOUR_MS <= dayMs)?.[1] ?? Number.NaN

/** Not between 17:00 and 21:00, when it should be parked. */
const isDear = (dayMs: number): boolean => dayMs >= 17 * HOUR_MS && dayMs < 21 * HOUR_MS

/** Requests begin and end between two readings, as real ones do. */
const STEP_MS = 500

/** The day's requests: one in most two minutes, of half a minute to a minute, at no regular moment. */
export const REQUESTS = Array.from({ length: 720 }, (_, index) => {
  const noise = Math.imul(index + 1, 2_654_435_761) >>> 0
  const startMs = index * 120_000 + (noise % 50) * 1_000 + STEP_MS
  return { startMs, endMs: startMs + (30 + ((noise >>> 8) % 31)) * 1_000 }
}).filter(({ startMs, endMs }) => !isDear(startMs) && !isDear(endMs))
export const BUSY_MS = REQUESTS.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0)

const busySteps = new Uint8Array(DAY_MS / STEP_MS + 1)
for (const { startMs, endMs } of REQUESTS) busySteps.fill(1, startMs / STEP_MS, endMs / STEP_MS)

export type Part = keyof typeof WATTS
const stepAt = (dayMs: number): number => Math.floor(dayMs / STEP_MS)
const drawnAt = (part: Part, dayMs: number): number => WATTS[part][busySteps[stepAt(dayMs)] ? 1 : 0]

/** Joules from the beginning of the day to each step of it. */
const cumulative = { wall: integrate('wall'), gpu: integrate('gpu'), cpu: integrate('cpu') }
function integrate(part: Part): Float64Array {
  const sums = new Float64Array(DAY_MS / STEP_MS + 1)
  for (let step = 1; step < sums.length; step++)
    sums[step] = (sums[step - 1] ?? 0) + drawnAt(part, (step - 1) * STEP_MS) * (STEP_MS / 1_000)
  return sums
}
export const joulesUntil = (part: Part, dayMs: number): number => cumulative[part][stepAt(dayMs)] ?? 0

/** Its nvidia-smi as it would be recorded, reading after reading, and the counter of its processor. */
export function createDayMachine(elapsedMs: () => number, sampleMs: number) {
  const line = (watts: number): string => `0, GPU-5c6f1c0e, NVIDIA GeForce RTX 4090, ${watts.toFixed(2)}\n`
  const answers = Array.from({ length: DAY_MS / sampleMs + 1 }, (_, index) =>
    line(drawnAt('gpu', index * sampleMs)),
  )
  const machine = createRecordedMachine({ commands: { 'nvidia-smi': answers } })
  const counter: Record<string, () => number> = {
    energy_uj: () => (joulesUntil('cpu', elapsedMs()) * 1e6 + RANGE_UJ / 2) % RANGE_UJ,
    max_energy_range_uj: () => RANGE_UJ,
  }
  const zone = `${POWERCAP_FOLDER}/intel-rapl:0`
  return {
    run: machine.run,
    listFolder: (path: string) => (path === POWERCAP_FOLDER ? ['intel-rapl:0'] : []),
    readFile: (path: string) =>
      path.startsWith(`${zone}/`) ? String(counter[path.slice(zone.length + 1)]?.() ?? '') : null,
  }
}
/** The counter starts again some fifty times a day. */
const RANGE_UJ = 65_532_610_987

/** A Shelly of the second generation, on a real server. */
export async function servePlug(t: TestContext, elapsedMs: () => number) {
  const server = createServer((request, response) => {
    const dayMs = elapsedMs()
    const isAsked = request.url === '/rpc/Switch.GetStatus?id=0'
    const total = Math.round(joulesUntil('wall', dayMs) / 3.6) / 1_000
    const reply = { id: 0, output: true, apower: drawnAt('wall', dayMs), aenergy: { total: 7_000 + total } }
    response.writeHead(isAsked ? 200 : 404, { 'content-type': 'application/json' })
    response.end(JSON.stringify(isAsked ? reply : { code: 404, message: 'No handler' }))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const close = async (): Promise<void> => {
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  }
  t.after(close)
  return { url: `http://127.0.0.1:${port}`, close }
}
