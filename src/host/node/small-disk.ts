/** A disk for tests to fill and to write-protect. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface SmallDisk {
  readonly folder: string
  resize(sizeKib: number): void
  protect(): void
  dispose(): void
}

/** Mounts `sizeKib` of memory as a disk, or says why it may not. */
export function mountSmallDisk(sizeKib: number): SmallDisk | string {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'only root on Linux mounts a disk'
  const folder = mkdtempSync(join(tmpdir(), 'shoal-disk-'))
  const mount = (options: string): void => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'shoal-test', folder], { stdio: 'pipe' })
  }
  try {
    mount(`size=${sizeKib}k`)
  } catch (error) {
    rmSync(folder, { recursive: true })
    return `mounting a disk is not permitted here: ${error instanceof Error ? error.message : error}`
  }
  return {
    folder,
    resize: (nextKib) => mount(`remount,size=${nextKib}k`),
    protect: () => mount('remount,ro'),
    dispose() {
      execFileSync('umount', [folder], { stdio: 'pipe' })
      rmSync(folder, { recursive: true })
    },
  }
}
