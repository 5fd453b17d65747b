/** A TCP proxy whose connections can be left half open: they stay up on both sides, and nothing passes any more. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface FreezingProxy {
  readonly port: number
  /** Nothing passes on any present connection from now on, not even its end. Later ones work. */
  freeze(): void
  close(): Promise<void>
}

/** Passes on what comes to a free port of this machine to `port`. */
export async function openFreezingProxy(port: number): Promise<FreezingProxy> {
  const sockets = new Set<Socket>()
  const frozen = new WeakSet<Socket>()
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    join(near, far)
    join(far, near)
    near.pipe(far)
    far.pipe(near)
  })

  function join(socket: Socket, other: Socket): void {
    sockets.add(socket)
    // What broke is closed at once, and so tells itself.
    socket.setNoDelay(true).on('error', () => undefined)
    socket.on('close', () => {
      sockets.delete(socket)
      if (!frozen.has(socket)) other.destroy()
    })
  }

  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    freeze() {
      for (const socket of sockets) {
        frozen.add(socket)
        socket.unpipe()
        socket.pause()
      }
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
