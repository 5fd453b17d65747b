/** Chromium or Chrome, as far as one is installed, run once for each question: no library, and nothing is downloaded. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Problem } from '#protocol/problem.ts'
import type { Browser } from '../browser.ts'
import type { CommandOutput, Machine } from '../machine.ts'

export interface BrowserParts {
  readonly machine: Pick<Machine, 'run' | 'facts'>
  /** As root Chromium starts only without its own sandbox; the page has no script, and fetches nothing. */
  readonly isRoot: boolean
  /** The program to run, where its user says which (`CHROME_PATH`). */
  readonly program: string | undefined
}

const programs: Readonly<Record<string, readonly string[]>> = {
  linux: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'microsoft-edge'],
  darwin: [
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
  ],
  win32: [
    'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
    'C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe',
  ],
}

const TIMEOUT_MS = 60_000
/** Before its height is known. */
const HEIGHT_FIRST_PX = 1_000
/** Taller pictures are refused by what shows them. */
const HEIGHT_MAX_PX = 12_000

export function createHeadlessBrowser(parts: BrowserParts): Browser {
  return {
    async takePicture(html, { widthPx }) {
      const folder = await mkdtemp(join(tmpdir(), 'shoal-picture-'))
      try {
        return await shoot(parts, { html, widthPx, folder })
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    },
  }
}

interface Shot {
  readonly html: string
  readonly widthPx: number
  readonly folder: string
}

async function shoot(parts: BrowserParts, { html, widthPx, folder }: Shot): Promise<Uint8Array> {
  const [page, measured, picture] = ['page.html', 'measured.html', 'picture.png'].map((name) =>
    join(folder, name),
  ) as [string, string, string]
  await writeFile(page, html)
  await writeFile(measured, withMeasure(html))
  const run = (heightPx: number, ...rest: string[]) =>
    runBrowser(parts, [...flagsOf(parts, { folder, widthPx, heightPx }), ...rest])
  const dom = await run(HEIGHT_FIRST_PX, '--dump-dom', pathToFileURL(measured).href)
  const height = Number(/data-height="(\d+)"/.exec(dom.stdout)?.[1] ?? Number.NaN)
  if (!(height > 0)) throw failed(dom)
  const shot = await run(Math.min(height, HEIGHT_MAX_PX), `--screenshot=${picture}`, pathToFileURL(page).href)
  try {
    return await readFile(picture)
  } catch {
    throw failed(shot)
  }
}

/** The page with a script that writes its height down: what is shown in the end has none. */
const withMeasure = (html: string): string =>
  html
    .replace(/<meta http-equiv="Content-Security-Policy"[^>]*>/, '')
    .replace(
      '</body>',
      '<script>document.documentElement.dataset.height=Math.ceil(document.body.getBoundingClientRect().height)</script></body>',
    )

function flagsOf(
  { isRoot }: BrowserParts,
  { folder, widthPx, heightPx }: { folder: string; widthPx: number; heightPx: number },
): string[] {
  return [
    '--headless=new',
    '--disable-gpu',
    '--hide-scrollbars',
    '--no-first-run',
    '--disable-extensions',
    '--disable-background-networking',
    '--disable-dev-shm-usage',
    '--blink-settings=preferredColorScheme=1',
    '--force-device-scale-factor=2',
    `--user-data-dir=${join(folder, 'profile')}`,
    `--window-size=${widthPx},${heightPx}`,
    ...(isRoot ? ['--no-sandbox'] : []),
  ]
}

/** With the first of the programs that is there. */
async function runBrowser(
  { machine, program }: BrowserParts,
  args: readonly string[],
): Promise<CommandOutput> {
  const { platform } = machine.facts()
  for (const name of program === undefined ? (programs[platform] ?? []) : [program]) {
    const result = await machine.run(name, args, { timeoutMs: TIMEOUT_MS })
    if (result === 'timed_out')
      throw new Problem('unavailable', `${name} did not finish the picture within ${TIMEOUT_MS / 1_000} s.`)
    if (result !== 'not_found') return result
  }
  throw new Problem(
    'not_supported',
    program === undefined
      ? 'A picture needs Chromium or Chrome, and none was found on this machine. Install one, name it with CHROME_PATH, or make the page with --html and open it in any browser.'
      : `CHROME_PATH names ${program}, which is not there. Name the program of Chromium or Chrome.`,
  )
}

const failed = ({ code, stderr }: CommandOutput): Problem =>
  new Problem(
    'unavailable',
    `The browser ended with code ${code} and made no picture: ${stderr.replaceAll(/\s+/g, ' ').slice(-300).trim() || 'it said nothing'}`,
  )
