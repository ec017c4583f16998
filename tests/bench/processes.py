"""Programs under measurement: started on one core, watched through /proc, always stopped."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator

SERVER_CORE = 0
LOAD_CORE = 1
TICKS_PER_S = os.sysconf("SC_CLK_TCK")

_libc = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


class Failed(Exception):
    """A measurement that gives no number, and why."""


def _prepare(core: int):
    """For the child, before the program: it must not outlive us, not even if we are killed."""

    def prepare() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        os.sched_setaffinity(0, {core})

    return prepare


@contextlib.contextmanager
def running(command: list[str], core: int, **options) -> Iterator[subprocess.Popen]:
    """A program on one core, in a process group of its own, that ends with the block."""
    process = subprocess.Popen(
        command, start_new_session=True, preexec_fn=_prepare(core), text=True, **options
    )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen, patience_s: float = 5) -> None:
    """SIGTERM, and what is left after a while SIGKILL; its children too."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()


def run_load(command: list[str], timeout_s: float) -> str:
    """Runs a load generator to its end and gives what it printed."""
    with running(command, LOAD_CORE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            text, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise Failed(f"{command[0]} did not end within {timeout_s:.0f} s") from None
    if process.returncode != 0:
        raise Failed(text.strip().splitlines()[0] if text.strip() else f"{command[0]} failed")
    return text


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for one in found:
        for path in pathlib.Path(f"/proc/{one}/task").glob("*/children"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found += [int(child) for child in path.read_text().split()]
    return found


def cpu_s(pid: int) -> tuple[float, float]:
    """User and system seconds of a process and its descendants so far."""
    user = system = 0
    for one in tree(pid):
        fields = pathlib.Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        user += int(fields[11])
        system += int(fields[12])
    return user / TICKS_PER_S, system / TICKS_PER_S


def anonymous_bytes(pid: int) -> int:
    """Resident memory that is the programs' own: heap, stacks, maps without a file."""
    total = 0
    for one in tree(pid):
        status = pathlib.Path(f"/proc/{one}/status").read_text()
        total += int(re.search(r"^RssAnon:\s+(\d+) kB", status, re.MULTILINE)[1]) * 1024
    return total


def settled_bytes(pid: int) -> int:
    """The same, once it has stopped changing."""
    deadline = time.monotonic() + 10
    last, same = anonymous_bytes(pid), 0
    while same < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
        now = anonymous_bytes(pid)
        same = same + 1 if now == last else 0
        last = now
    return last


class Cores:
    """How much of our two cores went to anybody else: other programs, and the hypervisor."""

    def __init__(self) -> None:
        self._busy = self._read()
        self._began = time.monotonic()

    @staticmethod
    def _read() -> int:
        wanted = {f"cpu{SERVER_CORE}", f"cpu{LOAD_CORE}"}
        busy = 0
        for line in pathlib.Path("/proc/stat").read_text().splitlines():
            name, *ticks = line.split()
            if name in wanted:
                user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, ticks[:8])
                busy += user + nice + system + irq + softirq + steal
        return busy

    def others_share(self, own_s: float) -> float:
        """Since it was made, given the seconds that were our own: 0 to 1."""
        elapsed = time.monotonic() - self._began
        busy = (self._read() - self._busy) / TICKS_PER_S
        return max(0.0, (busy - own_s) / (2 * elapsed))


def free_port() -> int:
    """For servers that cannot be told to take any. Another program may take it meanwhile; then
    the server does not start, and says so."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_until_listening(process: subprocess.Popen, port: int, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Failed(f"ended at once with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise Failed(f"did not listen within {patience_s:.0f} s")


def read_port(process: subprocess.Popen) -> int:
    """For servers that print it. Nothing comes when the server has died."""
    line = process.stdout.readline().strip()
    if not line.isdigit():
        raise Failed(f"printed no port but {line!r}")
    return int(line)
