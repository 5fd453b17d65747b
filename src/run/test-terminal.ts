/** A real pseudo-terminal to run a program in, by Python, for tests of what a terminal shows. */
import { spawn, spawnSync } from 'node:child_process'

export interface TerminalStep {
  /** Waits until this was shown since the step before, colours left out. */
  readonly shows: string
  /** Keys to press then. */
  readonly press?: string
  readonly resize?: { readonly columns: number; readonly rows: number }
  /** Sends a signal to the program. */
  readonly signal?: 'SIGTERM' | 'SIGINT'
}

export interface TerminalRun {
  readonly exitCode: number
  /** Everything that was written, control sequences included. */
  readonly output: string
  /** What was shown since each step before, up to when it showed what was waited for. */
  readonly screens: readonly string[]
  /** The terminal echoes what is typed and hands it over by the line, as a shell wants it. */
  readonly isCooked: boolean
}

export const terminalMissing: string | false =
  spawnSync('python3', ['-c', 'import pty, termios']).status === 0 ? false : 'python3 is not installed'

const PROGRAM = String.raw`
import fcntl, json, os, pty, re, select, signal, struct, sys, termios, time
plan = json.load(sys.stdin)
def size(fd, columns, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
master, slave = pty.openpty()
size(slave, plan['columns'], plan['rows'])
pid = os.fork()
if pid == 0:
    os.setsid(); fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2): os.dup2(slave, fd)
    os.execvpe(plan['command'][0], plan['command'], {**os.environ, **plan['env']})
out = b''; mark = 0; screens = []; deadline = time.time() + plan['seconds']
plain = lambda data: re.sub(r'\x1b(\[[0-9;?<>=]*[a-zA-Z]|[()][A-Z0-9]|\][^\x07\x1b]*(\x07|\x1b\\\\)|[=>])', '', data.decode('utf8', 'replace'))
def pump(wait):
    global out
    ready, _, _ = select.select([master], [], [], wait)
    if ready:
        try: out += os.read(master, 65536)
        except OSError: return False
    return True
for step in plan['steps']:
    while step['shows'] not in plain(out[mark:]):
        if time.time() > deadline or not pump(0.1):
            os.kill(pid, signal.SIGKILL)
            sys.stderr.write('never showed ' + step['shows'] + ':\n' + plain(out[mark:])); sys.exit(1)
    screens.append(plain(out[mark:])); mark = len(out)
    if 'press' in step: os.write(master, step['press'].encode())
    if 'resize' in step:
        size(slave, step['resize']['columns'], step['resize']['rows']); os.kill(pid, signal.SIGWINCH)
    if 'signal' in step: os.kill(pid, getattr(signal, step['signal']))
while True:
    ended, status = os.waitpid(pid, os.WNOHANG)
    if ended: break
    if time.time() > deadline: os.kill(pid, signal.SIGKILL); sys.stderr.write('did not end:\n' + plain(out[mark:])); sys.exit(1)
    pump(0.05)
while select.select([master], [], [], 0.05)[0] and pump(0): pass
flags = termios.tcgetattr(slave)[3]
cooked = bool(flags & termios.ECHO) and bool(flags & termios.ICANON)
print(json.dumps({'exitCode': os.waitstatus_to_exitcode(status), 'output': out.decode('utf8', 'replace'), 'screens': screens, 'isCooked': cooked}))
`

/** Runs \`command\` in a terminal through \`steps\`, and then until it ends by itself. Rejects with what was on the screen. */
export function runInTerminal(plan: {
  readonly command: readonly string[]
  readonly steps: readonly TerminalStep[]
  readonly columns?: number
  readonly rows?: number
  readonly env?: Readonly<Record<string, string>>
}): Promise<TerminalRun> {
  const { columns = 100, rows = 30, env = {} } = plan
  return new Promise((resolve, reject) => {
    const child = spawn('python3', ['-c', PROGRAM], { stdio: ['pipe', 'pipe', 'pipe'] })
    let out = ''
    let problem = ''
    child.stdout.on('data', (data) => (out += data))
    child.stderr.on('data', (data) => (problem += data))
    child.on('close', (code) => {
      if (code === 0) resolve(JSON.parse(out) as TerminalRun)
      else reject(new Error(problem))
    })
    child.stdin.end(
      JSON.stringify({ ...plan, columns, rows, env: { TERM: 'xterm-256color', ...env }, seconds: 60 }),
    )
  })
}
