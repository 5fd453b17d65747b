/** How a machine becomes a node: a single-use token from its owner, and a key that never leaves the machine. */
import { z } from 'zod'
import { hexOf, Name, TimestampMs } from './field.ts'
import { NanoUsd } from './money.ts'

export const CreateEnrolmentToken = z
  .strictObject({
    expiresInMs: z
      .int()
      .min(1_000)
      .max(30 * 24 * 3_600_000)
      .optional()
      .describe('How long the token can be used; an hour unless given.'),
  })
  .meta({ id: 'CreateEnrolmentToken' })
export type CreateEnrolmentToken = z.output<typeof CreateEnrolmentToken>

export const ENROLMENT_TOKEN_TTL_MS_DEFAULT = 3_600_000

export const EnrolmentToken = z
  .object({
    token: z
      .string()
      .describe(
        'Enrols one node, once. Behind the dot is the fingerprint of the network’s key, which the node checks.',
      ),
    expiresAtMs: TimestampMs,
    joinUrl: z.string().describe('What `shoal provide --join` takes.'),
  })
  .meta({ id: 'EnrolmentToken' })
export type EnrolmentToken = z.output<typeof EnrolmentToken>

export const EnrolNode = z
  .strictObject({
    token: z.string().min(1).max(200),
    publicKey: hexOf(32).describe('ed25519, made on the node.'),
    name: Name,
    askPerGpuHour: NanoUsd.refine((ask) => ask >= 0n, 'expected an amount of zero or more'),
    signature: hexOf(64).describe('ed25519 signature of the enrolment text by `publicKey`’s private half.'),
  })
  .meta({ id: 'EnrolNode' })
export type EnrolNode = z.output<typeof EnrolNode>

/**
 * The exact text, in UTF-8, that a node signs to enrol: five lines without a newline at the end. Names the token, so
 * the signature enrols once and nowhere else, and everything that the node asks for, so nothing can be changed under way.
 */
export const enrolmentText = (enrolment: Omit<EnrolNode, 'signature'>): string =>
  [
    'shoal enrol 1',
    enrolment.token,
    enrolment.publicKey,
    enrolment.askPerGpuHour.toString(),
    enrolment.name,
  ].join('\n')
