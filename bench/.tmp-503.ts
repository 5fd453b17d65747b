import { Problem, problemKinds } from '#protocol/problem.ts'
const seen = new Map<string, number>()
Object.defineProperty(Problem.prototype, 'status', { get() { const k=(this as any).code+': '+(this as any).message; seen.set(k,(seen.get(k)??0)+1); return (problemKinds as any)[(this as any).code].status } })
await import('./.tmp-sim.ts')
console.log(seen)
