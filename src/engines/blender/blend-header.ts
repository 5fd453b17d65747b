/** The first bytes of a .blend file: whether it is one at all, and which Blender saved it. */

export type BlendHeader =
  | { readonly kind: 'blend'; readonly version: BlendVersion }
  /** Packed by gzip (before 3.0) or zstd: what is inside cannot be told from here. */
  | { readonly kind: 'compressed'; readonly by: 'gzip' | 'zstd' }
  | { readonly kind: 'other'; readonly looksLike: string }

export interface BlendVersion {
  readonly major: number
  readonly minor: number
}

/** How many bytes `readBlendHeader` looks at. */
export const HEADER_BYTES = 64

const magics: readonly (readonly [hex: string, name: string])[] = [
  ['89504e47', 'a PNG picture'],
  ['ffd8ff', 'a JPEG picture'],
  ['504b0304', 'a ZIP archive'],
  ['25504446', 'a PDF document'],
  ['762f3101', 'an OpenEXR picture'],
  ['676c5446', 'a glTF model'],
  ['7b', 'a JSON file'],
]

export function readBlendHeader(bytes: Uint8Array): BlendHeader {
  const text = new TextDecoder('latin1').decode(bytes.subarray(0, HEADER_BYTES))
  // Up to 4.x: BLENDER, size of pointers (- or _), order of bytes (v or V), three digits. From 5.0 on: BLENDER17-01v0500.
  const old = /^BLENDER[-_][vV](\d)(\d\d)/.exec(text)
  if (old) return { kind: 'blend', version: { major: Number(old[1]), minor: Number(old[2]) } }
  const recent = /^BLENDER\d\d[-_]\d\d[vV](\d\d)(\d\d)/.exec(text)
  if (recent) return { kind: 'blend', version: { major: Number(recent[1]), minor: Number(recent[2]) } }
  const hex = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join('')
  if (hex === '28b52ffd') return { kind: 'compressed', by: 'zstd' }
  if (hex.startsWith('1f8b')) return { kind: 'compressed', by: 'gzip' }
  if (bytes.length === 0) return { kind: 'other', looksLike: 'an empty file' }
  const known = magics.find(([magic]) => hex.startsWith(magic))
  return { kind: 'other', looksLike: known?.[1] ?? 'something else' }
}

/** `Blender 3.4.1` and the like, as `blender --version` says it; `null` for anything else. */
export function parseBlenderVersion(text: string): (BlendVersion & { readonly name: string }) | null {
  const found = /^Blender (\d+)\.(\d+)(?:\.(\d+))?/m.exec(text)
  if (!found) return null
  const [, major = '', minor = '', patch] = found
  return {
    major: Number(major),
    minor: Number(minor),
    name: patch === undefined ? `${major}.${minor}` : `${major}.${minor}.${patch}`,
  }
}

/** Why a Blender of `version` cannot open that file, in one sentence with what to do; `null` when nothing speaks against it. */
export function whyUnreadable(
  header: BlendHeader,
  { file, version }: { readonly file: string; readonly version: BlendVersion },
): string | null {
  if (header.kind === 'other')
    return `${file} is not a .blend file but ${header.looksLike}: save the scene in Blender and submit that file.`
  if (header.kind === 'compressed') return null
  const { major, minor } = header.version
  if (major < version.major || (major === version.major && minor <= version.minor)) return null
  const here = `${version.major}.${version.minor}`
  return `${file} was saved by Blender ${major}.${minor}, newer than the ${here} here: save it as a file of ${here}, or name a Blender ${major}.${minor} with --blender, which nodes must have too.`
}
