/**
 * What tasks made, on its way to the network: each attempt has a folder of its own until it is over. Beside the folder of one
 * that is made lies a record of it, so that a process that was killed costs no work that was done.
 */
import { z } from 'zod'
import type { BlobWire } from '#host/blobs/blob-wire.ts'
import type { SourceObject } from '#host/blobs/pack-sender.ts'
import { type ScanParts, scanObject } from '#host/blobs/scan-object.ts'
import { type UploadParts, type UploadProgress, uploadObjects } from '#host/blobs/upload-objects.ts'
import type { FileAccess } from '#host/file-access.ts'
import type { TaskFiles } from '#host/task-files.ts'
import { OutputFile } from '#protocol/task.ts'
import { failureProblem } from '#protocol/task-failure.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import { TaskGrant } from '#protocol/work-link.ts'
import type { JobOutputs, KeptResult, TransferWatch } from './work-ports.ts'

export interface JobOutputsParts extends ScanParts, Pick<UploadParts, 'compression'> {
  readonly files: FileAccess
  readonly taskFiles: Pick<TaskFiles, 'makeFolder' | 'removeFolder' | 'filesBelow' | 'readWhole' | 'writeNew'>
  readonly wireFor: (watch: Pick<TransferWatch, 'token' | 'signal'>) => BlobWire
  /** For folders of attempts; what is in it from before is removed, unless it is a whole result. */
  readonly folder: string
}

export async function openJobOutputs(parts: JobOutputsParts): Promise<JobOutputs> {
  const { taskFiles, folder } = parts
  await taskFiles.makeFolder(folder)
  const kept = await findKept(parts)
  // Names that no folder from before has.
  let made = 1 + Math.max(-1, ...kept.map((result) => Number(result.folder.split('-').at(-1)) || 0))
  return {
    kept,
    async makeFolder(fence) {
      const own = `${folder}/${fence}-${made++}`
      await taskFiles.makeFolder(own)
      return own
    },
    async keep(result) {
      try {
        await taskFiles.writeNew(
          recordOf(result.folder),
          encoder.encode(writeRecord({ ...result, files: [...result.files] })),
        )
      } catch {
        // A disk without room for it has room for the result itself.
      }
    },
    async send(outputs, watch) {
      const objects: SourceObject[] = []
      for (const file of outputs.files) objects.push(await scan(parts, { file, ...outputs }, watch))
      const upload = { ...parts, wire: parts.wireFor(watch) }
      const onProgress = ({ doneBytes, newBytes }: UploadProgress): void => {
        if (doneBytes > 0) watch.onProgress(Math.min(1, doneBytes / Math.max(1, newBytes)))
      }
      await uploadObjects(upload, objects, { signal: watch.signal, onProgress }, { isNew: true })
    },
    async drop(own) {
      await taskFiles.removeFolder(recordOf(own))
      await taskFiles.removeFolder(own)
    },
  }
}

const Record = z.object({
  grant: TaskGrant,
  folder: z.string(),
  files: z.array(OutputFile),
  wallMs: z.number().nonnegative(),
})
const writeRecord = jsonWriter(Record)
const encoder = new TextEncoder()
const RECORD_BYTES_MAX = 32 * 1024 * 1024
const ENTRIES_MAX = 100_000
const RECORD = /^(\d+-\d+)\.json$/

const recordOf = (own: string): string => `${own}.json`

/** Removes all that is no whole result. */
async function findKept(parts: JobOutputsParts): Promise<readonly KeptResult[]> {
  const { taskFiles, folder } = parts
  const names = await taskFiles.filesBelow(folder, ENTRIES_MAX)
  if (names === null) {
    await taskFiles.removeFolder(folder)
    await taskFiles.makeFolder(folder)
    return []
  }
  const kept: KeptResult[] = []
  const found = new Set(names.map((name) => RECORD.exec(name)?.[1] ?? name.split('/')[0] ?? name))
  for (const name of found) {
    const own = `${folder}/${name}`
    const result = names.includes(`${name}.json`) ? await readKept(parts, own) : null
    if (result) kept.push(result)
    else for (const path of [recordOf(own), own]) await taskFiles.removeFolder(path)
  }
  return kept
}

/** `null` for what is not there as it was made: its last bytes may not have come to the disk. */
async function readKept(parts: JobOutputsParts, own: string): Promise<KeptResult | null> {
  const watch = { signal: new AbortController().signal }
  try {
    const bytes = await parts.taskFiles.readWhole(recordOf(own), RECORD_BYTES_MAX)
    if (bytes === null) return null
    const result: KeptResult = { ...Record.parse(JSON.parse(new TextDecoder().decode(bytes))), folder: own }
    for (const file of result.files) await scan(parts, { folder: own, file }, watch)
    return result
  } catch {
    return null
  }
}

async function scan(
  parts: JobOutputsParts,
  { folder, file }: { readonly folder: string; readonly file: OutputFile },
  { signal }: Pick<TransferWatch, 'signal'>,
): Promise<SourceObject> {
  const open = async () => {
    const reader = await parts.files.open(`${folder}/${file.name}`)
    if (!reader) throw changed(file.name)
    return reader
  }
  const reader = await open()
  try {
    const object = await scanObject(parts, reader, { isFine: false, signal })
    if (object.sha256 === file.sha256) return { ...object, open, name: file.name }
  } finally {
    await reader.close()
  }
  throw changed(file.name)
}

const changed = (name: string) =>
  failureProblem(
    'node',
    'disk_failed',
    `${name} is not on this node's disk any more as it was made. Check its disk.`,
  )
