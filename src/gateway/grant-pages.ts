/** Grants that name more files than one message of the bus takes: they come in pages, and go to the node whole. */
import type { TaskFile, TaskGrant, WorkOrders } from '#protocol/work-link.ts'

type Told = WorkOrders['orders'][number]

export interface GrantPages {
  /** The order whole; `null` while pages of it are missing; they may come in any order, and twice. */
  take(told: Told): Told['order'] | null
}

/** Begun and not whole yet; the oldest goes, and is asked for again. */
const BEGUN_MAX = 64

export function createGrantPages(): GrantPages {
  const begun = new Map<number, Map<number, readonly TaskFile[]>>()

  function takeGrant(grant: TaskGrant, page: Told['page']): TaskGrant | null {
    const { fence } = grant
    const pages = begun.get(fence) ?? new Map<number, readonly TaskFile[]>()
    begun.delete(fence)
    if (!page) return grant
    pages.set(page.from, grant.files)
    const files = [...pages].sort(([one], [other]) => one - other).flatMap(([, some]) => some)
    if (files.length === page.of) return { ...grant, files }
    const [oldest] = begun.keys()
    if (begun.size >= BEGUN_MAX && oldest !== undefined) begun.delete(oldest)
    begun.set(fence, pages)
    return null
  }

  return { take: ({ order, page }) => (order.kind === 'grant' ? takeGrant(order, page) : order) }
}
