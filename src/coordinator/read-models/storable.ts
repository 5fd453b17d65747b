/** Longest id, model or memo that the API shows or takes; the journal has the whole. An index refuses long keys. */
const TEXT_LENGTH_MAX = 200

/** PostgreSQL's text holds neither NUL nor half a surrogate pair; what people and nodes send may. */
export const storable = (text: string): string =>
  text.slice(0, TEXT_LENGTH_MAX).toWellFormed().replaceAll('\0', '\uFFFD')
export const storableOrNull = (text: string | null): string | null => (text === null ? null : storable(text))
