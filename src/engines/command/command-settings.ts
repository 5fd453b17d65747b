/**
 * What a step of kind `command` says: which program runs for each task, with what, and which of the files that it leaves
 * are results. Texts have places to fill in: `{{Task.Param.NAME}}`, `{{Task.File.NAME}}`, `{{Session.WorkingDirectory}}` and
 * `{{Shoal.Inputs}}`.
 */
import { z } from 'zod'

const text = z.string().max(100_000)
const relative = /^(?!\/)(?!.*(^|\/)\.\.(\/|$))[^\0\n]+$/

export const CommandSettings = z.strictObject({
  /** A program below `/usr` on the node, or one of its own: `{{Task.File.NAME}}`, `{{Shoal.Inputs}}/tool`. */
  command: text.min(1),
  args: z.array(text).max(1_000).default([]),
  env: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'expected a name of letters, digits and _'), text)
    .default({}),
  /** A task that takes longer has failed; the node's own limit holds in any case. */
  timeoutMs: z
    .int()
    .positive()
    .max(7 * 24 * 3_600_000)
    .optional(),
  /** Which of the files that it leaves in its folder are results: `*` stays within a folder, `**` does not. */
  outputs: z
    .array(z.string().max(500).regex(relative, 'is not a path below its folder'))
    .max(100)
    .default(['**']),
  /** Written before each task, outside its folder. */
  files: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'expected a name of letters, digits and _'),
        filename: z
          .string()
          .regex(/^[^/\0\n]{1,64}$/, 'expected a name without /')
          .refine((name) => name !== '.' && name !== '..', 'expected the name of a file')
          .optional(),
        data: text,
        isRunnable: z.boolean().default(false),
      }),
    )
    .max(100)
    .default([]),
})
export type CommandSettings = z.output<typeof CommandSettings>
