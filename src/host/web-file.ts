/** A file of the web pages, as it was built: whole, and compressed beforehand. */
export interface WebFile {
  /** Where it is served: `/roi`, `/assets/roi-Cx1y.js`. */
  readonly path: string
  readonly contentType: string
  readonly bodies: {
    readonly identity: Uint8Array
    readonly gzip: Uint8Array | null
    readonly br: Uint8Array | null
  }
  /** Of the content, in hex. */
  readonly hash: string
  /** Its name changes with its content. */
  readonly isImmutable: boolean
}
