/** `npm run setup`: installs the system parts that Shoal uses, or says what they are. */
import { setUpSystem } from '#cli/system-parts.ts'
import { createNodeMachine } from '#host/node/node-machine.ts'

await setUpSystem(createNodeMachine(), (line) => process.stdout.write(`${line}\n`))
