import { z } from 'zod'
import { Device } from '#engines/blender/blender-messages.ts'
import { NanoUsd } from '#protocol/money.ts'

/** When the machine is its owner's alone. */
export const OwnerRulesConfig = z.object({
  /** Minutes since midnight, by this machine's clocks, in which it works; null: always. May pass midnight. */
  hours: z.object({ from: z.int().min(0).max(1_439), to: z.int().min(0).max(1_439) }).nullable(),
  /** While other programs use the GPU, or half of the processor. */
  yieldsToOthers: z.boolean(),
  /** Works only after nobody touched the machine for so long; null: whoever is there. */
  idleMinutes: z.number().positive().nullable(),
})
export type OwnerRulesConfig = z.output<typeof OwnerRulesConfig>

/** What a node gives to tasks: rendering, videos, programs of jobs. */
export const TasksConfig = z.object({
  /** Null: as many as there are cores. */
  threads: z.int().positive().nullable(),
  device: Device,
  /** For the files of jobs; null: half of what is free on the disk, at most 50 GiB. */
  cacheMib: z.int().positive().nullable(),
  /** For an hour of this machine. */
  askPerHour: NanoUsd,
  /** Programs that a job brings along, and scripts in its scenes, in the sandbox. */
  takesCommands: z.boolean(),
  /** It renders again what others made, and takes nothing else. */
  onlyAudits: z.boolean(),
})
export type TasksConfig = z.output<typeof TasksConfig>
