/** The operator's own agent beside the network: it renders again parts of what others made, and nothing else. */
import { join } from 'node:path'
import { isEnrolled } from '#agent/enrol.ts'
import { createDiskSecrets } from '#host/node/disk-secrets.ts'
import type { AgentConfig } from './agent-config.ts'
import type { AgentKeeperOptions } from './agent-keeper.ts'
import type { TasksFlags } from './tasks-flags.ts'

/** On one thread of the processor, so that it renders as any machine does; `null` where this one renders nothing. */
export function referenceAgent(
  dataFolder: string,
  {
    render,
    jobCommands,
    logLevel,
  }: Pick<TasksFlags, 'render' | 'jobCommands'> & Pick<AgentConfig, 'logLevel'>,
): AgentKeeperOptions | null {
  if (render === 'off') return null
  const folder = join(dataFolder, 'reference-agent')
  return {
    isNice: true,
    isEnrolled: (apiUrl) => isEnrolled({ secrets: createDiskSecrets(join(folder, 'secrets')) }, apiUrl),
    agent: {
      folder,
      name: 'reference',
      askPerGpuHour: 0n,
      batchDiscountBps: null,
      region: null,
      engine: { kind: 'none' },
      hosting: null,
      tasks: {
        threads: 1,
        device: 'CPU',
        cacheMib: null,
        askPerHour: 0n,
        // What scripts made of a scene is seen only where they run.
        takesCommands: jobCommands === true,
        onlyAudits: true,
      },
      energy: {
        ...{ autoAsk: null, usdPerKwh: null, tariff: null, tariffUsdPerUnit: null, timeZone: null },
        ...{ plug: null, watts: null, historyDays: 7, feeBps: null },
      },
      logLevel,
    },
  }
}
