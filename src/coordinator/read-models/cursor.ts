/** Where a page of a list ended, as opaque text of under 100 characters. */
import { Problem } from '#protocol/problem.ts'

/** A line of an entry. */
export interface LineCursor {
  readonly sequence: bigint
  readonly line: number
}

export const formatLineCursor = ({ sequence, line }: LineCursor): string => `${sequence}.${line}`

export function parseLineCursor(text: string): LineCursor {
  const match = /^(\d{1,16})\.(\d{1,9})$/.exec(text)
  if (!match) throw unknownCursor(text)
  const [, sequence = '', line = ''] = match
  return { sequence: BigInt(sequence), line: Number(line) }
}

/** A model on a day. Its name may be too long for a cursor, its hash is not. */
export interface DayCursor {
  readonly day: string
  readonly model_md5: string
}

export const formatDayCursor = ({ day, model_md5 }: DayCursor): string => `${day}.${model_md5}`

export function parseDayCursor(text: string): DayCursor {
  const match = /^(\d{4}-\d{2}-\d{2})\.([0-9a-f]{32})$/.exec(text)
  if (!match) throw unknownCursor(text)
  const [, day = '', model_md5 = ''] = match
  return { day, model_md5 }
}

/** An entry of an organisation's chain. */
export const formatChainCursor = ({ chain_sequence }: { readonly chain_sequence: bigint }): string =>
  chain_sequence.toString()

export function parseChainCursor(text: string): bigint {
  if (!/^\d{1,16}$/.test(text)) throw unknownCursor(text)
  return BigInt(text)
}

export const unknownCursor = (text: string): Problem =>
  new Problem(
    'invalid_request',
    `No page of this list ends at ${JSON.stringify(text)}. Give \`before\` the \`next\` of a page, as it was.`,
    {
      details: { param: 'before' },
    },
  )
