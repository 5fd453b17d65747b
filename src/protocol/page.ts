/** Lists on the API: `{items, next}`, newest or first by id, a page at a time. */
import { z } from 'zod'

export const PAGE_LIMIT_DEFAULT = 100
export const PAGE_LIMIT_MAX = 1_000

/** A whole number in a query string. */
export const queryInt = (min: number, max: number) =>
  z.codec(z.string().regex(/^-?\d{1,16}$/, 'expected a whole number'), z.int().min(min).max(max), {
    decode: (text) => Number(text),
    encode: (value) => value.toString(),
  })

/** Where a page ends; opaque to callers. */
export const Cursor = z.string().min(1).max(200)

/** Query members that every list takes. */
export const pageQuery = {
  limit: queryInt(1, PAGE_LIMIT_MAX)
    .optional()
    .describe(`Items in one page, at most ${PAGE_LIMIT_MAX}; ${PAGE_LIMIT_DEFAULT} unless given.`),
  before: Cursor.optional().describe('The `next` of the page before this one.'),
}
export const PageQuery = z.strictObject(pageQuery)
export type PageQuery = z.output<typeof PageQuery>

/** Members of a list's reply. */
export const pageOf = <Item extends z.ZodType>(item: Item) => ({
  items: z.array(item),
  next: Cursor.nullable().describe('Give it as `before` to get the next page; `null` on the last one.'),
})

/** Members of every reply that is read from the read model, which may lag behind the ledger. */
export const freshness = {
  asOfSequence: z.int().nonnegative().describe('The last journal entry that this reply includes.'),
  lagEntries: z.int().nonnegative().describe('Journal entries that the read model has not applied yet.'),
}

/**
 * One page of `all`, which must be in its final, total order; `cursorOf` names an item within that order for ever.
 * A cursor that names nothing any more starts from the first item, unless the items are `by_cursor`, ascending: then it has
 * its place among them all the same. What may be gone between two pages is listed so.
 */
export function paginate<Item>(
  all: readonly Item[],
  query: PageQuery | undefined,
  cursorOf: (item: Item) => string,
  order: 'any' | 'by_cursor' = 'any',
): { items: Item[]; next: string | null } {
  const limit = query?.limit ?? PAGE_LIMIT_DEFAULT
  const start = query?.before === undefined ? 0 : startAfter(query.before, { all, cursorOf, order })
  const items = all.slice(start, start + limit)
  const last = items.at(-1)
  return { items, next: last !== undefined && start + limit < all.length ? cursorOf(last) : null }
}

function startAfter<Item>(
  before: string,
  { all, cursorOf, order }: { all: readonly Item[]; cursorOf: (item: Item) => string; order: string },
): number {
  if (order === 'any') return all.findIndex((item) => cursorOf(item) === before) + 1
  const next = all.findIndex((item) => cursorOf(item) > before)
  return next < 0 ? all.length : next
}
