"""`./dev bench runtime`: what the runtime costs, beside tokio in the same run. See
docs/performance.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import os
import pathlib
import platform
import resource
import shutil
import statistics
import subprocess
import sys

import report
from processes import LOAD_CORE, SERVER_CORE, Cores, Failed
from servers import HERE, built, last_line, version, version_of

BEGIN = "<!-- runtime: begin -->"
END = "<!-- runtime: end -->"
CPUS = {SERVER_CORE, LOAD_CORE}
PATIENCE_S = 60


@dataclasses.dataclass
class Figure:
    name: str
    what: str
    # What tokio is to need at least, as a multiple of ours; what ours may need at most, in ns.
    ratio_min: float | None = None
    ns_max: float | None = None
    peer: bool = True
    workers: tuple[int, ...] = (1, 2)


FIGURES = [
    Figure("chained_spawn", "a task spawns the next, 1,000 in a row; a task", ratio_min=1.0),
    Figure("ping_pong", "1,000 pairs of tasks, each answers by a oneshot; a pair", ratio_min=1.0),
    Figure("spawn_many", "10,000 tasks from outside of the workers; a task", ratio_min=1.0),
    Figure("yield_many", "200 tasks that yield 1,000 times; a yield", ratio_min=1.0),
    Figure(
        "spawn_here",
        "tasks that stay on their worker, 100 at a time, nobody waits for one (tokio: on its "
        "runtime of one thread); a task",
        ns_max=50,
    ),
    Figure("spawn_join", "tasks from a task, 100 at a time, each is waited for; a task"),
    Figure("yield_here", "a task that yields and is alone; a yield", ns_max=20),
    Figure(
        "timer_add_cancel", "the timer wheel alone: set and cancel; a pair", ns_max=40, peer=False
    ),
    Figure("sleep_add_cancel", "a sleep that is polled once and dropped; a sleep"),
    Figure("mpsc_1", "a channel of 100, 1 sender; a message"),
    Figure("mpsc_4", "a channel of 100, 4 senders; a message"),
    Figure(
        "mutex_contended",
        "100 tasks lock a mutex 100 times, every tenth time they hold it while they yield; a lock",
    ),
]
UDP = [
    Figure("udp_send", "one at a time", peer=False, workers=(1,)),
    Figure("udp_send_many", "32 in a call (sendmmsg)", peer=False, workers=(1,)),
    Figure("udp_send_train", "a train of 32 (GSO)", peer=False, workers=(1,)),
    Figure("udp_recv", "one at a time", peer=False, workers=(1,)),
    Figure("udp_recv_many", "up to 32 in a call (recvmmsg)", peer=False, workers=(1,)),
    Figure("udp_recv_train", "a train of 32 (GRO)", peer=False, workers=(1,)),
]


@dataclasses.dataclass
class Cost:
    """Nanoseconds an operation."""

    cpu_ns: float
    wall_ns: float


@dataclasses.dataclass
class Row:
    figure: Figure
    workers: int
    ours: list[Cost] = dataclasses.field(default_factory=list)
    theirs: list[Cost] = dataclasses.field(default_factory=list)
    others: list[float] = dataclasses.field(default_factory=list)
    failures: dict[str, str] = dataclasses.field(default_factory=dict)

    def ratio(self) -> float | None:
        """The median of the rounds' ratios: both sides of each saw the same weather."""
        if not self.ours or len(self.ours) != len(self.theirs):
            return None
        pairs = zip(self.theirs, self.ours, strict=True)
        return statistics.median(them.cpu_ns / us.cpu_ns for them, us in pairs)


def say(text: str) -> None:
    print(f"-- {text}", file=sys.stderr, flush=True)


# ---- programs ------------------------------------------------------------------------------------


def peer_program() -> tuple[str, str]:
    """tokio's side, built on the way, and its version."""
    cargo = shutil.which("cargo")
    if not cargo:
        raise Failed("no cargo on PATH")
    target = pathlib.Path(built("runtime/bench_runtime")).parent / "peer"
    done = subprocess.run(
        [cargo, "build", "--release", "--locked"],
        cwd=HERE / "runtime/peer",
        env={**os.environ, "CARGO_TARGET_DIR": str(target)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Failed(f"cannot be built: {last_line(done)}")
    asked = subprocess.run(
        [cargo, "tree", "--locked", "--package", "tokio", "--depth", "0"],
        cwd=HERE / "runtime/peer",
        capture_output=True,
        text=True,
        check=False,
    )
    tokio = asked.stdout.strip().replace(" v", " ") or "tokio"
    return str(target / "release/bench-runtime-peer"), f"{tokio}, {rustc_version()}"


def rustc_version() -> str:
    return f"rustc {version_of(['rustc', '--version'], {})}"


def cpus_for(workers: int) -> set[int]:
    """One for one worker: the thread that waits for it elsewhere would wake it across CPUs, once an
    iteration, which costs more than much of what is measured."""
    return {SERVER_CORE} if workers == 1 else CPUS


def measure(program: str, figure: Figure, workers: int, cpu_ms: int) -> Cost:
    command = [program, figure.name, str(workers), str(cpu_ms)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
            preexec_fn=lambda: os.sched_setaffinity(0, cpus_for(workers)),
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"did not end within {PATIENCE_S} s") from None
    fields = done.stdout.split()
    if done.returncode != 0 or len(fields) != 4 or fields[0] != figure.name:
        raise Failed(last_line(done))
    operations, wall_ns, cpu_ns = map(int, fields[1:])
    return Cost(cpu_ns / operations, wall_ns / operations)


def children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def one_round(row: Row, programs: dict[str, str], cpu_ms: int) -> None:
    """Ours and theirs, one right after the other."""
    if row.failures:
        return
    cores, own = Cores(), children_s()
    for side, program in programs.items():
        if side == "theirs" and not row.figure.peer:
            continue
        try:
            getattr(row, side).append(measure(program, row.figure, row.workers, cpu_ms))
        except Failed as why:
            say(f"{row.figure.name}, {row.workers} workers, {side}: {why}")
            row.failures[side] = str(why)
            getattr(row, side).clear()
    row.others.append(cores.others_share(children_s() - own))


# ---- the report ----------------------------------------------------------------------------------


def ns(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def middle(costs: list[Cost], which: str) -> float | None:
    return statistics.median(getattr(one, which) for one in costs) if costs else None


def verdict(row: Row) -> str:
    """What is wanted, and whether it is there."""
    figure, ratio, own = row.figure, row.ratio(), middle(row.ours, "cpu_ns")
    if figure.ratio_min is not None and ratio is not None:
        missed = "" if ratio >= figure.ratio_min else ", missed"
        return f">= {figure.ratio_min:.1f}x{missed}"
    # What one task costs by itself; with more workers on more CPUs, waking them is in it as well.
    if figure.ns_max is not None and own is not None and row.workers == 1:
        missed = "" if own <= figure.ns_max else ", missed"
        return f"<= {figure.ns_max:.0f} ns{missed}"
    return ""


def line(row: Row) -> str:
    ratio = row.ratio()
    cells = [
        row.figure.name,
        str(row.workers),
        *(ns(middle(row.ours, which)) for which in ("cpu_ns", "wall_ns")),
        *(ns(middle(row.theirs, which)) for which in ("cpu_ns", "wall_ns")),
        "-" if ratio is None else f"{ratio:.2f}x",
        verdict(row),
    ]
    return "| " + " | ".join(cells) + " |"


def udp_line(row: Row) -> str:
    direction = "send" if "send" in row.figure.name else "receive"
    cpu, wall = middle(row.ours, "cpu_ns"), middle(row.ours, "wall_ns")
    return f"| {direction} | {row.figure.what} | {ns(cpu)} | {ns(wall)} |"


def facts(rows: list[Row], peer: str, args: argparse.Namespace) -> list[str]:
    shares = [share for row in rows for share in row.others] or [0.0]
    rounds, cpu_ms = shape(args)
    lines = [
        f"- {datetime.date.today().isoformat()}, `{args.command}`, {version()}: {rounds} rounds, "
        f"ours and tokio one after the other, {cpu_ms} ms of CPU each; medians, and medians of the "
        "rounds' ratios",
        f"- {report.cpu_model()}, {os.cpu_count()} CPUs ({report.siblings()}), Linux "
        f"{platform.release()}; both programs on CPU {SERVER_CORE}, with two workers on "
        f"CPUs {SERVER_CORE} and {LOAD_CORE}",
        f"- taken by other programs from these CPUs: {statistics.median(shares):.0%} in the median "
        f"round, {max(shares):.0%} at most",
        f"- tokio: {peer}",
    ]
    if statistics.median(shares) > 0.05:
        lines.append("- a busy machine: wall times are those of the others, too")
    if rounds < 5:
        lines.append("- fewer than 5 rounds: a look, not to be quoted")
    return lines


def render(rows: list[Row], udp: list[Row], peer: str, args: argparse.Namespace) -> str:
    whats = [f"- {figure.name}: {figure.what}" for figure in FIGURES]
    lines = [
        *facts([*rows, *udp], peer, args),
        "",
        "| | workers | ours CPU ns | wall ns | tokio CPU ns | wall ns | tokio / ours | wanted |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
        *map(line, rows),
        "",
        "CPU: user and system time of the process for an operation. tokio / ours: of the CPU time; "
        "more than 1 is less work for ours.",
        "",
        *whats,
        "",
        "| UDP, 1200 bytes | how | CPU ns | wall ns |",
        "|---|---|---:|---:|",
        *map(udp_line, udp),
        "",
        "A datagram, over the loopback, the kernel's part included: what is sent there is carried "
        "to the receiver's queue within the call that sends it.",
    ]
    failed = [
        f"- {row.figure.name}, {row.workers} workers, {side}: {why}"
        for row in [*rows, *udp]
        for side, why in row.failures.items()
    ]
    if failed:
        lines += ["", "Without a number:", "", *failed]
    return "\n".join(lines) + "\n"


def shape(args: argparse.Namespace) -> tuple[int, int]:
    return (3, 100) if args.quick else (9, 200)


def bench_runtime(args: argparse.Namespace) -> int:
    programs = {"ours": built("runtime/bench_runtime")}
    try:
        say("building tokio's side")
        programs["theirs"], peer = peer_program()
    except Failed as why:
        peer = str(why)
        say(f"tokio: {why}")
    rounds, cpu_ms = shape(args)
    rows = [Row(figure, workers) for figure in FIGURES for workers in figure.workers]
    udp = [Row(figure, workers) for figure in UDP for workers in figure.workers]
    for index in range(rounds):
        say(f"round {index + 1} of {rounds}")
        for row in [*rows, *udp]:
            one_round(row, programs, cpu_ms)
    text = render(rows, udp, peer, args)
    print(text, end="")
    if args.write:
        report.replace_between_markers(args.write, text, BEGIN, END)
        say(f"written to {args.write}")
    return 1 if any("ours" in row.failures for row in [*rows, *udp]) else 0
