import { jsonWriter } from '#protocol/wire-form.ts'
import { WorkOrders } from '#protocol/work-link.ts'

type Told = WorkOrders['orders'][number]

/** Well below what a bus takes in one message. */
const MESSAGE_CHARACTERS = 256 * 1024
/** Of a file's entry beside its path, and of an order beside its files: more than either has. */
const FILE_CHARACTERS = 150
const write = jsonWriter(WorkOrders)

/** The orders as messages, in order, each of a length that the bus takes; a grant of very many files comes in pages. */
export function orderMessages(orders: readonly Told[]): readonly string[] {
  const whole = write({ orders: [...orders] })
  if (whole.length <= MESSAGE_CHARACTERS) return [whole]
  return orders.flatMap(pagesOf).map((one) => write({ orders: [one] }))
}

function pagesOf(told: Told): readonly Told[] {
  const { order } = told
  if (order.kind !== 'grant') return [told]
  const of = order.files.length
  const pages: Told[] = []
  for (let from = 0; from < of; ) {
    let to = from
    for (let size = 0; to < of && size < MESSAGE_CHARACTERS; to++)
      // Letters beyond ASCII count for more on a bus.
      size += FILE_CHARACTERS + 2 * (order.files[to]?.path.length ?? 0)
    pages.push({ ...told, order: { ...order, files: order.files.slice(from, to) }, page: { from, of } })
    from = to
  }
  return pages.length > 1 ? pages : [told]
}
