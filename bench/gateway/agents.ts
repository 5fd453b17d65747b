/** Synthetic agents that are nodes like any other: enrolled with keys of their own, admitted by the real handshake. */
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { beginHandshake } from '#agent/handshake.ts'
import { NO_PIN } from '#agent/network-check.ts'
import type { KeyPair } from '#host/host.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { assert } from '#kernel/assert.ts'
import { NodeReport } from '#protocol/agent-link.ts'
import { AGENT_PROTOCOL } from '#protocol/agent-version.ts'
import type { Client } from '#protocol/client.ts'
import { enrolmentText } from '#protocol/enrolment.ts'
import { FrameType } from '#protocol/frame.ts'
import { parseJoinToken } from '#protocol/join-token.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import { end, LOAD_CORE, startOn } from './cores.ts'

const ASK_PER_GPU_HOUR = 50_000_000n

export interface AgentIdentity {
  readonly nodeId: string
  readonly keys: KeyPair
}

export interface AgentsOptions {
  readonly port: number
  readonly folder: string
  readonly identities: readonly AgentIdentity[]
  readonly agents: number
  /** Microseconds between two tokens of a stream; 0: all at once. */
  readonly everyUs: number
  /** All at once is in one frame then, as an answer that an engine gives whole. */
  readonly isMerged?: boolean
}

export interface RunningAgents {
  readonly pid: number
  /** Ends them and tells what they did. */
  stop(): Promise<{ requests: number; cancels: number; active: number }>
}

/** One after the other by the public API, as the machines of owners do. */
export async function enrolAgents(client: Client, count: number): Promise<AgentIdentity[]> {
  const identities: AgentIdentity[] = []
  for (let index = 0; index < count; index++) {
    const keys = nodeCrypto.keyPair(randomBytes(32))
    const { token } = await client.createEnrolmentToken({ body: {} })
    const { secret } = parseJoinToken(token)
    const asked = {
      token: secret,
      publicKey: keys.publicKeyHex,
      name: `bench ${index}`,
      askPerGpuHour: ASK_PER_GPU_HOUR,
    }
    const signature = nodeCrypto.sign(keys.privateKeyHex, new TextEncoder().encode(enrolmentText(asked)))
    const { nodeId } = await client.enrolNode({
      body: { ...asked, signature: Buffer.from(signature).toString('hex') },
    })
    identities.push({ nodeId, keys })
  }
  return identities
}

/** Resolves when the gateway has admitted all of them. */
export async function startAgents(options: AgentsOptions, program: string): Promise<RunningAgents> {
  const { port, folder, agents, everyUs, isMerged = false } = options
  const capability = join(folder, 'capability.json')
  writeFileSync(
    capability,
    jsonWriter(NodeReport)({ capability: CAPABILITY, askPerGpuHour: ASK_PER_GPU_HOUR }),
  )
  const child = startOn({ core: LOAD_CORE, stdio: ['pipe', 'pipe', 'inherit'] }, [
    program,
    `port=${port}`,
    `agents=${agents}`,
    `every=${everyUs}`,
    `merge=${isMerged ? 1 : 0}`,
    `capability=${capability}`,
  ])
  const { stdin, stdout } = child
  assert(stdin && stdout, 'a child with pipes has them')
  let lastLine = ''
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: stdout }).on('line', (line) => {
      const [word, index, ...rest] = line.split(' ')
      if (word === 'challenge')
        stdin.write(`hello ${index} ${greet(options, Number(index), rest.join(' '))}\n`)
      else if (word === 'ready') resolve()
      else lastLine = line
    })
    child.once('exit', (code) => reject(new Error(`The agents ended with ${code}.`)))
  })
  return { pid: child.pid ?? 0, stop: () => stopAgents(child, () => lastLine) }
}

async function stopAgents(child: ChildProcess, lastLine: () => string) {
  const closed = once(child, 'close')
  child.stdin?.end()
  const timer = setTimeout(() => void end(child), 3_000)
  await closed
  clearTimeout(timer)
  return JSON.parse(lastLine()) as { requests: number; cancels: number; active: number }
}

/** The hello that the real agent would answer this challenge with. */
function greet({ identities, port }: AgentsOptions, index: number, challenge: string): string {
  const identity = identities[index]
  assert(identity, 'only enrolled agents start')
  const handshake = beginHandshake(
    { crypto: nodeCrypto, log: { info() {}, warn() {}, error() {} }, secrets: { randomBytes } },
    {
      ...identity,
      session: Date.now(),
      agentVersion: 'bench',
      pin: NO_PIN,
      gatewayUrl: `ws://127.0.0.1:${port}/agent`,
      versions: AGENT_PROTOCOL,
    },
  )
  const payload = new TextEncoder().encode(challenge)
  const step = handshake.receive({ type: FrameType.challenge, flags: 0, stream: 0, payload }, null)
  assert(step?.kind === 'hello', 'a challenge is answered with a hello')
  return JSON.stringify(step.hello)
}

const CAPABILITY: NodeReport['capability'] = {
  agentVersion: 'bench',
  osName: 'Linux',
  cpu: { model: 'synthetic', cores: 8 },
  memoryMib: 65_536,
  diskFreeMib: 100_000,
  gpus: [],
  powerWatts: null,
  engines: ['synthetic'],
  models: [
    {
      id: 'bench',
      fingerprint: 'synthetic',
      tasks: ['chat', 'completion'],
      contextTokens: 131_072,
      slots: 256,
      prefillTokensPerSecond: 10_000,
      decodeTokensPerSecond: 5_000,
      decodeTokensPerSecondSingle: 200,
      resumes: true,
    },
  ],
  problems: [],
}
