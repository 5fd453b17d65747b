import { simulate } from '#sim/simulate.ts'
const out: string[] = []
for (let s = 1; s <= 12; s++) { const r = await simulate(s); out.push(`${s} ${r.digest} ${r.events} ${r.entries}`) }
console.log(out.join('\n'))
