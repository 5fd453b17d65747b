/**
 * The one way in which receipts are written, hashed and signed. A receipt is a line of JSON with its fields in a fixed order.
 * The link of number n is the hash of the link before it and of the receipt, so that who signs the newest link of a chain
 * stands for every receipt up to it, for their order and for there being no other. Times decide nothing.
 */
import type {
  ChainFacts,
  ChainPosition,
  ReceiptBody,
  ReceiptDispute,
  ReceiptMark,
} from '#protocol/receipts.ts'
import type { UsagePart, UsageRecord } from '#protocol/usage.ts'

/** SHA-256 of text (as UTF-8) or bytes, as base64url without padding. */
export type Digest = (data: Uint8Array | string) => string

/** The receipt as text: equal receipts, and only they, give equal texts. */
export const receiptText = (body: ReceiptBody): string =>
  body.kind === 'task'
    ? JSON.stringify({
        kind: body.kind,
        node: body.node,
        job: body.job,
        step: body.step,
        task: body.task,
        fence: body.fence,
        output: body.output,
        files: body.files,
        outputBytes: body.outputBytes,
        wallMs: body.wallMs,
        atMs: body.atMs,
      } satisfies ReceiptBody)
    : JSON.stringify({
        kind: body.kind,
        node: body.node,
        request: body.request,
        model: body.model,
        call: body.call,
        promptTokens: body.promptTokens,
        cachedPromptTokens: body.cachedPromptTokens,
        completionTokens: body.completionTokens,
        promptPerMillion: String(body.promptPerMillion),
        cachedPerMillion: body.cachedPerMillion === undefined ? undefined : String(body.cachedPerMillion),
        completionPerMillion: String(body.completionPerMillion),
        stream: body.stream,
        input: body.input,
        output: body.output,
        outputBytes: body.outputBytes,
        payer: body.payer,
        atMs: body.atMs,
      } satisfies Record<keyof typeof body, unknown>)

/** What the mark of a reading's part stands for. */
export function receiptOfPart(
  kind: 'part' | 'race',
  { requestId, model, kind: call }: Pick<UsageRecord, 'requestId' | 'model' | 'kind'>,
  part: Omit<UsagePart, 'receipt'>,
  mark: Pick<ReceiptMark, 'stream' | 'input' | 'output' | 'outputBytes' | 'payer' | 'atMs'>,
): ReceiptBody {
  const { promptTokens, cachedPromptTokens, completionTokens } = part
  const { promptPerMillion, cachedPerMillion, completionPerMillion } = part
  const { stream, input, output, outputBytes, payer, atMs } = mark
  return {
    ...{ kind, node: part.nodeId, request: requestId, model, call, promptTokens, completionTokens },
    ...(cachedPromptTokens !== undefined && { cachedPromptTokens }),
    ...{
      promptPerMillion,
      completionPerMillion,
      ...(cachedPerMillion !== undefined && { cachedPerMillion }),
    },
    ...{ stream, input, output, outputBytes, payer, atMs },
  }
}

const positionText = (position: ChainPosition | null): string =>
  position === null ? '-' : `${position.chain} ${position.number} ${position.hash}`

/** The id of a chain, and the link that its first receipt is behind. */
export const chainId = (digest: Digest, facts: ChainFacts): string =>
  digest(
    [
      'shoal receipts chain 1',
      facts.of,
      facts.network,
      facts.node,
      facts.nodeKey,
      facts.gateway,
      facts.session,
      facts.nonce,
      positionText(facts.previous),
    ].join('\n'),
  )

/** Of number `number`, from the receipt's own hash. */
export const linkOf = (
  digest: Digest,
  { chain, number, before, receipt }: { chain: string; number: number; before: string; receipt: string },
): string => digest(`shoal receipt 1\n${chain}\n${number}\n${before}\n${receipt}`)

/** The links of receipts from number `from` on, in order. */
export function linksOf(
  digest: Digest,
  { chain, from, before, texts }: { chain: string; from: number; before: string; texts: readonly string[] },
): string[] {
  let link = before
  return texts.map((text, index) => {
    link = linkOf(digest, { chain, number: from + index, before: link, receipt: digest(text) })
    return link
  })
}

/** What the network signs. */
export const networkHeadText = ({ chain, number, hash }: ChainPosition): string =>
  `shoal receipts head 1\n${chain}\n${number}\n${hash}`

/** What the node signs: the same, and what it holds against some of them. */
export const nodeHeadText = (
  { chain, number, hash }: ChainPosition,
  disputes: readonly ReceiptDispute[],
): string => `shoal receipts node 1\n${chain}\n${number}\n${hash}\n${disputes.map(disputeText).join('\n')}`

export const disputeText = ({ number, why, expected }: ReceiptDispute): string =>
  JSON.stringify({ number, why, expected })

/** Of a request's salt and the text that came: without the salt nobody can try texts until one fits. */
export const outputDigest = (digest: Digest, salt: string, text: string): string => digest(`${salt}\n${text}`)

/** Of one stream of a chain, from the chain's own secret: who knows one salt cannot tell another. */
export const saltOf = (digest: Digest, chainSecret: string, stream: number): string =>
  digest(`${chainSecret}\n${stream}`).slice(0, 22)

/** Of the files of a result, in order. */
export const filesDigest = (
  digest: Digest,
  files: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[],
): string => digest(files.map(({ name, bytes, sha256 }) => JSON.stringify([name, bytes, sha256])).join('\n'))
