/** A page of HTML in one file: no script, nothing fetched, readable on a phone, light or dark as its reader prefers. */
import { chartStyle } from '#economics/chart/chart-style.ts'
import { escapeText } from '#economics/chart/svg.ts'

/** HTML that is safe to put into a page; made by the functions here alone. */
export type Html = string

export const tag = (name: string, content: Html, classes = ''): Html =>
  `<${name}${classes === '' ? '' : ` class="${classes}"`}>${content}</${name}>`

/** Plain text as HTML. */
export const plain = escapeText

export interface HtmlColumn<Row> {
  readonly title: string
  readonly isRight?: boolean
  readonly cell: (row: Row) => Html
}

/** What is not known; a narrow screen leaves it out. */
const UNKNOWN = '–'
/** So many columns find room on a phone. */
const COLUMNS_NARROW = 3
const attribute = (classes: readonly string[]): string =>
  classes.length === 0 ? '' : ` class="${classes.join(' ')}"`

/** A table; the rows of one with many columns become blocks on a narrow screen, each cell with its title. */
export function htmlTable<Row>(columns: readonly HtmlColumn<Row>[], rows: readonly Row[]): Html {
  const head = columns.map(
    ({ title, isRight }) => `<th scope="col"${attribute(isRight ? ['right'] : [])}>${plain(title)}</th>`,
  )
  const body = rows.map((row) => {
    const cells = columns.map((column) => {
      const content = column.cell(row)
      const classes = [column.isRight ? 'right' : '', content === UNKNOWN ? 'none' : ''].filter(
        (name) => name !== '',
      )
      return `<td data-title="${plain(column.title)}"${attribute(classes)}>${content}</td>`
    })
    return `<tr>${cells.join('')}</tr>`
  })
  const classes = attribute(columns.length > COLUMNS_NARROW ? ['wide'] : [])
  return `<table${classes}><thead><tr>${head.join('')}</tr></thead><tbody>${body.join('')}</tbody></table>`
}

export const section = (title: string, ...content: readonly Html[]): Html => {
  const body = content.filter((part) => part !== '').join('')
  return body === '' ? '' : `<section><h2>${plain(title)}</h2>${body}</section>`
}

export const figure = (caption: string, chart: Html): Html =>
  chart === '' ? '' : `<figure>${chart}<figcaption>${plain(caption)}</figcaption></figure>`

export function htmlPage({
  title,
  description,
  body,
}: {
  title: string
  description: string
  body: Html
}): Html {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${plain(title)}</title>
<meta name="description" content="${plain(description)}">
<style>${chartStyle}
${pageStyle}</style>
</head>
<body>
<main>${body}</main>
</body>
</html>
`
}

const pageStyle = `
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:960px;margin:0 auto;padding:16px}
h1{font-size:1.5rem;line-height:1.25;margin:.2em 0}h2{font-size:1.15rem;margin:1.6em 0 .5em}h3{font-size:1rem;margin:0}
p{margin:.4em 0}.lead{font-size:1.08rem}.soft,figcaption,small{color:var(--soft)}
.good{color:var(--good)}.bad{color:var(--bad)}.warning{color:var(--ink)}
.cards{display:grid;gap:12px;grid-template-columns:repeat(auto-fit,minmax(240px,1fr));margin:1em 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px}
.card strong{display:block;font-size:1.25rem;line-height:1.2;margin:.15em 0}.card p{font-size:.92rem}
.charts,.pair{display:grid;gap:20px;align-items:start;grid-template-columns:repeat(auto-fill,minmax(min(100%,380px),1fr))}
figure{margin:0;min-width:0}figcaption{font-size:.86rem;margin-top:4px}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{text-align:left;vertical-align:top;padding:5px 8px;border-bottom:1px solid var(--line)}
th{color:var(--soft);font-weight:600}.right{text-align:right;font-variant-numeric:tabular-nums}
td.right{white-space:nowrap}.pair h2{margin-bottom:.3em}
.inputs{columns:2;column-gap:28px;font-size:.82rem;padding:0;list-style:none}.inputs li{break-inside:avoid;margin-bottom:.35em}
details{border-bottom:1px solid var(--line);padding:6px 0}summary{cursor:pointer;font-weight:600}
details ul{margin:.3em 0;padding-left:1.2em;font-size:.92rem}
code{font:.86em ui-monospace,monospace;background:var(--card);padding:1px 4px;border-radius:4px;overflow-wrap:anywhere}
li{overflow-wrap:anywhere}
@media (max-width:640px){
.wide thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.wide tr{display:block;padding:8px 0;border-bottom:1px solid var(--line)}
.wide td,.wide td.right{white-space:normal}.wide td.none{display:none}
.wide td{display:flex;justify-content:space-between;gap:12px;border:0;padding:2px 0;text-align:right}
.wide td::before{content:attr(data-title);color:var(--soft);text-align:left;flex:none;max-width:45%}
.wide td:first-child{font-weight:600;justify-content:flex-start;text-align:left}.wide td:first-child::before{content:none}
td.right{white-space:normal}th,td{padding:5px 4px}td{overflow-wrap:anywhere}
}`.trim()
