import { z } from 'zod'

/** RFC 9457, as `toProblemDetails` writes it. Further members are the problem's own details. */
export const ProblemReply = z
  .looseObject({
    type: z.string().describe('`urn:shoal:problem:<code>`'),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('For people: what was found, what was expected, what to do next.'),
    code: z.string().describe('For programs. New ones may come; `status` tells their kind.'),
    retriable: z.boolean().describe('The same call may succeed later.'),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details.' })
