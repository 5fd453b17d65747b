/** Text that is safe between tags and inside double-quoted attributes. */
export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)

/** The little Markdown that descriptions use: paragraphs and `code`. */
export const renderText = (text: string): string =>
  text
    .split(/\n{2,}/)
    .map((paragraph) => `<p>${renderInline(paragraph)}</p>`)
    .join('')

export const renderInline = (text: string): string =>
  escapeHtml(text).replace(/`([^`]+)`/g, '<code>$1</code>')

const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath fill='%230b8a8f' d='M1 8c3-5 7-5 10-2l4-3v10l-4-3c-3 3-7 3-10-2z'/%3E%3C/svg%3E"

export interface PageParts {
  readonly title: string
  readonly body: string
  /** Path of a script of ours. */
  readonly script?: string
}

/** A whole page around `body`, which is HTML already. */
export const renderPage = ({ title, body, script }: PageParts): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="${ICON}">
<link rel="stylesheet" href="/assets/page.css">
${script === undefined ? '' : `<script src="${escapeHtml(script)}" defer></script>\n`}</head>
<body>
${body}
</body>
</html>
`
