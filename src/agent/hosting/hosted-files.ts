import type { DownloadWatch } from '#engines/model-source.ts'
import type { ModelFacts, WantedModel } from '#protocol/model-catalogue.ts'

/** The files of models that the network placed here: in a cache of bounded size, the longest unused going first. */
export interface HostedFiles {
  /** Keys of the files that are there whole. */
  keys(): readonly string[]
  /**
   * Resolves once the model's file is here, checked, and its head read. `keep` are keys of files that may not go.
   * Rejects with a `Problem`: those of a download, and `config_invalid` for a source that this node does not go to.
   */
  obtain(model: WantedModel, keep: ReadonlySet<string>, watch: DownloadWatch): Promise<HostedFile>
}
export interface HostedFile {
  readonly path: string
  readonly facts: ModelFacts
}
