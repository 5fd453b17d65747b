import { simulate } from '#sim/simulate.ts'
import { HOUR_MS } from '#kernel/time.ts'
const none = Object.fromEntries(['coordinator_crash','coordinator_takeover','gateway_crash','agent_crash','agent_stop','engine_crash','engine_slow','link_cut','bus_cut','clock_jump'].map(k=>[k,null])) as any
const calm = { nodes: 100, gateways: 2, faultEveryMs: none, busLossPer10k: 0, busDuplicatePer10k: 0, leavePercent: 0, slowReaderPercent: 0, latencyMsMax: 20, busDelayMsMax: 10, skewMsMax: 0, balanceUsd: 50 }
const which = process.argv[2]
const hours = Number(process.argv[3] ?? 1)
const plan: any = which === 'quiet' ? { ...calm, clients: 1, thinkMs: 1e9, loadMs: hours*HOUR_MS } : which === 'light' ? { ...calm, clients: 10, thinkMs: 60_000, loadMs: hours*HOUR_MS } : { nodes: 100, loadMs: hours*HOUR_MS }
for (const seed of which==='faults'? [1,2,3,4] : [1]) {
const t = process.cpuUsage(), tt = process.threadCpuUsage()
const run = await simulate(seed, plan)
const c = process.cpuUsage(t); const s = (c.user+c.system)/1e6
const ct = process.threadCpuUsage(tt); console.log("main thread s", ((ct.user+ct.system)/1e6).toFixed(2)); console.log(which, seed, 'sim h', (run.simulatedMs/HOUR_MS).toFixed(2), 'cpu s', s.toFixed(2), 'h/cpu-s', (run.simulatedMs/HOUR_MS/s).toFixed(3), 'events', run.events, 'ev/s', Math.round(run.events/s), 'entries', run.entries, JSON.stringify(run.calls), run.digest)
}
