import { WebSocket } from 'ws'
import type { Link, LinkHandlers } from '#host/host.ts'
import { networkProblem, placeOf } from './network-problem.ts'
import { type LinkLimits, type LinkPorts, WsLink } from './ws-link.ts'

/** Opens a link to `url`. What goes wrong before it is open comes as the reason of `onClose`: a sentence with the fix. */
export function connectLink(ports: LinkPorts, url: string, handlers: LinkHandlers, limits: LinkLimits): Link {
  const link = new WsLink(ports, limits)
  link.handle(handlers, () => {})
  const target = URL.parse(url)
  if (target !== null && /^wss?:$/.test(target.protocol)) {
    // A fragment never leaves the client, and `ws` throws at one.
    target.hash = ''
    openLink(link, target, limits)
  } else {
    process.nextTick(() => link.drop(`${url} is not an address of the form ws://host:port/path.`))
  }
  return link
}

function openLink(link: WsLink, target: URL, limits: LinkLimits): void {
  const place = placeOf(target)
  const webSocket = new WebSocket(target, {
    perMessageDeflate: false,
    skipUTF8Validation: true,
    maxPayload: limits.messageBytesMax,
  })
  link.attach(webSocket, (error) => networkProblem(error, place).message)
  let socket: unknown = null
  webSocket.once('upgrade', (response) => {
    socket = response.socket
  })
  webSocket.once('open', () => link.open(socket))
  webSocket.once('unexpected-response', (_request, { statusCode }) =>
    link.drop(`${place} answered ${statusCode} instead of opening a link. Check the path of the address.`),
  )
  link.expectOpen(
    `${place} did not open a link within ${limits.openTimeoutMs} ms. Check the address or try again.`,
  )
}
