/** What tasks made, on its way to the network: each attempt has a folder of its own until it is over. */
import type { BlobWire } from '#host/blobs/blob-wire.ts'
import { type ScanParts, scanObject } from '#host/blobs/scan-object.ts'
import { type SourceObject, type UploadParts, uploadObjects } from '#host/blobs/upload-objects.ts'
import type { FileAccess } from '#host/file-access.ts'
import type { TaskFiles } from '#host/task-files.ts'
import type { OutputFile } from '#protocol/task.ts'
import { failureProblem } from '#protocol/task-failure.ts'
import type { JobOutputs, TransferWatch } from './work-ports.ts'

export interface JobOutputsParts extends ScanParts, Pick<UploadParts, 'compression'> {
  readonly files: FileAccess
  readonly taskFiles: Pick<TaskFiles, 'makeFolder' | 'removeFolder'>
  readonly wireFor: (watch: Pick<TransferWatch, 'token' | 'signal'>) => BlobWire
  /** For folders of attempts; what is in it from before is removed. */
  readonly folder: string
}

export async function openJobOutputs(parts: JobOutputsParts): Promise<JobOutputs> {
  const { taskFiles, folder } = parts
  await taskFiles.removeFolder(folder)
  await taskFiles.makeFolder(folder)
  let made = 0
  return {
    async makeFolder(fence) {
      const own = `${folder}/${fence}-${made++}`
      await taskFiles.makeFolder(own)
      return own
    },
    async send(outputs, watch) {
      const objects: SourceObject[] = []
      try {
        for (const file of outputs.files) objects.push(await scan(parts, { file, ...outputs }, watch))
        const upload = { ...parts, wire: parts.wireFor(watch) }
        await uploadObjects(upload, objects, { signal: watch.signal }, { isNew: true })
      } finally {
        for (const { reader } of objects) await reader.close()
      }
    },
    drop: (own) => taskFiles.removeFolder(own),
  }
}

async function scan(
  parts: JobOutputsParts,
  { folder, file }: { readonly folder: string; readonly file: OutputFile },
  { signal }: TransferWatch,
): Promise<SourceObject> {
  const reader = await parts.files.open(`${folder}/${file.name}`)
  if (!reader) throw changed(file.name)
  const object = await scanObject(parts, reader, { isFine: false, signal })
  if (object.sha256 === file.sha256) return { ...object, reader, name: file.name }
  await reader.close()
  throw changed(file.name)
}

const changed = (name: string) =>
  failureProblem(
    'node',
    'disk_failed',
    `${name} is not on this node's disk any more as it was made. Check its disk.`,
  )
