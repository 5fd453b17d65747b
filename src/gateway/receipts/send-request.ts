import type { EngineRequest } from '#protocol/engine-request.ts'
import { encodeJsonFrame, FRAME_HEADER_BYTES, FrameType } from '#protocol/frame.ts'
import type { SentRequest } from '../node-connection.ts'
import type { ReceiptNode } from './node-receipts.ts'
import type { ReceiptDesk } from './receipt-desk.ts'

/** A request as its node gets it: with the salt of its receipt, where the node signs any. */
export function sendRequest(
  desk: Pick<ReceiptDesk, 'begin' | 'hash'>,
  node: ReceiptNode,
  { stream, request }: { stream: number; request: EngineRequest },
): SentRequest {
  const evidence = desk.begin(node, stream)
  const told = evidence ? { ...request, salt: evidence.salt } : request
  const message = encodeJsonFrame(FrameType.request, stream, told)
  if (evidence) evidence.input = desk.hash(message.subarray(FRAME_HEADER_BYTES))
  return { message, evidence }
}
