/** What an alert is called, in the list and at the webhook: the journal entry that has it, and its place among the entry's. */
export const alertIdOf = (sequence: number, line: number): string => `alert-${sequence}-${line}`
