/** nginx with the configuration that the documentation gives, in front of a network of a test. */

import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { TlsFiles } from '#host/host.ts'
import { until } from './process-group.ts'
import type { Rig } from './rig.ts'

/** Why there is no nginx here, or false. */
export const nginxMissing =
  spawnSync('nginx', ['-v'], { stdio: 'ignore' }).status === 0 ? false : 'nginx is not installed'

export interface ProxyOptions {
  readonly address: string
  readonly port: number
  readonly name: string
  /** Where the network listens. */
  readonly upstream: string
  readonly tls: TlsFiles
}

export interface Nginx {
  /** What it was asked, a line each. */
  accessLog(): string
  stop(): Promise<void>
}

const documented = join(import.meta.dirname, '../../docs/operating/proxy/nginx.conf')

/** Starts it, once it listens. */
export async function startNginx(rig: Rig, options: ProxyOptions): Promise<Nginx> {
  const { address, port, name, upstream, tls } = options
  const folder = rig.path(`nginx-${port}`)
  mkdirSync(join(folder, 'temp'), { recursive: true })
  const site = readFileSync(documented, 'utf8')
    .replaceAll('/etc/letsencrypt/live/net.example/fullchain.pem', tls.certFile)
    .replaceAll('/etc/letsencrypt/live/net.example/privkey.pem', tls.keyFile)
    .replace('127.0.0.1:7420', upstream)
    .replace('listen 443 ssl', `listen ${address}:${port} ssl`)
    .replaceAll('net.example', name)
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((what) => `${what}_temp_path ${folder}/temp/${what};`)
    .join(' ')
  const conf = join(folder, 'nginx.conf')
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  writeFileSync(
    conf,
    `${user} daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
     events { worker_connections 512; }
     http { access_log ${folder}/access.log; ${temp}\n${site}\n}\n`,
  )
  const program = rig.startCommand(['nginx', '-p', folder, '-c', conf, '-e', join(folder, 'error.log')])
  await until('nginx to listen', async () => {
    if (program.isOver()) throw new Error(`nginx ended: ${program.output()}`)
    return await listens(address, port)
  })
  // It writes over its environment, by which the rig knows what was started in it.
  const kill = (): void => program.signalGroup('SIGKILL')
  process.on('exit', kill)
  return {
    accessLog: () => readFileSync(join(folder, 'access.log'), 'utf8'),
    async stop() {
      program.signal('SIGTERM')
      await program.end
      process.off('exit', kill)
    },
  }
}

const listens = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, host)
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
