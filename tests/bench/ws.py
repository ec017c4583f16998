"""`./dev bench ws`: WebSocket echo and fan-out beside the floor (an epoll loop), bun, and ws on
node; and what idle connections cost in memory, WebSockets and TLS among them. See
docs/performance.md.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import json
import pathlib
import re
import shutil
import subprocess
import tempfile

import report
from figures import Cost, own_s
from h2 import certificate, nginx
from processes import LOAD_CORE, Cores, Failed, cpu_s, run_load, running, settled_bytes
from rounds import conditions, join, measure, say, table
from servers import (
    CACHE,
    HERE,
    PATH,
    Program,
    built,
    bun_of_npm,
    last_line,
    need_package,
    started,
    version,
    version_of,
)

BEGIN = "<!-- ws: begin -->"
END = "<!-- ws: end -->"
WS_VERSION = "8.23.0"
CONNECTIONS = 64
IN_FLIGHT = 8
SUBSCRIBERS = 10_000
COMPRESSED_SUBSCRIBERS = 1_000
ECHO_BYTES = 32
NEWS_BYTES = 64
COMPRESSED_BYTES = 512
IDLE_CONNECTIONS = 10_000


# -- servers ---------------------------------------------------------------------------------------


def floor() -> Program:
    return Program(lambda _folder, _port: [built("bench_ws_floor")], version())


def ours() -> Program:
    return Program(lambda _folder, _port: [built("bench_ws_server")], version())


def bun() -> Program:
    program = shutil.which("bun", path=PATH) or bun_of_npm()
    script = str(HERE / "ws_bun.js")
    return Program(lambda _folder, _port: [program, script], version_of([program, "--version"], {}))


@functools.cache
def ws_of_npm() -> str:
    """The folder of node's modules that has ws."""
    folder = CACHE / "bench" / f"ws-{WS_VERSION}"
    modules = folder / "node_modules"
    if not (modules / "ws/package.json").exists():
        npm = shutil.which("npm", path=PATH)
        if not npm:
            raise Failed("cannot be had: no npm on PATH")
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--prefix", folder, f"ws@{WS_VERSION}"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0 or not (modules / "ws/package.json").exists():
            raise Failed(f"cannot be had: {last_line(done)}")
    return str(modules)


def node() -> Program:
    program = shutil.which("node", path=PATH)
    if not program:
        raise Failed("cannot be had: no node on PATH")
    script = str(HERE / "ws_node.js")
    return Program(
        lambda _folder, _port: [program, script],
        f"{WS_VERSION} on node {version_of([program, '--version'], {})}",
        {"NODE_PATH": ws_of_npm()},
    )


def tls_floor() -> Program:
    command = [built("bench_tls_floor"), *certificate()]
    return Program(lambda _folder, _port: command, version())


def tls_ours() -> Program:
    command = [built("bench_ws_server"), *certificate()]
    return Program(lambda _folder, _port: command, version())


# -- CPU a message ---------------------------------------------------------------------------------


@dataclasses.dataclass
class Work:
    name: str
    what: str
    load: tuple  # of bench_ws_load: the mode, and all behind the port but the seconds
    servers: dict
    more: tuple = ()  # behind the seconds


ALL = {"floor": floor, "inline": ours, "bun": bun, "ws": node}
WITH_DEFLATE = {"inline": ours, "bun": bun, "ws": node}
WORKS = [
    Work(
        "echo",
        f"text of {ECHO_BYTES} bytes and back, {CONNECTIONS} connections with {IN_FLIGHT} in "
        "flight each; a message",
        ("echo", CONNECTIONS, IN_FLIGHT, ECHO_BYTES),
        ALL,
    ),
    Work(
        "echo, one at a time",
        "the same with one in flight",
        ("echo", CONNECTIONS, 1, ECHO_BYTES),
        ALL,
    ),
    Work(
        "fan-out",
        f"text of {NEWS_BYTES} bytes to {SUBSCRIBERS:,} subscribers, the next when all have it; "
        "a delivered message",
        ("fanout", SUBSCRIBERS, 1, NEWS_BYTES),
        ALL,
    ),
    Work(
        "fan-out, 8 in a row",
        "the same with 8 published in one write",
        ("fanout", SUBSCRIBERS, 8, NEWS_BYTES),
        ALL,
    ),
    Work(
        "fan-out, compressed",
        f"text of {COMPRESSED_BYTES} bytes to {COMPRESSED_SUBSCRIBERS:,} subscribers with "
        "permessage-deflate, without a context between messages where the server agrees to that; "
        "a delivered message",
        ("fanout", COMPRESSED_SUBSCRIBERS, 1, COMPRESSED_BYTES),
        WITH_DEFLATE,
        ("deflate",),
    ),
]


def cost(work: Work, pid: int, port: int, seconds: int) -> Cost:
    """Connecting and closing are left out: the load says when it is connected, and holds on."""
    mode, *rest = work.load
    command = [built("bench_ws_load"), mode, str(port), *map(str, rest), str(seconds), *work.more]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with running(command, LOAD_CORE, **pipes) as load:
        line = load.stdout.readline().strip()
        if line != "ready":
            raise Failed(line or "the load ended")
        cores, own = Cores(), own_s(pid) + sum(cpu_s(load.pid))
        before = cpu_s(pid)
        load.stdin.write("go\n")
        load.stdin.flush()
        line = load.stdout.readline().strip()
        after = cpu_s(pid)
        if not line.startswith("{"):
            raise Failed(line or "the load ended")
        share = cores.others_share(own_s(pid) + sum(cpu_s(load.pid)) - own)
        messages = json.loads(line)["messages"]
    user, system = (b - a for a, b in zip(before, after, strict=True))
    return Cost((user + system) / messages * 1e6, user / messages * 1e6, share)


def instructions(program: Program, few: int = 4_000, many: int = 24_000) -> float:
    """User-space instructions a message of echo, by callgrind; as figures.instructions."""
    return (_collected(program, many) - _collected(program, few)) / (many - few)


def _collected(program: Program, messages: int) -> int:
    valgrind = need_package("valgrind", "valgrind")
    with tempfile.TemporaryDirectory(prefix="httpcore-bench-") as folder:
        out = f"--callgrind-out-file={folder}/out.%p"
        wrapper = (valgrind, "--tool=callgrind", "-q", "--vgdb=no", out)
        with started(program, wrapper, patience_s=60) as (_, port):
            command = [built("bench_ws_load"), "count", port, CONNECTIONS, IN_FLIGHT]
            run_load([*map(str, command), str(ECHO_BYTES), str(messages)], 300)
        texts = [path.read_text() for path in pathlib.Path(folder).iterdir()]
        found = [re.search(r"^totals: (\d+)", text, re.MULTILINE) for text in texts]
        if not found or not all(found):
            raise Failed("callgrind wrote nothing")
        return sum(int(one[1]) for one in found)


# -- memory ----------------------------------------------------------------------------------------


@dataclasses.dataclass
class Idle:
    name: str
    load: object  # (port, connections) -> the command that makes them
    servers: dict


def plain_load(path: str):
    if path == "/":
        return lambda port, n: [built("bench_load"), "idle", str(port), str(n)]
    return lambda port, n: [built("bench_ws_load"), "idle", str(port), str(n), path]


def tls_load(path: str):
    return lambda port, n: [built("bench_tls_load"), str(port), str(n), path]


IDLES = [
    Idle("HTTP/1.1", plain_load("/"), {"inline": ours, "bun": bun, "node": node}),
    Idle("WebSocket", plain_load("/echo"), {"inline": ours, "bun": bun, "ws": node}),
    Idle(
        "TLS, HTTP/1.1",
        tls_load("/"),
        {"floor": tls_floor, "inline": tls_ours, "nginx": lambda: nginx(True)},
    ),
    Idle("TLS, WebSocket", tls_load("/echo"), {"floor": tls_floor, "inline": tls_ours}),
]


@contextlib.contextmanager
def idle_connections(idle: Idle, port: int, connections: int):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with running(idle.load(port, connections), LOAD_CORE, **pipes) as process:
        line = process.stdout.readline().strip()
        if line != "ready":
            raise Failed(line or "the load ended")
        yield
        left, _ = process.communicate(timeout=60)
    if process.returncode != 0:
        raise Failed(left.strip())


def idle_bytes(idle: Idle, program: Program) -> float:
    """As figures.idle_bytes: growth over a server that is warm but unconnected."""
    with started(program) as (pid, port):
        with idle_connections(idle, port, CONNECTIONS):
            pass
        before = settled_bytes(pid)
        with idle_connections(idle, port, IDLE_CONNECTIONS):
            return (settled_bytes(pid) - before) / IDLE_CONNECTIONS


# -- the table -------------------------------------------------------------------------------------


def legend(counted: dict[str, float]) -> str:
    parts = [f"{work.name}: {work.what}. " for work in WORKS]
    parts.append("floor: an epoll loop with neither HTTP nor rules. ")
    parts.append(f"bun: `Bun.serve`. ws: {WS_VERSION}, a loop over its clients. ")
    parts += [
        f"{name}: {number:,.0f} user-space instructions a message of echo. "
        for name, number in counted.items()
    ]
    return "".join(parts).strip()


def idle_table(idles: list[tuple[str, str, float]]) -> list[str]:
    lines = ["| idle | server | bytes a connection |", "|---|---|---:|"]
    return lines + [f"| {name} | {server} | {value:,.0f} |" for name, server, value in idles]


def render(found, counted, idles, failures, command: str, rounds: int, seconds: int) -> str:
    below = (
        f"User memory of the server for a connection of {IDLE_CONNECTIONS:,} that have had one "
        "answer and wait. floor: OpenSSL with one SSL a connection and buffers released, and "
        "nothing else."
    )
    head = conditions(found, command, rounds, seconds)
    parts = [head, table(found), [legend(counted)], idle_table(idles), [below]]
    return join(parts, failures)


def bench_ws(args: argparse.Namespace) -> int:
    rounds, seconds = (3, 1) if args.quick else (5, args.seconds)
    failures: list[str] = []
    idles, counted = [], {}
    for idle in IDLES:
        for name, find in idle.servers.items():
            say(f"memory of {name}, {idle.name}")
            try:
                idles.append((idle.name, name, idle_bytes(idle, find())))
            except Failed as why:
                failures.append(f"{idle.name}, {name}: {why}")
    for name, find in (("floor", floor), ("inline", ours)):
        say(f"instructions of {name}")
        try:
            counted[name] = instructions(find())
        except Failed as why:
            failures.append(f"instructions, {name}: {why}")
    found = []
    for work in WORKS:
        ask = functools.partial(cost, work)
        costs = measure(work.name, work.servers, ask, rounds, seconds, failures)
        found.append((work.name, costs))
    if not any(costs for _, costs in found):
        raise Failed("; ".join(failures))
    text = render(found, counted, idles, failures, args.command, rounds, seconds)
    print(text, end="")
    if args.write:
        report.replace_between_markers(args.write, text, BEGIN, END)
        say(f"written to {args.write}")
    return 1 if any(", inline:" in one or ", floor:" in one for one in failures) else 0
