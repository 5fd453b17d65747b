/** A gateway of a farm with money: the real one, on a machine that outlives its process, and the files that pass through it. */
import { type BlobAccess, createBlobAccess } from '#gateway/blobs/blob-access.ts'
import { type Gateway, openGateway } from '#gateway/gateway.ts'
import { assert } from '#kernel/assert.ts'
import { type BlobRouteName, blobRoutes } from '#protocol/blobs.ts'
import { Problem } from '#protocol/problem.ts'
import type { OutputFile } from '#protocol/task.ts'
import { simCrypto } from './sim-host.ts'
import type { TestMachine, TestWorld } from './test-world.ts'

/** By which agents know the network. */
export const NETWORK_KEYS = simCrypto.keyPair(new Uint8Array(32).fill(251))
const KEY_SECRET = 'farm with money'

export class MoneyGateway {
  readonly gatewayId: string
  readonly #world: TestWorld
  readonly #onFatal: (problem: Problem) => void
  /** Results that arrived, of all gateways: one vault is behind them. */
  readonly #vault: Set<string>
  #machine: TestMachine
  #gateway: Gateway | null = null
  #access: BlobAccess | null = null

  constructor(
    world: TestWorld,
    parts: { gatewayId: string; vault: Set<string>; onFatal: (problem: Problem) => void },
  ) {
    this.gatewayId = parts.gatewayId
    this.#world = world
    this.#vault = parts.vault
    this.#onFatal = parts.onFatal
    this.#machine = world.machine(parts.gatewayId)
  }

  /** Where agents connect. */
  get url(): string {
    return `ws://${this.gatewayId}:80/agent`
  }

  get isUp(): boolean {
    return this.#gateway !== null
  }

  get process() {
    return this.#machine.process
  }

  start(): void {
    const { host, process } = this.#machine
    process.spawn(
      async () => {
        const { gatewayId } = this
        const gateway = await openGateway(host, {
          gatewayId,
          keySecret: KEY_SECRET,
          takesTasks: true,
          network: { keys: NETWORK_KEYS, goesBy: () => true, tlsKeys: () => [] },
          onFatal: this.#onFatal,
        })
        const { work } = gateway
        assert(work, 'the gateway takes tasks')
        await host.network.listen(
          { hostname: gatewayId, port: 80 },
          { onExchange: () => undefined, onLink: (_path, link) => gateway.acceptLink(link) },
        )
        const { clock, crypto } = host
        const vault = { readTree: () => Promise.reject(new Problem('not_found', 'No tree has any files.')) }
        this.#access = createBlobAccess({
          ...{ gateway, clock, crypto, keySecret: KEY_SECRET, vault },
          mayNode: work.mayNode,
        })
        this.#gateway = gateway
      },
      (error) => this.#onFatal(error as Problem),
    )
  }

  /** Of its process alone; what was on its disk is there when it starts again. */
  kill(): void {
    const { process, disk } = this.#machine
    process.kill()
    disk.crash(process)
    this.#gateway = null
    this.#access = null
    this.#machine = this.#world.machine(this.gatewayId, disk)
  }

  /** Takes results in from a node with this grant. Throws as the real calls reject. */
  takeIn(token: string, files: readonly OutputFile[]): void {
    this.#callerOf('commitBlob', token)
    for (const { sha256 } of files) this.#vault.add(sha256)
  }

  /** Rejects for a grant that does not let its node have the tree, as the real call does. */
  async checkRead(token: string, tree: string): Promise<void> {
    await this.#callerOf('getBlob', token).checkRead(tree)
  }

  #callerOf(route: BlobRouteName, token: string) {
    if (!this.#access) throw new Problem('network_unreachable', 'The gateway does not answer.')
    const headers = { authorization: `Bearer ${token}` }
    return this.#access.callerOf({ headers, clientAddress: undefined }, blobRoutes[route])
  }
}
