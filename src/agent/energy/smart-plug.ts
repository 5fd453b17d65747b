/** A smart plug on the local network, asked over HTTP: Shelly of all generations, and Tasmota. */
import type { Clock, Crypto, Secrets } from '#host/host.ts'
import type { Fetch } from '#protocol/client.ts'
import { Problem } from '#protocol/problem.ts'
import { type FetchLimits, fetchText } from './fetch-text.ts'
import { createPlugLogin } from './plug-login.ts'
import { type PlugKind, type PlugProblem, type PlugReading, parsePlugReply } from './plug-reading.ts'

export interface SmartPlug {
  /** `192.168.1.20`: for people; never holds a password. */
  readonly host: string
  /** What it measures now. Rejects with a `Problem` that says why there is no reading. */
  read(): Promise<PlugReading>
}

export interface PlugParts {
  readonly fetch: Fetch
  readonly clock: Pick<Clock, 'after'>
  readonly crypto: Pick<Crypto, 'sha256'>
  readonly secrets: Pick<Secrets, 'randomBytes'>
}

interface Question {
  readonly kind: PlugKind
  readonly target: string
}

/** Where the kinds answer, in the order of trying. */
const questions: readonly Question[] = [
  { kind: 'shelly-rpc', target: '/rpc/Switch.GetStatus?id=0' },
  { kind: 'shelly-rpc', target: '/rpc/PM1.GetStatus?id=0' },
  { kind: 'shelly', target: '/status' },
  { kind: 'tasmota', target: '/cm?cmnd=Status%208' },
  { kind: 'tasmota', target: '/cm?cmnd=Status%2010' },
]

const NONCE_BYTES = 16
const LIMITS: FetchLimits = { timeoutMs: 5_000, bytesMax: 64 * 1024 }

/**
 * The plug at `address`, such as `http://192.168.1.20`. A path says which of several sockets:
 * `http://192.168.1.20/rpc/Switch.GetStatus?id=1`. A name and a password may go before the host. Throws
 * `Problem('config_invalid')` for an address that can be none of a plug.
 */
export function createSmartPlug(parts: PlugParts, address: string): SmartPlug {
  const url = URL.canParse(address) ? new URL(address) : null
  if (url === null || !/^https?:$/.test(url.protocol)) throw refused(address)
  const asked = url.pathname === '/' && url.search === '' ? questions : [questionOf(url, address)]
  const base = new URL('/', url)
  base.username = ''
  base.password = ''
  const user = decodeURIComponent(url.username)
  const password = decodeURIComponent(url.password)
  const newNonce = (): string => Buffer.from(parts.secrets.randomBytes(NONCE_BYTES)).toString('hex')
  const login = createPlugLogin({ crypto: parts.crypto, newNonce }, { user, password })
  /** The one that was answered with a reading. */
  let known: Question | null = null

  /** Tasmota takes its password in the address, and says nothing of one that is missing but in its answer. */
  function targetOf({ kind, target }: Question): URL {
    const asked = new URL(target, base)
    if (password === '' || kind !== 'tasmota') return asked
    asked.searchParams.set('user', user)
    asked.searchParams.set('password', password)
    return asked
  }

  async function ask(question: Question): Promise<PlugReading | PlugProblem> {
    const asked = targetOf(question)
    const send = () => {
      const header = question.kind === 'tasmota' ? null : login.header(`${asked.pathname}${asked.search}`)
      const headers = header === null ? {} : { authorization: header }
      return fetchText(parts, { url: asked, headers }, LIMITS)
    }
    let answer = await send()
    // The first time to learn what it asks for, and again when its nonce has become old.
    if (answer.status === 401 && login.refused(answer.headers.get('www-authenticate'))) answer = await send()
    if (answer.status === 401) return { problem: login.problem(), isOfPlug: true }
    const reply = parseJson(answer.text)
    if (reply === undefined)
      return {
        problem: `it answers ${question.target} with status ${answer.status} and no JSON`,
        isOfPlug: false,
      }
    return parsePlugReply(question.kind, reply)
  }

  return {
    host: base.host,
    async read() {
      let problem = 'it does not answer like a Shelly or a Tasmota'
      for (const question of known ? [known] : asked) {
        const answer = await ask(question)
        if (!('problem' in answer)) {
          known = question
          return answer
        }
        // To most questions of the list the wrong page answers: only what a plug says of itself is worth telling.
        if (asked.length === 1 || answer.isOfPlug) problem = answer.problem
      }
      known = null
      throw new Problem('not_supported', `The plug at ${base.host} gives no reading: ${problem}.`)
    },
  }
}

function questionOf(url: URL, address: string): Question {
  const target = `${url.pathname}${url.search}`
  const kinds: readonly (readonly [RegExp, PlugKind])[] = [
    [/^\/rpc\/\w+\.GetStatus\b/, 'shelly-rpc'],
    [/^\/status$/, 'shelly'],
    [/^\/cm\b/, 'tasmota'],
  ]
  const kind = kinds.find(([pattern]) => pattern.test(url.pathname))?.[1]
  if (kind === undefined) throw refused(address)
  return { kind, target }
}

const refused = (address: string): Problem =>
  new Problem(
    'config_invalid',
    `--plug ${JSON.stringify(address.replace(/\/\/[^@/]*@/, '//'))} is not the address of a plug. Expected http://HOST, or http://HOST/rpc/Switch.GetStatus?id=1 for one of several sockets.`,
  )

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // A page for people: the next question tells more.
  }
}
