/** Which files a pattern means: `*` is any run of characters but `/`, `?` is one, `**` is any number of folders. */

/** Whether `path` (relative, with `/`) is one that `pattern` means. */
export function matchesGlob(pattern: string, path: string): boolean {
  const parts = pattern.split(/(\*\*\/|\*\*|\*|\?)/).map((part) => wildcards[part] ?? literal(part))
  return new RegExp(`^${parts.join('')}$`, 's').test(path)
}

const wildcards: Readonly<Record<string, string>> = {
  '**/': '(?:[^/]+/)*',
  '**': '.*',
  '*': '[^/]*',
  '?': '[^/]',
}

const literal = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
