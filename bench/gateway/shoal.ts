/** The gateway as a target: a whole network around it, and agents that answer at the pace that is asked for. */
import type { RunningAgents } from './agents.ts'
import { type MeasuredNetwork, type NetworkOptions, startNetwork } from './network.ts'
import { PACED_EVERY_US, type Pace, type Target } from './target.ts'

export async function startShoal(options: NetworkOptions): Promise<Target> {
  const network = await startNetwork(options)
  let running: { pace: Pace; agents: RunningAgents } | null = null
  return {
    name: 'Shoal',
    pid: network.pid,
    async at(pace) {
      if (running?.pace !== pace) {
        await running?.agents.stop()
        running = null
        running = { pace, agents: await startAgentsAt(network, pace, options.agents) }
      }
      return [`port=${network.port}`, `keys=${network.keysFile}`]
    },
    async stop() {
      await running?.agents.stop()
      await network.stop()
    },
  }
}

const startAgentsAt = (network: MeasuredNetwork, pace: Pace, agents: number): Promise<RunningAgents> =>
  network.startAgents({
    agents,
    everyUs: pace === 'paced' ? PACED_EVERY_US : 0,
    // What the mock gives whole comes from an agent in one frame as well.
    isMerged: pace === 'whole',
  })
