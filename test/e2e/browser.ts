/** Debian's Chromium, for tests of the pages. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { ensureWebBuilt } from '../../web/build-web.ts'

const executablePath = '/usr/bin/chromium'

/** Why there is no browser here; false where there is one. */
export const browserMissing = existsSync(executablePath) ? false : `${executablePath} is not there`

export const openBrowser = (): Promise<Browser> => chromium.launch({ executablePath, args: ['--no-sandbox'] })

/** Builds the pages where that is due, before a network that is to serve them. */
export async function buildPages(): Promise<void> {
  await ensureWebBuilt(join(import.meta.dirname, '../..'), () => undefined)
}

export const phone = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true } as const
export const desktop = { viewport: { width: 1440, height: 900 } } as const

export interface Visit {
  readonly page: Page
  /** Everything that went wrong meanwhile, as the browser says it. */
  readonly complaints: readonly string[]
  close(): Promise<void>
}

/** A page in a profile of its own, which notes what a developer would see in red. */
export async function visit(browser: Browser, url: string, options: BrowserContextOptions): Promise<Visit> {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('requestfailed', (request) => complaints.push(`${request.url()} failed`))
  page.on('response', (response) => {
    if (response.status() >= 400) complaints.push(`${response.url()} answered ${response.status()}`)
  })
  await page.goto(url)
  return { page, complaints, close: () => context.close() }
}
