/**
 * Everything the program may ask of the outside world. `host/node` provides the real one and `sim` the simulated
 * one; no other code touches time, randomness, secrets, disk or network.
 *
 * The ports of the hot path take callbacks, not promises: a callback runs inside the event that caused it, so the
 * simulator needs no microtask boundary there and runs a hundred nodes at thousands of times real speed.
 */
import type { Random } from '#kernel/random.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { Problem } from '#protocol/problem.ts'

export interface Host {
  readonly clock: Clock
  readonly random: Random
  readonly secrets: Secrets
  readonly crypto: Crypto
  readonly network: Network
  readonly journals: Journals
  readonly blobs: Blobs
  readonly bus: Bus
  readonly log: Log
}

export interface Clock {
  /** Wall time. May jump; never used to measure how long something took. */
  nowMs(): TimestampMs
  /** Milliseconds since an arbitrary start. Never goes back. */
  elapsedMs(): number
  /** Runs `run` once, `delayMs` (>= 0) from now. A real timer never keeps the process alive by itself. */
  after(delayMs: number, run: () => void): Timer
}
export interface Timer {
  cancel(): void
}

/** What must not be guessed or read by others. */
export interface Secrets {
  /** Cryptographically random bytes. */
  randomBytes(length: number): Uint8Array
  /** The secret kept under `name` (kebab-case), or `null`. */
  read(name: string): string | null
  /** Keeps `text` under `name`, readable by this user alone, durably. */
  write(name: string, text: string): void
}

/** Synchronous by intent: off-thread crypto resolves in an order that no seed controls. */
export interface Crypto {
  sha256(data: Uint8Array | string): Uint8Array
  /** The same as base64url without padding, at a third of the cost; left out where nothing hangs on it. */
  sha256Text?(data: Uint8Array | string): string
  hmacSha256(key: string, data: string): Uint8Array
  /** An ed25519 key pair from a 32-byte seed; keys are raw 32-byte values in hex. */
  keyPair(seed: Uint8Array): KeyPair
  sign(privateKeyHex: string, message: Uint8Array): Uint8Array
  /** False for a wrong signature and for a malformed key or signature alike. */
  verify(publicKeyHex: string, message: Uint8Array, signature: Uint8Array): boolean
}
export interface KeyPair {
  readonly publicKeyHex: string
  readonly privateKeyHex: string
}

export interface Network {
  /** Sends one request; rejects with a `Problem` (`network_unreachable`, `network_timeout`). */
  fetch(request: Request): Promise<Response>
  /** Opens a message link to `url` (`ws:` or `wss:`). Exactly one `onClose` follows, also when it never opened. */
  connect(url: string, handlers: LinkHandlers): Link
  /** Serves HTTP and message links; rejects with `Problem('port_taken' | 'address_unavailable')`. */
  listen(address: ListenAddress, server: ServerHandlers): Promise<Listener>
}
export interface ListenAddress {
  readonly hostname: string
  /** 0 asks for any free port. */
  readonly port: number
  /** Speaks TLS, and only that. */
  readonly tls?: TlsFiles
  /** Other processes of this machine may listen there too, and the kernel spreads connections over them. */
  readonly isShared?: boolean
  /**
   * Stands behind these proxies, addresses or ranges such as `10.0.0.0/8`: what they say of a client is believed, and
   * whoever comes from another machine without them is refused. This machine is always one of them.
   */
  readonly proxies?: readonly string[]
}
/** PEM files; they are read again when they change. */
export interface TlsFiles {
  /** The certificate, and behind it those that lead to its authority. */
  readonly certFile: string
  readonly keyFile: string
}
export interface CertificateFacts {
  readonly file: string
  /** Host names and addresses that it is for. */
  readonly names: readonly string[]
  readonly validFromMs: TimestampMs
  readonly expiresAtMs: TimestampMs
  /** SHA-256, in hex, of its public key as SPKI. */
  readonly tlsKey: string
}

export interface Listener {
  readonly port: number
  /** What TLS shows now, and before it those that connections of a moment ago have seen; empty without TLS. */
  certificates?(): readonly CertificateFacts[]
  /** Stops accepting, lets open exchanges end for `graceMs`, then destroys them. */
  close(graceMs: number): Promise<void>
}

/** A two-way, ordered, reliable stream of binary messages, until it closes. */
export interface Link {
  /** Queues `message`; the bytes belong to the link from here on. Dropped silently once closed. */
  send(message: Uint8Array): void
  /** Bytes queued and not yet handed to the system. */
  bufferedBytes(): number
  /** SHA-256, in hex, of the public key (as SPKI) that the peer's TLS showed; null where the link has no TLS of its own. */
  tlsKey?(): string | null
  close(code: number, reason: string): void
}
export interface LinkHandlers {
  onOpen?(): void
  onMessage(message: Uint8Array): void
  onClose(code: number, reason: string): void
}

export interface ServerHandlers {
  onExchange(exchange: Exchange): void
  /** Called for each upgrade. Return the handlers to accept it on this path, or `null` to answer 404; throw a `Problem` to answer that. */
  onLink(path: string, link: Link, headers: Readonly<Record<string, string>>): LinkHandlers | null
}

/** Takes a body as it comes. Nothing is called any more once the client left, or the exchange is answered. */
export interface BodyReader {
  /** False asks for no more until `resume`. */
  onChunk(chunk: Uint8Array): boolean
  /** Once: after the last chunk, or with what is wrong. */
  onEnd(problem: Problem | null): void
}
export interface BodyFlow {
  resume(): void
}

/** One HTTP request and its answer. All callbacks stop after `onClose`. */
export interface Exchange {
  readonly method: string
  /** Path with query, as sent. */
  readonly target: string
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  /** Where the client is, as the proxies in front say it; undefined where that is not known. */
  readonly clientAddress?: string | undefined
  /** Reads the whole body once. `done` gets `Problem('body_too_large')` beyond `bytesMax`, and nothing if the client leaves. */
  readBody(bytesMax: number, done: (problem: Problem | null, body: Uint8Array) => void): void
  /**
   * Reads the body piece by piece instead, once. Beyond `bytesMax` it ends with `Problem('body_too_large')`. Left out
   * where bodies come whole.
   */
  streamBody?(bytesMax: number, reader: BodyReader): BodyFlow
  /** The whole answer at once. */
  respond(status: number, headers: Record<string, string>, body: Uint8Array | string): void
  /** Starts a streamed answer. */
  start(status: number, headers: Record<string, string>): void
  /** Adds to a started answer. False when the reader is slow: wait for `onDrain` before adding much more. */
  write(chunk: Uint8Array | string): boolean
  end(): void
  /** Cuts the connection, so that a truncated answer cannot look complete. */
  abort(): void
  onDrain(run: () => void): void
  /** Runs once when the exchange is over: `finished` tells an answer that left whole from a client that left early. */
  onClose(run: (finished: boolean) => void): void
}

export interface Journals {
  /**
   * Opens the append-only record called `name` and takes its next epoch, which locks out every earlier opener.
   * Rejects with a `Problem`: `folder_in_use`, `journal_corrupt`, `journal_newer`, `disk_full`, `disk_read_only`.
   */
  open(name: string): Promise<Journal>
}

/** Journals on a server that several machines reach: one leads, the others follow and may take over. */
export interface SharedJournals extends Journals {
  /**
   * As `Journals.open`. Rejects with `Problem('journal_held')`, details `holder` and `remainingMs`, while another's lease
   * runs, unless `takeOver` takes it all the same: the other's next append then fails.
   */
  open(name: string, options?: OpenSharedJournal): Promise<Journal>
  /** Looks on without taking anything; the record is created where there is none. */
  follow(name: string): Promise<JournalFollower>
}
export interface OpenSharedJournal {
  /** Takes it from a holder whose lease is not over. */
  readonly takeOver?: boolean
  /** That holder's: from one of a later epoch nothing is taken. */
  readonly epoch?: number
}

/** Reads what another opener writes, always from the server that takes the writes. */
export interface JournalFollower {
  readonly id: string
  /** The newest durable entry and who may write now; `remainingMs` is 0 when nobody holds a lease. */
  head(): Promise<{
    readonly lastSequence: number
    readonly epoch: number
    readonly holder: string
    readonly remainingMs: number
  }>
  read(fromSequence: number, countMax: number): Promise<readonly JournalEntry[]>
  close(): Promise<void>
}

/** Append-only, durable, single-writer. Entries are numbered from 1 without gaps. */
export interface Journal {
  /** Random, made when the record was created: a lost disk never makes old numbers new. */
  readonly id: string
  readonly epoch: number
  /** Number of the newest entry that is durable or about to be. */
  readonly lastSequence: number
  /**
   * How long after the opening the holder before may still believe that it leads: its lease had not ended when the
   * record was taken over. 0 in all other cases. No answer may leave before.
   */
  readonly rivalMs: number
  /**
   * Until when, by `Clock.elapsedMs`, nobody else can have taken the next epoch: `Infinity` where a lock keeps others
   * out. What was read from memory must not leave later than this.
   */
  heldUntilMs(): number
  /** Runs once, when another opener took the record or its lease could not be renewed: the caller must stop. */
  onLost(run: (problem: Problem) => void): void
  /**
   * Appends `payloads` in order as one atomic, durable group. `done` runs once they would survive power loss, in
   * call order; with a problem the group did not happen, no later one will, and the caller must stop.
   */
  append(payloads: readonly string[], done: (problem: Problem | null) => void): void
  /** Durable entries from `fromSequence` on, at most `countMax`, each with its checksum verified. */
  read(fromSequence: number, countMax: number): Promise<readonly JournalEntry[]>
  /** Forgets entries up to and including `sequence`; they may linger after a crash. */
  trim(sequence: number): void
  close(): Promise<void>
}
export interface JournalEntry {
  readonly sequence: number
  readonly epoch: number
  readonly payload: string
}

/** Content-addressed bytes. */
export interface Blobs {
  /** Keeps `bytes` durably; resolves to their sha256 in hex. Idempotent. */
  put(bytes: Uint8Array): Promise<string>
  /** The bytes with that hash, verified, or `null`. */
  get(hash: string): Promise<Uint8Array | null>
  delete(hash: string): Promise<void>
}

/** Messages between the processes of one cell. At most once, unordered across subjects, both sides may retry. */
export interface Bus {
  publish(subject: string, message: string): void
  subscribe(subject: string, receive: (message: string) => void): Subscription
  /** `done` gets the reply, or `Problem('bus_timeout')` after `timeoutMs`. */
  request(call: BusCall, done: (problem: Problem | null, reply: string) => void): void
  serve(subject: string, answer: (message: string, reply: (message: string) => void) => void): Subscription
}
export interface BusCall {
  readonly subject: string
  readonly message: string
  readonly timeoutMs: number
}
export interface Subscription {
  close(): void
}

/** `noun.verb` with flat fields. Bigints are written as decimal text. */
export interface Log {
  info(event: string, fields?: LogFields): void
  warn(event: string, fields?: LogFields): void
  error(event: string, fields?: LogFields): void
}
export type LogFields = Readonly<Record<string, string | number | bigint | boolean | null | undefined>>
