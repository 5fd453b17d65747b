"""A script inside a scene that tries to get out, and writes down what it managed: `/out/hostile.json`, by name.

True means that it got through. Runs inside Blender when the file is opened and scripts are allowed.
"""
import ctypes
import json
import os
import signal
import socket
import subprocess

MARK = "shoal-was-here"


def reach(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.settimeout(2.0)
        one.connect(address)
    return True


def read(path):
    with open(path, "rb") as file:
        return len(file.read(64)) > 0


def write(path):
    with open(path, "w", encoding="utf-8") as file:
        file.write(MARK)
    return True


def resolve(name):
    return bool(socket.getaddrinfo(name, 80))


def abstract_socket():
    return len(open("/proc/net/unix", encoding="utf-8").readlines()) > 1


def fill(folder, mebibytes):
    with open(os.path.join(folder, "filler"), "wb") as file:
        for _ in range(mebibytes):
            file.write(b"x" * 2**20)
    os.remove(os.path.join(folder, "filler"))
    return True


def fork_bomb():
    """Got through if ten thousand processes run at once."""
    children = []
    try:
        for _ in range(10_000):
            child = os.fork()
            if child == 0:
                signal.pause()
                os._exit(0)
            children.append(child)
        return True
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
        for child in children:
            os.waitpid(child, 0)


def other_processes():
    """Beside those of this box: the sandbox's own first process, Blender and its kin."""
    ids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    names = [open(f"/proc/{one}/comm", encoding="utf-8").read().strip() for one in ids]
    return any(name not in ("bwrap", "blender", "prlimit", "sh") for name in names)


def mount():
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0


def new_namespace():
    return ctypes.CDLL(None, use_errno=True).unshare(0x10000000) == 0


def become_root():
    os.setuid(0)
    return True


def link_out(name, target):
    path = os.path.join("/out", name)
    if os.path.islink(path):
        os.remove(path)
    os.symlink(target, path)
    return False


def packed_asset():
    """A packed picture whose path leads up and out, unpacked to where it says that it came from."""
    import bpy

    image = bpy.data.images.new("escape", 4, 4)
    image.pixels[0] = 1.0
    image.update()
    image.pack()
    image.filepath = "//../../../../../../../etc/escape.png"
    image.unpack(method="WRITE_ORIGINAL")
    return os.path.exists("/etc/escape.png")


attempts = {
    "network": lambda: reach(socket.AF_INET, ("1.1.1.1", 53)),
    "host loopback": lambda: reach(socket.AF_INET, ("127.0.0.1", int("PORT_OF_TEST"))),
    "metadata address": lambda: reach(socket.AF_INET, ("169.254.169.254", 80)),
    "names": lambda: resolve("example.com"),
    "abstract sockets": abstract_socket,
    "passwords": lambda: read("/etc/passwd"),
    "home of root": lambda: bool(os.listdir("/root")),
    "homes": lambda: bool([name for name in os.listdir("/home") if name != "node"]),
    "file of the host": lambda: read("SECRET_OF_TEST"),
    "folder of other jobs": lambda: bool(os.listdir("SCRATCH_OF_TEST")),
    "link in the scene": lambda: read("/shoal-scene/link-to-secret"),
    "link upwards in the scene": lambda: read("/shoal-scene/link-upwards"),
    "path upwards": lambda: read("/shoal-scene/../../../../../etc/passwd"),
    "change the scene": lambda: write("/shoal-scene/scene.blend"),
    "add to the scene": lambda: write("/shoal-scene/new"),
    "change our script": lambda: write("/shoal/worker.py"),
    "write to the system": lambda: write("/usr/bin/new"),
    "write to the root": lambda: write("/new"),
    "packed asset": packed_asset,
    "fill memory by files": lambda: fill("/dev/shm", 1_000),
    "fill the temporary folder": lambda: fill("/tmp", 1_000),
    "a huge file": lambda: fill("/out", 1_100),
    "processes of the host": other_processes,
    "environment of the host": lambda: "HOST_MARK" in open("/proc/1/environ", encoding="utf-8").read(),
    "mount": mount,
    "another user namespace": new_namespace,
    "become root": become_root,
    "set the clock": lambda: subprocess.run(["date", "-s", "2001-01-01"], capture_output=True).returncode == 0,
    "kernel settings": lambda: write("/proc/sys/kernel/hostname"),
    "program for crashes": lambda: open("/proc/sys/kernel/core_pattern", "r+b").writable(),
    "magic keys": lambda: open("/proc/sysrq-trigger", "r+b").writable(),
    "control groups": lambda: write("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
    "fork bomb": fork_bomb,
    "link for the picture": lambda: link_out("frame-0001.png", "/tmp/picture.png"),
    "pipe for the picture": lambda: os.mkfifo("/out/frame-0002.png"),
}


def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    found = {}
    for name, attempt in attempts.items():
        try:
            found[name] = bool(attempt())
        except BaseException as error:
            found[name] = False
            print(f"{name}: {type(error).__name__} {error}")
    with open("/out/hostile.json", "w", encoding="utf-8") as file:
        json.dump(found, file)
    if "BOMB_OF_TEST" == "memory":
        held = []
        while True:
            held.append(bytearray(os.urandom(2**20) * 16))


main()
