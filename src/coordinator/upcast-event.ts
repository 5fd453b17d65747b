/**
 * What older programs wrote, in the form that this one knows. An event's form is only added to, so there is little to do:
 * what was added is filled in where the entry says it. Each step stays for as long as a journal may have such an event.
 */

/** An event as JSON. */
export interface WireEvent {
  readonly type: string
  [member: string]: unknown
}

type Upcast = (event: WireEvent, entry: { readonly atMs: number }) => void

const upcasts: ReadonlyMap<string, Upcast> = new Map<string, Upcast>([
  // The first release did not say when a request was billed: when its entry was decided.
  [
    'usage.recorded',
    (event, { atMs }) => {
      event['atMs'] ??= atMs
    },
  ],
])

/** Changes `event` of `entry` in place. */
export function upcastEvent(event: WireEvent, entry: { readonly atMs: number }): void {
  upcasts.get(event.type)?.(event, entry)
}
