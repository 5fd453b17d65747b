/**
 * Files of jobs: what a one-object edit of a scene of 100 MB and more sends again, uploads that are killed, speeds.
 *
 * --kinds crowd,heavy,synthetic  which scenes (default: synthetic, and the others where Blender is installed)
 * --json                         one line
 *
 * `heavy` is a few dense meshes, `crowd` 6,000 objects. For each edit the first save is uploaded, then the second: the
 * share is that of all bytes that crossed (packs and lists) in the edited file's size, and of chunks alone.
 */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { zstdCompressSync } from 'node:zlib'
import { ChunkCutter, FINE } from '#blobs/chunk-cutter.ts'
import { openBlobServer, wireParts } from '#gateway/blobs/test-blob-server.ts'
import { uploadWithKills } from '#gateway/blobs/test-killed-upload.ts'
import { createBlobClient } from '#run/blob-client.ts'
import { syntheticScene } from '#run/test-synthetic-scene.ts'

const { values } = parseArgs({ options: { json: { type: 'boolean' }, kinds: { type: 'string' } } })
const dir = mkdtempSync(join(tmpdir(), 'shoal-bench-blobs-'))
const hasBlender = canRun('blender')
const kinds = values.kinds?.split(',') ?? ['synthetic', ...(hasBlender ? ['heavy', 'crowd'] : [])]

interface EditFigures {
  readonly scene: string
  readonly fileMb: number
  readonly chunksShare: number
  readonly wireShare: number
  readonly firstSeconds: number
  readonly againSeconds: number
}

const figures: Record<string, unknown> = { cutMbPerSecond: cutSpeed() }
try {
  const edits: EditFigures[] = []
  for (const kind of kinds)
    for (const isPacked of [false, true]) edits.push(await measureEdit(kind, isPacked))
  figures['edits'] = edits
  figures['killed'] = await measureKills()
  report(edits)
} finally {
  rmSync(dir, { recursive: true })
}

function report(edits: readonly EditFigures[]): void {
  if (values.json) return console.log(JSON.stringify({ bench: 'blobs', ...figures }))
  console.log(`cuts ${figures['cutMbPerSecond']} MB/s`)
  console.log('scene                  MB   sent again: chunks    all on the wire   first s   again s')
  for (const { scene, fileMb, chunksShare, wireShare, firstSeconds, againSeconds } of edits) {
    const [chunks, wire] = [chunksShare, wireShare].map((share) => `${(share * 100).toFixed(2)} %`)
    console.log(
      `${scene.padEnd(19)} ${String(fileMb).padStart(5)} ${String(chunks).padStart(21)} ${String(wire).padStart(18)} ${firstSeconds.toFixed(1).padStart(9)} ${againSeconds.toFixed(1).padStart(9)}`,
    )
  }
  console.log(`killed 5 times: ${JSON.stringify(figures['killed'])}`)
}

async function measureEdit(kind: string, isPacked: boolean): Promise<EditFigures> {
  const [first, second] = kind === 'synthetic' ? makeSynthetic(isPacked) : makeWithBlender(kind, isPacked)
  const folder = join(dir, `store-${kind}-${isPacked}`)
  let bytes = 0
  const server = await openBlobServer({
    folder,
    onExchange: ({ headers }) => {
      bytes += Number(headers['content-length'] ?? 0)
    },
  })
  try {
    const client = createBlobClient({ ...wireParts(server.baseUrl), token: () => 'key-ada' }, dir)
    const send = async (file: string) => {
      bytes = 0
      const startMs = performance.now()
      const { progress } = await client.sendTree([{ path: 'scene.blend', file }], {
        signal: AbortSignal.timeout(200_000),
      })
      return { progress, wireBytes: bytes, seconds: (performance.now() - startMs) / 1_000 }
    }
    const one = await send(first)
    const again = await send(second)
    const size = statSync(second).size
    return {
      scene: kind + (isPacked ? ', compressed' : ''),
      fileMb: Math.round(size / 1e6),
      // Of what the scene has, uncompressed.
      chunksShare: again.progress.newBytes / again.progress.totalBytes,
      wireShare: again.wireBytes / size,
      firstSeconds: one.seconds,
      againSeconds: again.seconds,
    }
  } finally {
    await server.close()
    for (const path of [folder, first, second]) rmSync(path, { recursive: true })
  }
}

function makeSynthetic(isPacked: boolean): [string, string] {
  const size = { objects: 4_000, verticesEach: 2_500 }
  const saves = [
    { ...size, run: 1, edited: null },
    { ...size, run: 2, edited: 1_234 },
  ].map((save, index) => {
    const path = join(dir, `synthetic-${index}.blend`)
    const bytes = syntheticScene(save)
    writeFileSync(path, isPacked ? zstdCompressSync(bytes) : bytes)
    return path
  })
  return saves as [string, string]
}

function makeWithBlender(kind: string, isPacked: boolean): [string, string] {
  const [first, second] = [
    join(dir, `${kind}-a${isPacked ? '.packed' : ''}.blend`),
    join(dir, `${kind}-b.blend`),
  ]
  const script = (name: string): string => join(import.meta.dirname, 'blobs', name)
  blender([], [script('make-scene.py'), kind, first, ...(isPacked ? ['compressed'] : [])])
  blender([first], [script('edit-scene.py'), second, 'move'])
  return [first, second]
}

function blender(scene: readonly string[], [python = '', ...rest]: readonly string[]): void {
  // The scene before the script, which edits it.
  const words = ['-b', '--factory-startup', '-noaudio', ...scene, '-P', python, '--', ...rest]
  execFileSync('blender', words, { stdio: ['ignore', 'ignore', 'inherit'], timeout: 300_000 })
}

async function measureKills(): Promise<Record<string, number>> {
  const path = join(dir, 'killed')
  const bytes = 100 << 20
  writeFileSync(path, randomBytes(bytes))
  mkdirSync(join(dir, 'killed-store'))
  const { kills, sentBytes } = await uploadWithKills({ path, folder: join(dir, 'killed-store'), kills: 5 })
  return {
    kills,
    fileMib: bytes >> 20,
    sentAgainMibEach: Number(((sentBytes - bytes) / kills / (1 << 20)).toFixed(2)),
  }
}

function cutSpeed(): number {
  const bytes = randomBytes(64 << 20)
  const cutter = new ChunkCutter(FINE)
  cutter.push(bytes.subarray(0, 8 << 20))
  const startMs = performance.now()
  cutter.push(bytes)
  return Math.round(bytes.length / 1e3 / (performance.now() - startMs))
}

function canRun(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
