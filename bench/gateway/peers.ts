/** What stands beside the gateway in the same run, each pinned to the same core: the mock itself, nginx, undici, Portkey. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '#host/node/test-nats.ts'
import { end, LOAD_CORE, MEASURED_CORE, startOn } from './cores.ts'
import { PACED_EVERY_US, type Pace, type Target } from './target.ts'

const START_MS_MAX = 15_000
const POLL_MS = 50
const peersFolder = join(import.meta.dirname, '../peers')
const portkeyMain = join(peersFolder, 'node_modules/@portkey-ai/gateway/build/start-server.js')

/** Two mocks: one answers at once, one at a pace. */
export interface Upstreams {
  readonly atOnce: number
  readonly paced: number
  stop(): Promise<void>
}

export async function startUpstreams(program: string): Promise<Upstreams> {
  const [atOnce, paced] = [await freePort(), await freePort()]
  const children = [
    startOn({ core: LOAD_CORE, stdio: 'ignore' }, [program, `port=${atOnce}`]),
    startOn({ core: LOAD_CORE, stdio: 'ignore' }, [program, `port=${paced}`, `every=${PACED_EVERY_US}`]),
  ]
  await Promise.all([atOnce, paced].map(listening))
  return { atOnce, paced, stop: async () => void (await Promise.all(children.map((child) => end(child)))) }
}

export const startDirect = async (upstreams: Upstreams): Promise<Target> => ({
  name: 'direct',
  pid: null,
  at: async (pace) => [`port=${upstreamOf(upstreams, pace)}`],
  stop: async () => {},
})

export async function startBareHttp(): Promise<Target> {
  const port = await freePort()
  return startPeer('bare node:http', {
    command: [process.execPath, join(import.meta.dirname, 'bare-http.ts'), String(port)],
    ports: { whole: port },
  })
}

export async function startUndici(upstreams: Upstreams): Promise<Target> {
  const [whole, paced] = [await freePort(), await freePort()]
  const pairs = [whole, upstreams.atOnce, paced, upstreams.paced].map(String)
  return startPeer('undici', {
    command: [process.execPath, join(import.meta.dirname, 'undici-proxy.ts'), ...pairs],
    ports: { whole, paced },
  })
}

export async function startNginx(upstreams: Upstreams, folder: string): Promise<Target> {
  const [whole, paced] = [await freePort(), await freePort()]
  const file = join(folder, 'nginx.conf')
  writeFileSync(
    file,
    nginxConfig(folder, [
      [whole, upstreams.atOnce],
      [paced, upstreams.paced],
    ]),
  )
  return startPeer(nginxVersion(), { command: ['nginx', '-p', folder, '-c', file], ports: { whole, paced } })
}

/** Why it cannot run here, or null. */
export const nginxMissing = (): string | null =>
  spawnSync('nginx', ['-v']).status === 0 ? null : 'nginx is not installed'

/** The gateway of the pinned version, which is installed first where it is not here yet. Throws with npm's words. */
export async function startPortkey(upstreams: Upstreams, folder: string): Promise<Target> {
  if (!existsSync(portkeyMain)) {
    const { status, stderr } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
      cwd: peersFolder,
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(`npm could not install it: ${stderr.trim().split('\n').at(-1)}`)
  }
  const { dependencies } = JSON.parse(readFileSync(join(peersFolder, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  const port = await freePort()
  const target = await startPeer(`Portkey ${dependencies['@portkey-ai/gateway']}`, {
    command: [process.execPath, portkeyMain, '--headless', `--port=${port}`],
    ports: { whole: port },
  })
  return {
    ...target,
    async at(pace) {
      const headers = join(folder, `portkey-${pace}`)
      const upstream = upstreamOf(upstreams, pace)
      writeFileSync(
        headers,
        `x-portkey-provider: openai\r\nx-portkey-custom-host: http://127.0.0.1:${upstream}/v1\r\n`,
      )
      return [`port=${port}`, `headers=${headers}`]
    },
  }
}

async function startPeer(
  name: string,
  { command, ports }: { command: readonly string[]; ports: { whole: number; paced?: number } },
): Promise<Target> {
  const child = startOn({ core: MEASURED_CORE, stdio: ['ignore', 'ignore', 'pipe'] }, command)
  let words = ''
  child.stderr?.on('data', (text) => {
    words = `${words}${text}`.slice(-1_000)
  })
  const gone = once(child, 'exit').then(([code]) => {
    throw new Error(`${name} ended with ${code}: ${words}`)
  })
  gone.catch(() => undefined)
  const { whole, paced = whole } = ports
  await Promise.race([Promise.all([whole, paced].map(listening)), gone])
  return {
    name,
    pid: child.pid ?? 0,
    at: async (pace) => [`port=${pace === 'paced' ? paced : whole}`],
    stop: () => end(child),
  }
}

const upstreamOf = ({ atOnce, paced }: Upstreams, pace: Pace): number => (pace === 'paced' ? paced : atOnce)

async function listening(port: number): Promise<void> {
  for (let waitedMs = 0; waitedMs < START_MS_MAX; waitedMs += POLL_MS) {
    const socket = connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return
    } catch {
      await sleep(POLL_MS)
    } finally {
      socket.destroy()
    }
  }
  throw new Error(`Nothing listens on port ${port} after ${START_MS_MAX / 1_000} s.`)
}

function nginxVersion(): string {
  const { stderr } = spawnSync('nginx', ['-v'], { encoding: 'utf8' })
  return `nginx ${/nginx\/([\d.]+)/.exec(stderr)?.[1] ?? ''}`.trim()
}

/** One worker, kept-alive upstreams, no buffering: as a proxy in front of streams is set up. */
function nginxConfig(folder: string, pairs: readonly (readonly [port: number, upstream: number])[]): string {
  const servers = pairs.map(
    ([port, upstream]) => `
    upstream u${port} { server 127.0.0.1:${upstream}; keepalive 2048; keepalive_requests 100000000; }
    server {
      listen 127.0.0.1:${port} backlog=4096;
      location / {
        proxy_pass http://u${port};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_buffering off;
      }
    }`,
  )
  return `
  daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/nginx.error warn;
  events { worker_connections 8192; }
  http {
    access_log off; keepalive_requests 100000000; tcp_nodelay on;
    client_body_temp_path ${folder}/nginx-body; proxy_temp_path ${folder}/nginx-proxy; fastcgi_temp_path ${folder}/nginx-fastcgi;
    uwsgi_temp_path ${folder}/nginx-uwsgi; scgi_temp_path ${folder}/nginx-scgi;
    ${servers.join('')}
  }`
}
