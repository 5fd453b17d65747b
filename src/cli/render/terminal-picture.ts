/** Pictures in the terminal itself, where it can show them: by the protocol of kitty, or by that of iTerm2. */
import type { CliContext } from '../context.ts'

export type PictureProtocol = 'kitty' | 'iterm'

/** By what terminals say of themselves; `null` in a pipe, and inside tmux and screen, which keep pictures from them. */
export function pictureProtocol({ env, stderr }: Pick<CliContext, 'env' | 'stderr'>): PictureProtocol | null {
  const { TMUX: tmux, STY: screen, TERM: term = '', TERM_PROGRAM: program, LC_TERMINAL: far } = env
  if (!stderr.isTty || tmux || screen || term === 'dumb') return null
  if (env['KITTY_WINDOW_ID'] || term.includes('kitty') || program === 'ghostty' || program === 'WezTerm')
    return 'kitty'
  return program === 'iTerm.app' || far === 'iTerm2' ? 'iterm' : null
}

/** What kitty takes in one piece. */
const PIECE = 4_096

/** What to write so that the terminal shows a PNG file, with the line's end after it. */
export function pictureText(png: Uint8Array, protocol: PictureProtocol): string {
  const data = Buffer.from(png).toString('base64')
  if (protocol === 'iterm')
    return `\u001b]1337;File=inline=1;size=${png.length};preserveAspectRatio=1:${data}\u0007\n`
  const pieces = data.match(new RegExp(`.{1,${PIECE}}`, 'g')) ?? ['']
  return `${pieces
    .map((piece, at) => {
      const more = at < pieces.length - 1 ? 1 : 0
      return `\u001b_G${at === 0 ? `a=T,f=100,q=2,m=${more}` : `m=${more}`};${piece}\u001b\\`
    })
    .join('')}\n`
}
