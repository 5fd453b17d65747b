/** A disk, a scene and the files of jobs in memory, for the tests of the commands. */
import { writePng } from '#images/write-png.ts'
import { Problem } from '#protocol/problem.ts'
import type { JobTools, SceneReport } from './jobs/job-tools.ts'

export interface StubTools extends JobTools {
  /** By path. */
  readonly disk: JobTools['disk'] & { readonly held: Map<string, Uint8Array> }
  readonly fetched: string[]
  readonly sent: string[][]
}

export interface StubToolParts {
  readonly scene?: Partial<SceneReport>
  /** What the look at the scene comes to instead. */
  readonly sceneProblem?: Problem
  /** Paths that the disk has from the beginning. */
  readonly held?: readonly string[]
  /** After so many files it is full. */
  readonly filesMax?: number
}

export const stubFacts = {
  ...{
    scene: 'Scene',
    frameStart: 1,
    frameEnd: 4,
    frameStep: 1,
    fps: 25,
    width: 320,
    height: 180,
    samples: 32,
  },
  ...{ isAdaptive: false, isDenoised: false, isComposited: false, triangles: 1_000, imageBytes: 0 },
}

/** Nothing is packed: what is written is as long as the picture. */
const same = (bytes: Uint8Array): Uint8Array => bytes

export function createStubTools(parts: StubToolParts = {}): StubTools {
  const { scene, sceneProblem, held = [] } = parts
  const files = new Map<string, Uint8Array>(held.map((path) => [path, new TextEncoder().encode('another’s')]))
  const hashes = new Map<string, string>()
  const fetched: string[] = []
  const sent: string[][] = []
  const put = (path: string, bytes: Uint8Array, sha256: string): void => {
    if (fetched.length >= (parts.filesMax ?? 1_000))
      throw new Problem('disk_full', `The disk is full: ${path}.`, { details: { file: path } })
    files.set(path, bytes)
    hashes.set(path, sha256)
  }
  const disk: StubTools['disk'] = {
    held: files,
    absolute: (path) => `/home/ada/${path}`,
    async look(path) {
      const bytes = files.get(path)
      if (path.endsWith('.blend') && path !== 'nothere.blend') return { kind: 'file', bytes: 1 }
      if (bytes) return { kind: 'file', bytes: path.startsWith('out/frame') ? 4_096 : bytes.length }
      return [...files.keys()].some((other) => other.startsWith(`${path}/`)) ? { kind: 'folder' } : null
    },
    async follow(path) {
      return disk.look(path)
    },
    sha256: async (path) => hashes.get(path) ?? 'another',
    read: async (path) => files.get(path) ?? null,
    filesBelow: async (folder) =>
      [...files.keys()]
        .filter((path) => path.startsWith(`${folder}/`))
        .map((path) => path.slice(folder.length + 1)),
    async writeNew(path, bytes) {
      if (files.has(path)) return false
      hashes.delete(path)
      files.set(path, bytes)
      return true
    },
    async give(from, to) {
      const bytes = files.get(from)
      if (!bytes || files.has(to)) return false
      files.set(to, bytes)
      hashes.set(to, hashes.get(from) ?? '')
      files.delete(from)
      return true
    },
    async append(path, line) {
      const before = files.get(path)
      files.set(path, new TextEncoder().encode(`${before ? new TextDecoder().decode(before) : ''}${line}\n`))
    },
    remove: async (path) => void files.delete(path),
    temporary: async () => ({ path: '/tmp/look', remove: async () => undefined }),
  }
  return {
    disk,
    fetched,
    sent,
    inflate: same,
    deflate: same,
    files: () => ({
      async sendTree(tree, { onProgress }) {
        sent.push(tree.map(({ path }) => path))
        const progress = { totalBytes: 3_500_000, newBytes: 260_000, doneBytes: 260_000, wireBytes: 121_000 }
        onProgress?.({ ...progress, doneBytes: 0, wireBytes: 0 })
        return { sha256: 'ab'.repeat(32), progress }
      },
      async sendText(text) {
        sent.push([text])
        return 'cd'.repeat(32)
      },
      async fetchFile({ sha256 }, path) {
        put(path, stubPicture(), sha256)
        fetched.push(path)
      },
    }),
    scenes: {
      async inspect({ file }) {
        if (sceneProblem) throw sceneProblem
        return {
          ...{ errors: [], warnings: [], file: 'shot.blend', remap: {}, facts: stubFacts },
          ...{ sends: [{ from: file, to: 'shot.blend' }], blenderVersion: '3.4.1', sandboxMissing: null },
          ...scene,
        }
      },
    },
  }
}

const stubPicture = (): Uint8Array =>
  writePng(
    { width: 4, height: 3, channels: 3, values: new Float32Array(36).fill(0.5), step: 1 / 255, metadata: {} },
    same,
  )
