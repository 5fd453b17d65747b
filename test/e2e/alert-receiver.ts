/** The server that an operator has for alerts. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface AlertReceiver {
  readonly url: string
  /** Answers 500 once. */
  failNext(): void
  failed(): number
  taken(): readonly { readonly text: string; readonly signature: string | undefined }[]
  close(): Promise<void>
}

export async function openAlertReceiver(): Promise<AlertReceiver> {
  const taken: { text: string; signature: string | undefined }[] = []
  let [toFail, failed] = [0, 0]
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    if (toFail > 0) {
      toFail--
      failed++
      response.writeHead(500).end()
      return
    }
    const signature = request.headers['x-shoal-signature']
    taken.push({ text: Buffer.concat(chunks).toString(), signature: String(signature) })
    response.writeHead(204).end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/alerts`,
    failNext: () => void toFail++,
    failed: () => failed,
    taken: () => taken,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
