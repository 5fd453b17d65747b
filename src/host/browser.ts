/** A browser of this machine without a window, for pictures of pages. */
export interface Browser {
  /**
   * The whole page as a PNG, `widthPx` CSS pixels wide at two device pixels each. Rejects with `Problem('not_supported')`
   * where there is no browser, and with another where it fails.
   */
  takePicture(html: string, options: { readonly widthPx: number }): Promise<Uint8Array>
}
