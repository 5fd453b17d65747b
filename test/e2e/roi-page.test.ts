/** The page of economics, served by a network that runs, in a real browser. */
import assert from 'node:assert/strict'
import { get } from 'node:http'
import { after, before, describe, test } from 'node:test'
import type { Browser, Locator, Page } from 'playwright-core'
import { usdText } from '#economics/usd-text.ts'
import type { RoiReply } from '#protocol/economics.ts'
import { browserMissing, buildPages, desktop, openBrowser, phone, visit } from './browser.ts'
import { checkPage } from './page-checks.ts'
import { type Network, openRig, startTiny } from './rig.ts'

const QUESTION = 'gpu=RTX+4090&kwh=0.12&utilisation=0.5'
const OPTIONS = ['--gpu', 'RTX 4090', '--kwh', '0.12', '--utilisation', '0.5']
const FIRST_LOAD_BYTES_MAX = 250_000

describe('the page of economics', { skip: browserMissing }, () => {
  const rig = openRig()
  let network: Network
  let browser: Browser
  before(async () => {
    await buildPages()
    ;[network, browser] = await Promise.all([startTiny(rig, rig.path('data')), openBrowser()])
  })
  after(async () => {
    await browser?.close()
    await rig.dispose()
  })
  const open = (query: string, options: Parameters<typeof visit>[2] = desktop) =>
    visit(browser, `${network.ready.apiUrl}/roi${query === '' ? '' : `?${query}`}`, options)

  const states: readonly (readonly [what: string, query: string])[] = [
    ['nothing said', ''],
    ['an owner', QUESTION],
    [
      'a buyer of a server in a data centre',
      'gpu=H100+PCIe&count=8&country=AT&site=colocation&view=buy&months=36',
    ],
    ['a price that is not known', 'gpu=Tesla+P40&country=DE'],
    ['a place that asks for its price', 'gpu=RTX+3090&country=AE'],
    ['an unknown GPU', 'gpu=RTX+4091&kwh=0.1'],
    ['much that cannot be right', 'gpu=RTX+4090&kwh=12&utilisation=0.9&availability=0.5&foo=1'],
  ]
  for (const [what, query] of states) {
    for (const [size, options] of Object.entries({ phone, desktop })) {
      test(`${what}, ${size}: legible, named, within the window, in light and dark, nothing in the console`, async () => {
        const { page, complaints, close } = await open(query, options)
        await settled(page)
        // What is folded is a part of the page too.
        await page.evaluate(async () => {
          for (const details of document.querySelectorAll('details')) details.open = true
          await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))
        })
        const found: string[] = []
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
          found.push(...(await checkPage(page)).map((complaint) => `${colorScheme}: ${complaint}`))
        }
        assert.deepEqual([...found, ...complaints], [])
        await close()
      })
    }
  }

  test('its figures are those of the command line and of the API', async () => {
    const { page, close } = await open(QUESTION)
    await settled(page)
    const printed = JSON.parse((await rig.run(['roi', ...OPTIONS, '--json'])).stdout) as RoiReply
    const reply = (await (
      await fetch(`${network.ready.apiUrl}/api/economics/roi?${QUESTION}`)
    ).json()) as RoiReply
    assert.deepEqual(reply.forecast, printed.forecast)
    assert.deepEqual(
      [reply.account, reply.breakEvens, reply.verdict],
      [printed.account, printed.breakEvens, printed.verdict],
    )
    const { forecast, account } = printed
    assert.ok(forecast?.economic && account)
    assert.equal(await textOf(page.locator('.sentence')), printed.verdict.replaceAll(/ \(--[\w-]+\)/g, ''))
    const { netUsd, worstMeanUsd } = forecast.cash
    const shown = await textOf(page.locator('.outlook').first())
    for (const usd of [netUsd.p5, netUsd.p50, netUsd.p95, worstMeanUsd, forecast.economic.netUsd.p50]) {
      assert.ok(shown.includes(usdText(usd)), `${usdText(usd)} in ${shown}`)
    }
    const day = await textOf(page.locator('.account'))
    for (const usd of [account.rentUsdPerDay, account.cashUsdPerDay, account.netUsdPerDay ?? Number.NaN]) {
      assert.ok(day.includes(usdText(usd)), `${usdText(usd)} in ${day}`)
    }
    const here = await textOf(page.locator('.heat td.here'))
    assert.equal(here, account.cashUsdPerDay.toFixed(2))
    assert.equal(await page.locator('.inputs tbody tr').count(), printed.inputs.length)
    for (const { asOf, origin } of printed.inputs)
      assert.ok(asOf !== null || origin === 'given' || origin === 'derived')
    await close()
  })

  test('its networks are those of the command line, each with its reason', async () => {
    const { page, close } = await open(QUESTION)
    await settled(page)
    const printed = JSON.parse((await rig.run(['roi', 'compare', ...OPTIONS, '--json'])).stdout)
    const names = await page.locator('.networks .name strong').allInnerTexts()
    assert.deepEqual(
      names,
      printed.networks.map(({ name }: { name: string }) => name),
    )
    for (const row of await page.locator('.networks > li').all())
      assert.ok((await row.locator('.why li').count()) > 0)
    assert.match(
      await textOf(page.locator('.networks > li', { hasText: 'Nexus' })),
      /unverified[\s\S]*not ranked/,
    )
    const url = `${network.ready.apiUrl}/api/economics/networks?${QUESTION}`
    const reply = await (await fetch(url)).json()
    assert.deepEqual(
      reply.networks.map(({ id, scoreUsd }: { id: string; scoreUsd: number }) => [id, scoreUsd]),
      printed.networks.map(({ id, scoreUsd }: { id: string; scoreUsd: number }) => [id, scoreUsd]),
    )
    await close()
  })

  test('everything is reached with the keyboard, in the order in which it is read', async () => {
    const { page, close } = await open('')
    await page.getByText('To the verdict').waitFor({ state: 'attached' })
    await page.keyboard.press('Tab')
    assert.equal(await page.evaluate(() => document.activeElement?.textContent?.trim()), 'To the verdict')
    await page.getByRole('combobox', { name: 'GPU' }).focus()
    await page.keyboard.type('rtx 4090')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    await page.waitForURL(/gpu=GeForce\+RTX\+4090/)
    await page.keyboard.press('Tab')
    await page.keyboard.press('ArrowRight')
    await page.waitForURL(/view=buy/)
    await page.keyboard.press('Tab')
    await page.keyboard.type('germ')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    // The answer that is asked for now, not the one before it, brings the sliders.
    await page.waitForURL(/country=DE/)
    await page.getByRole('slider').first().waitFor()
    await settled(page)
    const before = await textOf(page.locator('.sentence'))
    await page.keyboard.press('Tab')
    await page.keyboard.press('Tab')
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('role')), 'slider')
    for (let step = 0; step < 4; step++) await page.keyboard.press('ArrowLeft')
    await settled(page)
    const after = await textOf(page.locator('.sentence'))
    assert.notEqual(after, before)
    const { searchParams } = new URL(page.url())
    assert.deepEqual([...searchParams.keys()].sort(), ['country', 'gpu', 'kwh', 'view'])
    assert.ok(Number(searchParams.get('kwh')) < 0.4495 && searchParams.get('view') === 'buy')
    await close()
  })

  test('the focus moves forward through the page and is always to be seen', async () => {
    const { page, close } = await open(QUESTION)
    await settled(page)
    let seen = 0
    for (; seen < 200; seen++) {
      await page.keyboard.press('Tab')
      const step = await page.evaluate(() => {
        const now = document.activeElement
        const last = (window as { lastFocus?: Element | null }).lastFocus
        if (!now || now === document.body) return 'end'
        ;(window as { lastFocus?: Element | null }).lastFocus = now
        const isForward =
          !last || (last.compareDocumentPosition(now) & Node.DOCUMENT_POSITION_FOLLOWING) !== 0
        const { outlineStyle, outlineWidth } = getComputedStyle(now)
        const isSeen = outlineStyle !== 'none' && outlineWidth !== '0px'
        return isForward && isSeen ? 'good' : `${now.tagName} ${now.className}: ${isForward} ${isSeen}`
      })
      if (step === 'end') break
      assert.equal(step, 'good')
    }
    assert.ok(seen > 30 && seen < 200, `${seen} stops`)
    await close()
  })

  test('a link opens as it was left, and the browser goes back through it', async () => {
    const { page, close } = await open(`${QUESTION}&view=buy`)
    await settled(page)
    await page.getByRole('slider', { name: 'Rented' }).focus()
    await page.keyboard.press('ArrowRight')
    await settled(page)
    const sentence = await textOf(page.locator('.sentence'))
    const left = page.url()
    assert.match(left, /utilisation=0\.51/)
    const again = await visit(browser, left, phone)
    await settled(again.page)
    assert.equal(await textOf(again.page.locator('.sentence')), sentence)
    await Promise.all([close(), again.close()])
  })

  const bad: readonly (readonly [query: string, says: RegExp, button: string | null])[] = [
    ['gpu=RTX+4091&kwh=0.12', /"RTX 4091" is not in the catalogue/, 'GeForce RTX 4090'],
    ['gpu=RTX+4090&country=Georgia', /"Georgia" may be any of/, 'Georgia (US-GA)'],
    [
      'gpu=RTX+4090&kwh=12',
      /12 USD\/kWh is no price of electricity: expected from 0 to 3. Did you mean 0.12/,
      'leave kwh out',
    ],
    ['gpu=RTX+4090&kwh=-0.1', /-0\.1 USD\/kWh is no price of electricity/, 'leave kwh out'],
    ['gpu=RTX+4090&kwh=0.1&price=0', /At 0 there is nothing to work out/, 'leave price out'],
    ['gpu=RTX+4090&kwh=0.1&utilisation=0.9&availability=0.5', /utilisation is at most availability/, null],
    ['gpu=RTX+4090&kwh=0.1&colour=red', /Nothing is called "colour" here/, 'leave colour out'],
    ['gpu=%3Cimg+src=x+onerror=alert(1)%3E', /is not in the catalogue/, null],
  ]
  for (const [query, says, button] of bad) {
    test(`?${query} is said to be wrong, and nothing is shown in its place`, async () => {
      const { page, complaints, close } = await open(query)
      const verdict = page.locator('#verdict')
      await verdict.locator('.problems').waitFor()
      assert.match(await textOf(verdict), says)
      assert.equal(await page.locator('.report').count(), 0)
      if (button !== null) {
        await verdict.getByRole('button', { name: button }).first().click()
        await verdict.locator('.sentence').waitFor()
      }
      assert.deepEqual(complaints, [])
      await close()
    })
  }

  test('free electricity is taken, and said to be unusual', async () => {
    const { page, close } = await open('gpu=RTX+4090&kwh=0')
    await settled(page)
    assert.match(await textOf(page.locator('.notices').last()), /0 USD\/kWh.*only where it could not be sold/)
    await close()
  })

  test('a first visit loads no more than 250 kB, all of it compressed', async () => {
    const context = await browser.newContext(desktop)
    const page = await context.newPage()
    const urls = new Set<string>()
    page.on('request', (request) => void urls.add(request.url()))
    await page.goto(`${network.ready.apiUrl}/roi?${QUESTION}`)
    await settled(page)
    const files = [...urls].filter((url) => url.startsWith('http'))
    const names = files.map((url) => new URL(url).pathname.replace(/-[\w-]{8}\./, '.')).sort()
    assert.deepEqual(names, ['/assets/economics-worker.js', '/assets/roi.css', '/assets/roi.js', '/roi'])
    // The browser likes brotli best; whoever takes gzip alone must be served within the limit too.
    const received = await page.evaluate(() => {
      const entries = ['navigation', 'resource'].flatMap((type) => performance.getEntriesByType(type))
      const bodies = new Map(
        entries.map((entry) => [entry.name, (entry as PerformanceResourceTiming).encodedBodySize] as const),
      )
      return [...bodies.values()].reduce((sum, bytes) => sum + bytes, 0)
    })
    const gzipped = (await Promise.all(files.map(gzipBytesOf))).reduce((sum, bytes) => sum + bytes, 0)
    assert.ok(received > 100_000 && received < gzipped, `${received} bytes received, ${gzipped} by gzip`)
    assert.ok(gzipped <= FIRST_LOAD_BYTES_MAX, `${gzipped} bytes by gzip`)
    await context.close()
  })

  test('who wants no motion gets none, and another colour scheme is kept', async () => {
    const { page, close } = await open(QUESTION, { ...desktop, reducedMotion: 'reduce' })
    await settled(page)
    assert.equal(
      await page
        .locator('.segment')
        .first()
        .evaluate((one) => getComputedStyle(one).transitionDuration),
      '0s',
    )
    await page.getByRole('radio', { name: 'dark' }).click()
    const isDark = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)
    const dark = await isDark()
    await page.reload()
    assert.equal(await isDark(), dark)
    await page.getByRole('radio', { name: 'light' }).click()
    assert.notEqual(await isDark(), dark)
    await close()
  })

  test('a browser without JavaScript is told what to do', async () => {
    const { page, close } = await open('', { ...desktop, javaScriptEnabled: false })
    assert.match(await textOf(page.locator('noscript')), /needs JavaScript.*shoal roi/)
    await close()
  })
})

const textOf = async (locator: Locator): Promise<string> => (await locator.textContent()) ?? ''

/** Of a file as it crosses the wire, headers and all. */
function gzipBytesOf(url: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const request = get(url, { headers: { 'accept-encoding': 'gzip' } }, (response) => {
    assert.equal(response.headers['content-encoding'], 'gzip', url)
    let bytes = response.rawHeaders.join('').length
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    response.on('end', () => resolve(bytes))
  })
  request.on('error', reject)
  return promise
}

/** Until the page has nothing more to compute: all futures, and the networks where there are any. */
async function settled(page: Page): Promise<void> {
  await page.locator('#verdict .headline').waitFor()
  await page.waitForFunction(() => {
    const report = document.querySelector('.report')
    const stage = report?.getAttribute('data-stage')
    const isComparing = document.querySelector('section[aria-busy="true"]') !== null
    const hasRested = document.querySelector('#verdict [aria-busy="true"]') === null
    return hasRested && (report === null || stage === 'none' || (stage === 'full' && !isComparing))
  })
}
