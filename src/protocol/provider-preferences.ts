/** What a caller may ask of the node that answers: the member `provider` of a generating call. */
import { z } from 'zod'
import { NodeClass, Region } from './node-class.ts'

const LIST_MAX = 100
/** Above any price, far below where a number stops being exact in nano-USD. */
const USD_MAX = 100_000
const UsdPerMillion = z.number().min(0).max(USD_MAX)
const Ids = z.array(z.string().min(1).max(64)).min(1).max(LIST_MAX)

export const ProviderPreferences = z
  .strictObject({
    sort: z
      .enum(['price', 'latency', 'throughput'])
      .nullish()
      .describe(
        'What comes first: a low price, a first token soon, or many tokens a second. Unset: a balance of load.',
      ),
    max_price: z
      .strictObject({ prompt: UsdPerMillion.nullish(), completion: UsdPerMillion.nullish() })
      .nullish()
      .describe('USD per million tokens. A node that asks for more is not taken.'),
    class: NodeClass.nullish().describe('The least class that will do.'),
    regions: z
      .array(Region)
      .min(1)
      .max(LIST_MAX)
      .nullish()
      .describe('As the nodes’ owners state them: `de`, `us-east`.'),
    only: Ids.nullish().describe('Nodes or organisations, by id: no others.'),
    ignore: Ids.nullish().describe('Nodes or organisations, by id: not these.'),
    data_collection: z
      .enum(['allow', 'deny'])
      .nullish()
      .describe('`deny`: only nodes whose engine is known to keep no prompts.'),
    audits: z
      .enum(['allow', 'deny'])
      .nullish()
      .describe(
        '`deny`: no second node sees the request to check the answer. Unset: a share is checked, by nodes that meet all of the above.',
      ),
  })
  .meta({ id: 'ProviderPreferences' })
export type ProviderPreferences = z.output<typeof ProviderPreferences>
