/** A form with one file (`multipart/form-data`), taken as it comes. */
import type { BlobWriter } from './blob-store.ts'
import type { Exchange } from './host.ts'

export interface FormLimits {
  readonly fileBytesMax: number
  readonly fieldsMax: number
  readonly fieldBytesMax: number
}

export interface Form {
  /** In the order in which they came; a name may come twice. */
  readonly fields: readonly (readonly [name: string, value: string])[]
  /** Whoever asked for the form finishes or aborts it. */
  readonly file: FormFile | null
}
export interface FormFile {
  readonly field: string
  readonly filename: string
  readonly writer: BlobWriter
}

/**
 * Reads the body of `exchange`; `openFile` is where its file goes. Rejects with a `Problem` that names the field
 * (`param`), after what was written is gone: `invalid_request`, `body_too_large`, `cancelled` when the client left, and
 * those of the disk.
 */
export type ReadForm = (
  exchange: Exchange,
  limits: FormLimits,
  openFile: () => Promise<BlobWriter>,
) => Promise<Form>
