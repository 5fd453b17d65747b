/** A real NATS server of a test's own, on a free port of this machine. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'

export interface TestNats {
  readonly url: string
  readonly process: ChildProcess
  stop(): Promise<void>
}

/** Why such tests are skipped here, or `false`. */
export const natsMissing: string | false =
  spawnSync('nats-server', ['--version']).status === 0
    ? false
    : 'nats-server is not installed (npm run setup installs it on Debian)'

export async function startNats(port?: number, flags: readonly string[] = []): Promise<TestNats> {
  const own = port ?? (await freePort())
  const child = spawn('nats-server', ['-a', '127.0.0.1', '-p', String(own), ...flags], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ready = new Promise<void>((resolve, reject) => {
    let text = ''
    child.stderr.on('data', (bytes) => {
      text += bytes
      if (text.includes('Server is ready')) resolve()
    })
    child.once('exit', () => reject(new Error(`nats-server ended: ${text}`)))
  })
  await ready
  return {
    url: `nats://127.0.0.1:${own}`,
    process: child,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
  }
}

export async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port')
  server.close()
  await once(server, 'close')
  return address.port
}
