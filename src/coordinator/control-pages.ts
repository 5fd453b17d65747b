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

/** What the control server serves beside its routes, by path. All of it is made here: no page asks another host. */
export function controlPages(openAiBaseUrl: string): Readonly<Record<string, ControlPage>> {
  const document = describeApi()
  return {
    '/': { contentType: HTML, body: renderHomePage(openAiBaseUrl) },
    '/docs': { contentType: HTML, body: renderDocsPage(document) },
    '/openapi.json': { contentType: 'application/json', body: JSON.stringify(document) },
    '/assets/page.css': { contentType: 'text/css; charset=utf-8', body: PAGE_STYLE },
    '/assets/home.js': { contentType: 'text/javascript; charset=utf-8', body: HOME_SCRIPT },
  }
}
