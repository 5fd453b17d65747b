import type { NanoUsd } from '#kernel/money.ts'

/**
 * What an hour of a node of speed 1 costs unless the operator says otherwise: 0.30 USD. The node of speed 1 is eight cores of a
 * server, about 20 GHz together; GarageFarm, which publishes its prices, asks 0.83 to 1.32 USD for an
 * hour of 55 GHz (garagefarm.net, read in 2026), which is 0.30 to 0.48 USD for 20.
 */
export const RENDER_PRICE_DEFAULT: NanoUsd = 300_000_000n
