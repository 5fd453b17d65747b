import type { Command } from 'commander'
import { PAGE_LIMIT_MAX, type PageQuery } from '#protocol/page.ts'
import { wholeNumber } from './arguments.ts'

/** Adds the options of a list. */
export const withPageOptions = (command: Command, limit: number): Command =>
  command
    .option('--limit <count>', 'how many to show', wholeNumber(1, PAGE_LIMIT_MAX), limit)
    .option('--before <cursor>', 'the page that follows, as the one before it named it')

/** The query of a list, of all that commander gathered. */
export const pageOfOptions = ({ limit, before }: PageQuery): PageQuery => ({
  ...(limit !== undefined && { limit }),
  ...(before !== undefined && { before }),
})
