/**
 * Sixty ways to get out of the box that work of strangers runs in, or to harm the machine from within. Each is a command of the shell
 * that ends with 0 only when it got what it went for.
 */

export interface Probe {
  readonly name: string
  /** `$SECRET` is a file of the machine that is not bound in, `$PORT` one of its open TCP ports (and the
   * end of the name of an abstract socket that is listened on), `$HOST_PID` a process of it. */
  readonly script: string
}

const probe = (name: string, script: string): Probe => ({ name, script })
/** Python is where Debian is; without it the probe has nothing to try with and gets nowhere. */
const python = (name: string, code: string): Probe => probe(name, `python3 -c '${code}'`)
const connects = (host: string, port: string): string =>
  `import socket; s=socket.socket(); s.settimeout(2); s.connect(("${host}", ${port}))`
/** By number, on x86-64: what libc has no name for. */
const syscall = (call: string): string =>
  `import ctypes; l=ctypes.CDLL(None, use_errno=True); exit(0 if l.syscall(${call}) >= 0 else 1)`

const files: readonly Probe[] = [
  probe('reads a file of the machine', 'cat "$SECRET"'),
  probe('reads the passwords', 'cat /etc/shadow'),
  probe('reads the users', 'cat /etc/passwd'),
  probe('reads the home of root', 'ls /root/. | grep -q .'),
  probe('lists homes', 'ls /home | grep -v "^node$" | grep -q .'),
  probe('writes among programs', 'echo x > /usr/bin/shoal-escaped'),
  probe('writes to /etc', 'echo x > /etc/shoal-escaped'),
  probe('writes to the root', 'echo x > /shoal-escaped'),
  probe('writes to /dev', 'echo x > /dev/shoal-escaped'),
  probe('a link to a file of the machine', 'ln -s "$SECRET" link && cat link'),
  probe('a hard link to a program', 'ln /usr/bin/env hard && echo x >> hard'),
  probe('climbs above its folder', 'cat ../../../../../../../../..$SECRET'),
  probe('through the root of the first process', 'cat /proc/1/root$SECRET'),
  probe('through its own root', 'cat /proc/self/root$SECRET'),
  probe(
    'through open files of the first process',
    'for f in /proc/1/fd/*; do cat "$f/../..$SECRET" && exit 0; done; exit 1',
  ),
  probe(
    'an archive that climbs',
    'mkdir t && cd t && (printf x > y) && tar -P -cf a.tar --transform "s,y,../../../../../../usr/bin/shoal-tar," y && tar -P -xf a.tar && test -e /usr/bin/shoal-tar',
  ),
  probe('a device of a disk', 'mknod disk b 8 0 && cat disk | head -c 1 | grep -q .'),
  probe('the memory of the machine', 'mknod mem c 1 1 && head -c 1 mem'),
  probe('a block device that is there', 'ls /dev/sd* /dev/vd* /dev/nvme* 2>/dev/null | grep -q .'),
  probe('the log of the kernel', 'head -c 1 /dev/kmsg || dmesg | grep -q .'),
]

const mounts: readonly Probe[] = [
  probe('mounts a folder in memory', 'mkdir m && mount -t tmpfs none m'),
  probe('mounts /proc anew', 'mkdir p && mount -t proc proc p'),
  probe('binds a folder', 'mkdir b && mount --bind /usr b'),
  probe('makes /usr writable', 'mount -o remount,rw /usr'),
  probe('makes /proc writable', 'mount -o remount,rw /proc'),
  probe('ends a mount', 'umount /tmp || umount -l /proc'),
  probe('changes its root', 'mkdir -p r && chroot r'),
  probe('a user namespace of its own', 'unshare -U true'),
  probe('a user namespace with root in it', 'unshare -Ur true'),
  probe('a mount namespace', 'unshare -m true'),
  probe('a network namespace', 'unshare -n true'),
  probe('a process namespace', 'unshare -p true'),
  probe('joins the namespace of another', 'nsenter -t 1 -m -- cat "$SECRET"'),
  python('a new way of mounting', syscall('430, b"tmpfs", 0')),
  python('opens a tree of mounts', syscall('428, -100, b"/", 1')),
]

const kernel: readonly Probe[] = [
  probe('a setting of the kernel', 'echo 0 > /proc/sys/kernel/randomize_va_space'),
  probe('where cores go', 'echo "|/bin/sh" > /proc/sys/kernel/core_pattern'),
  probe('SysRq', 'echo h > /proc/sysrq-trigger'),
  probe('a control group', 'mkdir /sys/fs/cgroup/escape'),
  probe('settings of the machine', 'echo x > /sys/power/state'),
  python('the clock', 'import time; time.clock_settime(time.CLOCK_REALTIME, 0)'),
  python('the name of the machine', 'import socket; socket.sethostname("taken")'),
  python('loads a module', syscall('313, 0, b"", 0')),
  python('a program in the kernel (bpf)', syscall('321, 5, ctypes.create_string_buffer(128), 128')),
  python(
    'counts what others do (perf)',
    syscall('298, ctypes.create_string_buffer(b"\\0\\0\\0\\0\\x70\\0\\0\\0" + bytes(104)), 1, -1, -1, 0'),
  ),
  python('becomes root', 'import os; os.setuid(0)'),
  python('raises its priority', 'import os; os.nice(-5)'),
  probe(
    'a program with the set-user bit',
    'for p in /usr/bin/su /usr/bin/sudo /usr/bin/mount; do test -u $p && $p -c true root </dev/null && exit 0; done; exit 1',
  ),
]

const descriptors: readonly Probe[] = [
  python('opens more files than can be looked at', 'a = [open("/dev/null") for _ in range(2000)]'),
]

const others: readonly Probe[] = [
  probe('signals a process of the machine', 'kill -0 $HOST_PID'),
  probe('sees a process of the machine', 'tr "\\0" "\\n" < /proc/$HOST_PID/environ | grep -q .'),
  probe('sees other processes', 'test $(ls -d /proc/[0-9]* | wc -l) -gt 12'),
  python(
    'traces the first process',
    'import ctypes; exit(0 if ctypes.CDLL(None).ptrace(16, 1, 0, 0) == 0 and open("/proc/1/environ").read().find("HOME=/root") >= 0 else 1)',
  ),
  python('types into the terminal', 'import fcntl, termios; fcntl.ioctl(0, termios.TIOCSTI, b"x")'),
  probe('a socket of a container engine', 'test -S /var/run/docker.sock || test -S /run/podman/podman.sock'),
  probe('the system bus', 'test -S /run/dbus/system_bus_socket'),
]

const network: readonly Probe[] = [
  python(
    'a port of the machine',
    connects('127.0.0.1', '$PORT'.replace('$PORT', 'int(__import__("os").environ["PORT"])')),
  ),
  python('the metadata address of clouds', connects('169.254.169.254', '80')),
  python('the network at home', connects('192.168.1.1', '80')),
  python('the internet', connects('1.1.1.1', '443')),
  python('a name', 'import socket; socket.getaddrinfo("example.com", 80)'),
  python('a raw socket', 'import socket; s=socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)'),
  python('a packet socket', 'import socket; s=socket.socket(socket.AF_PACKET, socket.SOCK_RAW)'),
  python(
    'sets an address',
    'import socket,fcntl,struct; s=socket.socket(); fcntl.ioctl(s, 0x8916, struct.pack("16sH2s4s8x", b"lo", 2, b"\\0\\0", bytes([10,0,0,1])))',
  ),
  probe('an interface beside the loopback', 'grep -v -e lo: -e face -e Inter /proc/net/dev | grep -q .'),
  python(
    'an abstract socket of the machine',
    'import socket,os; s=socket.socket(socket.AF_UNIX); s.connect("\\0shoal-probe-"+os.environ["PORT"])',
  ),
]

/** They harm nothing, so they are tried without the box as well: one that gets nowhere there, either, proves nothing of the box. */
export const harmless: readonly string[] = [
  'reads a file of the machine',
  'reads the users',
  'climbs above its folder',
  'a link to a file of the machine',
  'signals a process of the machine',
  'sees a process of the machine',
  'sees other processes',
  'a port of the machine',
  'an interface beside the loopback',
  'an abstract socket of the machine',
  'the metadata address of clouds',
  'the network at home',
  'the internet',
  'a name',
]

/** Of those, the ones that need a network around the machine. */
export const ofTheNetwork: readonly string[] = [
  'the metadata address of clouds',
  'the network at home',
  'the internet',
  'a name',
]

export const probes: readonly Probe[] = [
  ...files,
  ...mounts,
  ...kernel,
  ...descriptors,
  ...others,
  ...network,
]

type Cause = 'memory' | 'processes' | 'disk' | 'time'

/** Things that eat: the box ends them, and the machine stays as it was. */
export const bombs: readonly (Probe & { readonly causes: readonly Cause[] })[] = [
  { ...probe('eats memory', 'tail /dev/zero'), causes: ['memory'] },
  { ...python('eats memory in pieces', 'a=[]\nwhile True: a.append(bytearray(1<<20))'), causes: ['memory'] },
  {
    ...probe(
      'fills memory by a folder',
      'cat /dev/zero > /dev/shm/full; cat /dev/zero > /tmp/full; tail /dev/zero',
    ),
    causes: ['memory'],
  },
  {
    ...python(
      'fills memory that no process maps',
      'import os, time\nf = os.memfd_create("x")\nfor _ in range(1024): os.write(f, bytes(1 << 20))\ntime.sleep(20)',
    ),
    causes: ['memory'],
  },
  {
    ...python(
      'fills memory by unlinked files in a folder',
      'import time\nf = open("/tmp/x", "wb"); g = open("/dev/shm/x", "wb")\nimport os; os.unlink("/tmp/x"); os.unlink("/dev/shm/x")\nfor _ in range(256): f.write(bytes(1 << 20)); g.write(bytes(1 << 20))\nf.flush(); g.flush(); time.sleep(20)',
    ),
    causes: ['memory'],
  },
  { ...probe('fills the disk with one file', 'cat /dev/zero > big; sleep 20'), causes: ['disk'] },
  {
    ...probe(
      'fills the disk with many files',
      'i=0; while :; do i=$((i+1)); head -c 1000000 /dev/zero > f$i || sleep 20; done',
    ),
    causes: ['disk'],
  },
  {
    ...probe(
      'fills the disk with a file that it unlinked',
      'exec 9>big; rm big; cat /dev/zero >&9; sleep 20',
    ),
    causes: ['disk'],
  },
  {
    ...probe(
      'fills the disk below a name that is no text',
      'd=$(printf "d\\377"); mkdir "$d"; cat /dev/zero > "$d/$(printf "f\\377")"; sleep 20',
    ),
    causes: ['disk'],
  },
  {
    ...probe(
      'sets aside blocks beyond a file',
      'touch big; fallocate --keep-size --length 200MiB big && sleep 20',
    ),
    causes: ['disk'],
  },
  {
    ...python(
      'fills the disk deeper than a path is long',
      'import os\nfor i in range(30): os.mkdir("d" * 200); os.chdir("d" * 200)\nf = open("big", "wb")\nwhile True: f.write(bytes(1 << 20))',
    ),
    causes: ['disk'],
  },
  { ...probe('a bomb of processes', 'b() { b | b & }; b; sleep 20'), causes: ['processes', 'time'] },
  { ...probe('never ends', 'while :; do :; done'), causes: ['time'] },
  {
    ...probe('leaves a child behind', 'setsid sleep 1000 & setsid sleep 1000 & sleep 1000'),
    causes: ['time'],
  },
]
