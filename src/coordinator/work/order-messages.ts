import { jsonWriter } from '#protocol/wire-form.ts'
import { type TaskGrant, WorkOrders } from '#protocol/work-link.ts'

type Told = WorkOrders['orders'][number]

/** Well below what a bus takes in one message. */
const MESSAGE_CHARACTERS = 256 * 1024
/** All that any bus takes, in bytes: NATS takes a mebibyte unless it is told otherwise. */
const MESSAGE_BYTES_MAX = 1_000_000
/** Of a file's entry beside its path, and of an order beside its files: more than either has. */
const FILE_CHARACTERS = 150
const write = jsonWriter(WorkOrders)
const encoder = new TextEncoder()

export interface OrderMessages {
  readonly messages: readonly string[]
  /** Grants of more files than this gateway can be told of. */
  readonly tooLong: readonly { readonly nodeId: string; readonly grant: TaskGrant }[]
}

/**
 * The orders as messages, in order, each of a length that the bus takes. A grant of very many files comes in pages, to a gateway that
 * puts them together; another would take the first page for all of it.
 */
export function orderMessages(
  orders: readonly Told[],
  { takesPages }: { takesPages: boolean },
): OrderMessages {
  const whole = write({ orders: [...orders] })
  if (whole.length <= MESSAGE_CHARACTERS) return { messages: [whole], tooLong: [] }
  if (takesPages)
    return { messages: orders.flatMap(pagesOf).map((one) => write({ orders: [one] })), tooLong: [] }
  const messages: string[] = []
  const tooLong: OrderMessages['tooLong'][number][] = []
  for (const one of orders) {
    const { nodeId, order } = one
    const text = write({ orders: [one] })
    if (order.kind === 'grant' && encoder.encode(text).length > MESSAGE_BYTES_MAX)
      tooLong.push({ nodeId, grant: order })
    else messages.push(text)
  }
  return { messages, tooLong }
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
