/** A word as a shell takes it in one piece. */
export const quoted = (text: string): string =>
  /^[\w./:~@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
