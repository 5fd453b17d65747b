const RESTART_MS_MIN = 200
const RESTART_MS_MAX = 5_000

/** How long to wait before a process is started again that died `failures` times in a row without coming up. */
export const restartPauseMs = (failures: number): number =>
  failures === 0 ? 0 : Math.min(RESTART_MS_MIN * 2 ** (failures - 1), RESTART_MS_MAX)
