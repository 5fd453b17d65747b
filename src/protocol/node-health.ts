/** How a node's devices are, as its agent tells it, and what that means for work. */
import { z } from 'zod'

/** Why a node is taken out before it fails anybody. */
export const SicknessCode = z
  .enum(['gpu_fault', 'gpu_memory', 'gpu_lost', 'gpu_hot', 'gpu_power', 'gpu_silent'])
  .meta({
    id: 'SicknessCode',
    description:
      '`gpu_fault`: the driver reports a fault of the GPU; `gpu_memory`: uncorrected errors of its memory; `gpu_lost`: it fell off the bus; `gpu_hot`, `gpu_power`: it slows itself down to protect itself; `gpu_silent`: its driver does not answer.',
  })
export type SicknessCode = z.output<typeof SicknessCode>

const DEVICES_MAX = 64

/** One fault of one device. `device`: as its driver names it, such as its index or its PCI address. */
export const DeviceFault = z.object({
  device: z.string().max(64),
  code: SicknessCode,
  message: z.string().max(300),
})
export type DeviceFault = z.output<typeof DeviceFault>

/** From an agent: all that is wrong with its devices now; empty when nothing is. */
export const NodeHealth = z.object({ faults: z.array(DeviceFault).max(DEVICES_MAX) })
export type NodeHealth = z.output<typeof NodeHealth>

/** From a gateway: the node is to measure again how fast it is with this model. */
export const MeasureAgain = z.object({ measure: z.string().max(200) })
export type MeasureAgain = z.output<typeof MeasureAgain>

/** As a gateway tells the coordinator. */
export const ToldHealth = z.object({ nodeId: z.string(), faults: z.array(DeviceFault).max(DEVICES_MAX) })
export type ToldHealth = z.output<typeof ToldHealth>
export const HealthNews = z.object({ told: z.array(ToldHealth) })
