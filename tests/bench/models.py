"""`./dev bench models`: what each execution model serves when a request takes 100 ms, in which
nothing is computed; with how much memory; how a client fares beside ten thousand slow ones; and
what a request that takes no time costs. See docs/performance.md.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import json
import math
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys

import figures
import report
from processes import LOAD_CORE, SERVER_CORE, Cores, Failed, run_load, running, tree
from servers import Program, built, ours, started, version

CLIENTS = 1_000
SLOW_CONNECTIONS = 10_000
PROBES = 20
BEGIN = "<!-- models: begin -->"
END = "<!-- models: end -->"


@dataclasses.dataclass
class Model:
    name: str
    arguments: list[str]
    expected: str
    # Of the best round: other programs can only take from it.
    rate: float = 0
    p50_ms: float = 0
    slow_p50_ms: float = math.inf
    slow_max_ms: float = 0
    # Of all rounds.
    others: list[float] = dataclasses.field(default_factory=list)
    resident_bytes: int = 0
    slow_resident_bytes: int = 0
    failure: str = ""

    def program(self) -> Program:
        path = built("bench_models_server")
        return Program(lambda _folder, _port: [path, *self.arguments], version())


def models() -> list[Model]:
    return [
        Model("function sleeps, 1 worker", ["blocking"], "10"),
        Model("pool of 8, 1 worker", ["pool", "8"], "80"),
        Model("pool of 32, 1 worker", ["pool", "32"], "320"),
        Model("events, 1 worker", ["events", "1"], "10,000"),
        Model("events, 2 workers", ["events", "2"], "10,000"),
    ]


def say(text: str) -> None:
    print(f"-- {text}", file=sys.stderr, flush=True)


def resident(pid: int) -> int:
    """All that is in memory for a process and its children, the library's own pages too."""
    total = 0
    for one in tree(pid):
        status = pathlib.Path(f"/proc/{one}/status").read_text()
        total += int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)[1]) * 1024
    return total


@contextlib.contextmanager
def noting(row: Model | Hello):
    """What fails is written down and leaves the others alone."""
    try:
        yield
    except Failed as why:
        say(f"{row.name}: {why}")
        row.failure = str(why)


def serve(model: Model, seconds: int) -> None:
    """Closed loop: each client asks again once it is answered."""
    with started(model.program()) as (pid, port):
        cores, own = Cores(), figures.own_s(pid)
        text = run_load(figures.load("clients", port, seconds, CLIENTS), seconds + 60)
        answer = json.loads(text)
        if answer["answers"] / seconds > model.rate:
            model.rate, model.p50_ms = answer["answers"] / seconds, answer["p50_us"] / 1e3
        model.others.append(cores.others_share(figures.own_s(pid) - own))
        model.resident_bytes = max(model.resident_bytes, resident(pid))


def beside_slow(model: Model) -> None:
    """A client that is in order, among connections whose heads never end."""
    with (
        started(model.program()) as (pid, port),
        running(
            figures.load("slow", port, SLOW_CONNECTIONS),
            LOAD_CORE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        line = process.stdout.readline().strip()
        if line != "ready":
            raise Failed(line or "the load ended")
        answer = json.loads(run_load(figures.load("probe", port, PROBES), 120))
        if answer["p50_us"] / 1e3 < model.slow_p50_ms:
            model.slow_p50_ms, model.slow_max_ms = answer["p50_us"] / 1e3, answer["max_us"] / 1e3
        model.slow_resident_bytes = max(model.slow_resident_bytes, resident(pid))
        left, _ = process.communicate(timeout=60)
        if process.returncode != 0:
            raise Failed(left.strip())


@dataclasses.dataclass
class Hello:
    name: str
    costs: list[figures.Cost] = dataclasses.field(default_factory=list)
    instructions: float | None = None
    failure: str = ""


def hello(rounds: int, seconds: int) -> list[Hello]:
    """A request that takes no time: what the way to the function and back costs."""
    rows = [Hello(name) for name in ("inline", "queue", "pool")]
    with contextlib.ExitStack() as stack:
        up = []
        for row in rows:
            pid, port = stack.enter_context(started(ours(row.name)()))
            figures.answer_bytes(port)
            figures.warm_up(port)
            up.append((row, pid, port))
        for index in range(rounds):
            say(f"hello, round {index + 1} of {rounds}")
            for row, pid, port in up:
                with noting(row):
                    row.costs.append(figures.cost(pid, port, seconds, pipelined=False))
    for row in rows:
        say(f"hello, instructions of {row.name}")
        with noting(row):
            row.instructions = figures.instructions(ours(row.name)())
    return rows


def mib(count: int) -> str:
    return f"{count / 2**20:.1f}"


def row_of(model: Model) -> str:
    if model.failure:
        return f"| {model.name} | {model.expected} | - | - | - | - | - | - |"
    return (
        f"| {model.name} | {model.expected} | {model.rate:,.0f} "
        f"| {model.p50_ms:,.0f} | {mib(model.resident_bytes)} "
        f"| {model.slow_p50_ms:,.0f} | {model.slow_max_ms:,.0f} "
        f"| {mib(model.slow_resident_bytes)} |"
    )


def hello_row(row: Hello) -> str:
    total = report.median([one.total_us for one in row.costs], ".2f")
    return f"| {row.name} | {total} | {report.number(row.instructions)} |"


def render(all_models: list[Model], rows: list[Hello], args: argparse.Namespace) -> str:
    rounds, seconds = shape(args)
    shares = [share for model in all_models for share in model.others] or [0.0]
    lines = [
        f"- {datetime.date.today().isoformat()}, `{args.command}`, {version()}: {rounds} rounds of "
        f"{seconds} s, the best of which counts",
        f"- {report.cpu_model()}, {os.cpu_count()} CPUs ({report.siblings()}), Linux "
        f"{platform.release()}; all of the server on CPU {SERVER_CORE}, load on CPU {LOAD_CORE}",
        f"- taken by other programs from these CPUs: {statistics.median(shares):.0%} in the median "
        f"run, {max(shares):.0%} at most",
        "",
        "| 100 ms a request | at most /s | requests/s | p50 ms | RSS MiB | slow: p50 ms "
        "| slow: max ms | slow: RSS MiB |",
        "|---|" + "---:|" * 7,
        *map(row_of, all_models),
        "",
        f"requests/s, p50: {CLIENTS:,} clients, each with one connection, that ask again once they "
        "are answered; at most: what the waiting alone allows. RSS: resident memory of the server "
        f"then. slow: {PROBES} requests, one after the other, each on a new connection, beside "
        f"{SLOW_CONNECTIONS:,} connections that send a byte of an endless head every 5 s and come "
        "again when they are closed.",
        "",
        "| hello | CPU us | instr. |",
        "|---|---:|---:|",
        *map(hello_row, rows),
        "",
        "A request that takes no time, as in the table of `./dev bench h1`: CPU (user + system) of "
        f"the server, {figures.CONNECTIONS} connections, by wrk, median; and user-space "
        "instructions, by callgrind. With queue and pool the threads share one CPU.",
    ]
    failed = [f"- {one.name}: {one.failure}" for one in (*all_models, *rows) if one.failure]
    if failed:
        lines += ["", "Failed:", "", *failed]
    return "\n".join(lines) + "\n"


def shape(args: argparse.Namespace) -> tuple[int, int]:
    return (1, 3) if args.quick else (3, max(args.seconds, 10))


def bench_models(args: argparse.Namespace) -> int:
    rounds, seconds = shape(args)
    all_models = models()
    for model in all_models:
        with noting(model):
            for index in range(rounds):
                say(f"{model.name}, round {index + 1} of {rounds}")
                serve(model, seconds)
                say(f"{model.name}, beside slow connections")
                beside_slow(model)
    rows = hello(1 if args.quick else 5, 1 if args.quick else args.seconds)
    text = render(all_models, rows, args)
    print(text, end="")
    if args.write:
        report.replace_between_markers(args.write, text, BEGIN, END)
        say(f"written to {args.write}")
    return 1 if any(one.failure for one in (*all_models, *rows)) else 0
