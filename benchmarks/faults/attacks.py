"""What a hostile trial tries in a sandbox. Every attack is aimed at something made for it, and is bounded.

Each is Python source that runs in a trial and writes its name to the file ``won`` there where it succeeds. ``base`` is
a folder outside of the trial's, made for the attacks; ``told`` says where keys, a journal, sockets and a process are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_HEAD = """
import ctypes, glob, json, os, signal, socket, struct, subprocess, sys, time
base = {base!r}
told = {told!r}
def won():
    with open("won", "a") as file:
        file.write(name + "\\n")
def canary(text):
    return told["canary"] in text
"""


@dataclass(frozen=True)
class Attack:
    """One attempt. ``limit`` where it fails by being ended for what it takes: the kind of failure then is ``limit``."""

    name: str
    code: str
    limit: str = ""


ATTACKS = (
    Attack("reads a key", "if canary(open(base + '/home/.ssh/id_rsa').read()): won()"),
    Attack("reads the home folder", "if os.listdir(base + '/home'): won()"),
    Attack("reads the person's home", "if set(os.listdir(told['home'])) - set(told['shown']): won()"),
    Attack(
        "reads a key through a link", "os.symlink(base + '/home/.ssh/id_rsa', 'l')\nif canary(open('l').read()): won()"
    ),
    Attack("reads .env beside the script", "if canary(open(told['project'] + '/.env').read()): won()"),
    Attack("reads /proc/1/root", "if canary(open('/proc/1/root' + base + '/home/.ssh/id_rsa').read()): won()"),
    Attack(
        "reads the parent's root",
        "if canary(open(f'/proc/{{os.getppid()}}/root{{base}}/home/.ssh/id_rsa').read()): won()",
    ),
    Attack(
        "reads other processes' environments",
        """
for path in glob.glob('/proc/[0-9]*/environ'):
    try:
        if canary(open(path, errors='replace').read()): won()
    except OSError: pass
""",
    ),
    Attack("reads its own environment", "if any(canary(v) for v in os.environ.values()): won()"),
    Attack("writes beside its folder", "open(base + '/home/new', 'w').write('x'); won()"),
    Attack("writes into the project", "open(told['project'] + '/train.py', 'a').write('#'); won()"),
    Attack(
        "writes into Python",
        "open(os.path.join(os.path.dirname(json.__file__), 'knowhy-attack.py'), 'x').close(); won()",
    ),
    Attack("writes into another trial", "open(told['other'] + '/result.jsonl', 'a').write('{{}}'); won()"),
    Attack("reads the journal", "if open(told['journal'], 'rb').read(16): won()"),
    Attack("changes the journal", "open(told['journal'], 'ab').write(b'x'); won()"),
    Attack("deletes the journal", "os.unlink(told['journal']); won()"),
    Attack("renames the study's folder", "os.rename(told['study'], told['study'] + '-gone'); won()"),
    Attack("writes into /tmp", "open(told['shared'] + '/new', 'w').close(); won()"),
    Attack("connects over TCP", "socket.create_connection(('127.0.0.1', told['tcp']), 2); won()"),
    Attack("connects over IPv6", "socket.create_connection(('::1', told['tcp6']), 2); won()"),
    Attack(
        "sends UDP",
        """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(2)
s.sendto(b'hello', ('127.0.0.1', told['udp']))
s.recvfrom(8)
won()
""",
    ),
    Attack("asks the name server", "socket.getaddrinfo('example.com', 80); won()"),
    Attack("opens a raw socket", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3); won()"),
    Attack("connects to a unix socket", "socket.socket(socket.AF_UNIX).connect(told['unix']); won()"),
    Attack("connects to an abstract socket", "socket.socket(socket.AF_UNIX).connect('\\0' + told['abstract']); won()"),
    Attack("connects through a vsock", "s = socket.socket(socket.AF_VSOCK); s.settimeout(1); won()"),
    Attack("kills a process", "os.kill(told['pid'], signal.SIGKILL); won()"),
    Attack("kills its keeper", "os.kill(told['keeper'], signal.SIGKILL); won()"),
    Attack(
        "traces a process",
        """
if ctypes.CDLL(None, use_errno=True).ptrace(16, told['pid'], 0, 0) == 0: won()
""",
    ),
    Attack("reads a process's memory", "open(f'/proc/{{told[\"pid\"]}}/mem', 'rb'); won()"),
    Attack("sets the priority of a process", "os.setpriority(os.PRIO_PROCESS, told['pid'], 5); won()"),
    Attack(
        "makes a user namespace",
        """
if ctypes.CDLL(None, use_errno=True).unshare(0x10000000) == 0: won()
""",
    ),
    Attack(
        "mounts",
        """
os.makedirs('m', exist_ok=True)
if ctypes.CDLL(None, use_errno=True).mount(b'none', os.path.abspath('m').encode(), b'tmpfs', 0, None) == 0: won()
""",
    ),
    Attack(
        "makes a device", "os.mknod('disk', 0o600 | 0o060000, os.makedev(254, 0)); open('disk', 'rb').read(1); won()"
    ),
    Attack(
        "reads the kernel's keys",
        """
if ctypes.CDLL(None, use_errno=True).syscall(250, 0, -4, 1, 0, 0) > 0: won()
""",
    ),
    Attack("uses io_uring", "if ctypes.CDLL(None, use_errno=True).syscall(425, 8, bytes(120)) >= 0: won()"),
    Attack("sets the clock", "time.clock_settime(time.CLOCK_REALTIME, time.time()); won()"),
    Attack(
        "pushes keys into the terminal",
        """
import fcntl, termios
with open('/dev/tty', 'w') as tty: fcntl.ioctl(tty, termios.TIOCSTI, b'x')
won()
""",
    ),
    Attack(
        "outlives its trial",
        """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in (1, 2, 3, 13, 15): signal.signal(number, signal.SIG_IGN)
        open('alive', 'w').write(str(os.getpid()))
        for i in range(600):
            time.sleep(0.1)
            open('beat', 'w').write(str(i))
    os._exit(0)
while not os.path.exists('alive'): time.sleep(0.01)
""",
    ),
    Attack(
        "forks without end",
        """
made = 0
while made < 400:
    try:
        if os.fork() == 0:
            for _ in range(9):
                try:
                    if os.fork() == 0: break
                except OSError: pass
            time.sleep(20)
            os._exit(0)
        made += 1
    except OSError:
        time.sleep(0.01)
won()
""",
        "limit",
    ),
    Attack(
        "makes threads without end",
        """
import threading
threading.stack_size(65536)
for _ in range(4000): threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
won()
""",
        "limit",
    ),
    Attack(
        "eats memory",
        """
held = []
for _ in range(60):
    held.append(bytearray(os.urandom(1 << 20)) * 16)
time.sleep(3)
won()
""",
        "out_of_memory",
    ),
    Attack(
        "eats memory in /dev/shm",
        """
size = os.statvfs('/dev/shm').f_blocks * os.statvfs('/dev/shm').f_frsize
if size > told['memory'] // 2: won()
""",
    ),
    Attack(
        "fills the disk with one file",
        """
with open('big', 'wb') as file:
    for _ in range(600): file.write(bytes(1 << 20))
won()
""",
        "limit",
    ),
    Attack(
        "fills the disk with many files",
        """
for i in range(600):
    with open(f'f{{i}}', 'wb') as file: file.write(os.urandom(1 << 20))
    time.sleep(0.002)
won()
""",
        "limit",
    ),
    Attack(
        "fills the disk of /tmp",
        """
for i in range(3):
    with open(f'/var/tmp/knowhy-attack-{{i}}', 'wb') as file: file.write(bytes(1 << 20))
won()
""",
    ),
)


def source(attacks: Sequence[Attack], base: str, told: Mapping[str, object]) -> str:
    """The script of a trial that attempts ``attacks`` one after the other; ``won`` lists those that got done."""
    parts = [_HEAD.format(base=base, told=dict(told))]
    for attack in attacks:
        body = attack.code.replace("{{", "{").replace("}}", "}").strip("\n")
        indented = "\n".join(f"    {line}" for line in body.splitlines())
        parts.append(f"name = {attack.name!r}\ntry:\n{indented}\nexcept Exception as error:\n")
        parts.append("    print(name, '|', type(error).__name__, error)\n")
    return "".join((*parts, "print('loss: 1')\n"))
