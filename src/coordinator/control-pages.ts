import { describeApi } from '#protocol/open-api.ts'
import { renderDocsPage } from './docs-page.ts'
import { renderHomePage } from './home-page.ts'
import { HOME_SCRIPT } from './home-script.ts'
import { PAGE_STYLE } from './page-style.ts'

export interface ControlPage {
  readonly contentType: string
  readonly body: string
}

const HTML = 'text/html; charset=utf-8'

/**
 * What the control server serves beside its routes, by path. All of it is made here: no page asks another host. Each is
 * made when it is first asked for: describing the whole API takes a tenth of a second, too long for a coordinator that
 * starts or takes over.
 */
export function controlPages(openAiBaseUrl: string): Readonly<Record<string, () => ControlPage>> {
  const document = once(describeApi)
  return {
    '/': once(() => ({ contentType: HTML, body: renderHomePage(openAiBaseUrl) })),
    '/docs': once(() => ({ contentType: HTML, body: renderDocsPage(document()) })),
    '/openapi.json': once(() => ({ contentType: 'application/json', body: JSON.stringify(document()) })),
    '/assets/page.css': once(() => ({ contentType: 'text/css; charset=utf-8', body: PAGE_STYLE })),
    '/assets/home.js': once(() => ({ contentType: 'text/javascript; charset=utf-8', body: HOME_SCRIPT })),
  }
}

/** `make`, of which the first result is kept. */
function once<T extends object>(make: () => T): () => T {
  let made: T | null = null
  return () => {
    made ??= make()
    return made
  }
}
