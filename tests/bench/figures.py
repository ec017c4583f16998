"""The figures: how each is taken. A figure is a number or a `Failed`, never a guess."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
import resource
import socket
import subprocess
import tempfile

from processes import LOAD_CORE, Cores, Failed, cpu_s, run_load, running, settled_bytes
from servers import HERE, Program, built, need_package, started

CONNECTIONS = 64
IDLE_CONNECTIONS = 10_000
RATE_PER_S = 20_000
WARM_UP_REQUESTS = 50_000
# Latencies are those of the server only while nobody else wants the two cores.
OTHERS_SHARE_MAX = 0.05


@dataclasses.dataclass
class Cost:
    """CPU microseconds a request."""

    total_us: float
    user_us: float
    others_share: float


@dataclasses.dataclass
class Tail:
    p50_us: float
    p99_us: float
    others_share: float


def own_s(pid: int) -> float:
    """Seconds of the server, and of the loads that have ended."""
    load = resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(cpu_s(pid)) + load.ru_utime + load.ru_stime


def wrk(port: int, seconds: int, pipelined: bool) -> int:
    """Requests answered. Refuses a run with any error: a fast 404 is not a fast server."""
    command = [need_package("wrk", "wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s"]
    command.append(f"http://127.0.0.1:{port}/")
    if pipelined:
        command += ["-s", str(HERE / "pipeline.lua")]
    text = run_load(command, seconds + 20)
    for bad in ("Socket errors", "Non-2xx"):
        found = re.search(rf"^.*{bad}.*$", text, re.MULTILINE)
        if found:
            raise Failed(f"wrk: {found[0].strip()}")
    found = re.search(r"^\s*(\d+) requests in ", text, re.MULTILINE)
    if not found or int(found[1]) == 0:
        raise Failed("wrk: no requests")
    return int(found[1])


def cost(pid: int, port: int, seconds: int, pipelined: bool) -> Cost:
    cores, own = Cores(), own_s(pid)
    user, system = cpu_s(pid)
    requests = wrk(port, seconds, pipelined)
    user, system = (
        after - before for after, before in zip(cpu_s(pid), (user, system), strict=True)
    )
    if user + system < 0.1:
        raise Failed(f"only {user + system:.2f} s of CPU: too short a run for the clock's ticks")
    return Cost(
        (user + system) / requests * 1e6,
        user / requests * 1e6,
        cores.others_share(own_s(pid) - own),
    )


def load(*arguments: object) -> list[str]:
    return [built("bench_load"), *map(str, arguments)]


def warm_up(port: int) -> None:
    """Compilers have compiled and caches are filled. Counted, not timed: on a busy machine a second
    may be next to nothing."""
    run_load(load("count", port, WARM_UP_REQUESTS, CONNECTIONS), 120)


def tail(pid: int, port: int, seconds: int) -> Tail:
    cores, own = Cores(), own_s(pid)
    text = run_load(load("rate", port, RATE_PER_S, seconds, CONNECTIONS), seconds + 30)
    answer = json.loads(text)
    return Tail(answer["p50_us"], answer["p99_us"], cores.others_share(own_s(pid) - own))


def idle_bytes(program: Program) -> float:
    """User memory for each connection that has had one answer and waits: growth over a server
    that is warm but unconnected. What a server sets aside before is not seen."""
    with started(program) as (pid, port):
        run_load(load("count", port, 2_000, CONNECTIONS), 60)
        before = settled_bytes(pid)
        with running(
            load("idle", port, IDLE_CONNECTIONS),
            LOAD_CORE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            line = process.stdout.readline().strip()
            if line != "ready":
                raise Failed(line or "the load ended")
            grown = settled_bytes(pid) - before
            # They must still be there, or this is the memory of connections that were closed.
            left, _ = process.communicate(timeout=60)
        if process.returncode != 0:
            raise Failed(left.strip())
        return grown / IDLE_CONNECTIONS


def instructions(program: Program, few: int = 2_000, many: int = 12_000) -> float:
    """User-space instructions a request, by callgrind: two runs, so that starting and ending
    cancel out."""
    return (_collected(program, many) - _collected(program, few)) / (many - few)


def _collected(program: Program, requests: int) -> int:
    valgrind = need_package("valgrind", "valgrind")
    with tempfile.TemporaryDirectory(prefix="httpcore-bench-") as folder:
        # nginx's worker is not root; each process writes a file of its own.
        pathlib.Path(folder).chmod(0o777)
        wrapper = (
            valgrind,
            "--tool=callgrind",
            "-q",
            "--vgdb=no",
            f"--callgrind-out-file={folder}/out.%p",
        )
        with started(program, wrapper, patience_s=60) as (_, port):
            run_load(load("count", port, requests, CONNECTIONS), 300)
        total = 0
        for path in pathlib.Path(folder).iterdir():
            found = re.search(r"^totals: (\d+)", path.read_text(), re.MULTILINE)
            if not found:
                raise Failed(f"callgrind could not write {path.name}")
            total += int(found[1])
        if total == 0:
            raise Failed("callgrind wrote nothing")
        return total


def answer_bytes(port: int) -> int:
    """The size of one answer, and that it is the one we mean."""
    with socket.create_connection(("127.0.0.1", port), 5) as one:
        one.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        text = b""
        while not text.endswith(b"\r\n\r\nhello"):
            more = one.recv(4096)
            text += more
            if not more:
                raise Failed(f"answers {text[:60]!r}")
    if not text.startswith(b"HTTP/1.1 200 "):
        raise Failed(f"answers {text[:60]!r}")
    return len(text)
