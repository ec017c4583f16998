"""The tables of a run, as Markdown."""

from __future__ import annotations

import dataclasses
import datetime
import os
import pathlib
import platform
import re
import statistics

from figures import (
    CONNECTIONS,
    IDLE_CONNECTIONS,
    OTHERS_SHARE_MAX,
    RATE_PER_S,
    Cost,
    Tail,
)
from processes import LOAD_CORE, SERVER_CORE, Failed
from servers import Server

BEGIN = "<!-- measured: begin -->"
END = "<!-- measured: end -->"


@dataclasses.dataclass
class Result:
    server: Server
    version: str = ""
    answer_bytes: int = 0
    # One of each round, in the order of the rounds: those of one round are compared.
    keep_alive: list[Cost] = dataclasses.field(default_factory=list)
    pipelined: list[Cost] = dataclasses.field(default_factory=list)
    tails: list[Tail] = dataclasses.field(default_factory=list)
    instructions: float | None = None
    idle_bytes: float | None = None
    failures: dict[str, str] = dataclasses.field(default_factory=dict)


def median(numbers: list[float], form: str) -> str:
    return format(statistics.median(numbers), form) if numbers else "-"


def ratio(ours: list[Cost], theirs: list[Cost] | None) -> str:
    """The median of the rounds' ratios: both sides of each saw the same weather."""
    if not ours or not theirs or len(ours) != len(theirs):
        return "-"
    return median([a.total_us / b.total_us for a, b in zip(ours, theirs, strict=True)], ".2f")


def quiet(tails: list[Tail]) -> list[Tail]:
    return [one for one in tails if one.others_share <= OTHERS_SHARE_MAX]


def latency(result: Result, which: str) -> str:
    """A latency is quoted when most rounds had the cores to themselves."""
    good = quiet(result.tails)
    if not good or 2 * len(good) <= len(result.tails):
        return "-"
    return median([getattr(one, which) for one in good], ".0f")


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def row(result: Result, by_name: dict[str, Result]) -> str:
    def against(work: str, name: str) -> str:
        other = by_name.get(name)
        return ratio(getattr(result, work), getattr(other, work) if other else None)

    cells = [result.server.name]
    for work, form in (("keep_alive", ".2f"), ("pipelined", ".3f")):
        costs = getattr(result, work)
        cells.append(median([one.total_us for one in costs], form))
        cells.append(median([one.user_us for one in costs], form))
        cells.append(against(work, "floor"))
        cells.append(against(work, "inline"))
    cells.append(number(result.instructions))
    cells.append(number(result.idle_bytes))
    cells.append(latency(result, "p50_us"))
    cells.append(latency(result, "p99_us"))
    return "| " + " | ".join(cells) + " |"


def cpu_model() -> str:
    text = pathlib.Path("/proc/cpuinfo").read_text()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def siblings() -> str:
    path = pathlib.Path(f"/sys/devices/system/cpu/cpu{SERVER_CORE}/topology/thread_siblings_list")
    listed = path.read_text().strip() if path.exists() else ""
    same = str(LOAD_CORE) in re.split(r"[,-]", listed)
    return "two threads of one core" if same else "two cores"


def others(results: list[Result]) -> str:
    shares = [one.others_share for r in results for one in (*r.keep_alive, *r.pipelined, *r.tails)]
    if not shares:
        return "nothing was measured"
    return f"{statistics.median(shares):.0%} in the median run, {max(shares):.0%} at most"


def facts(results: list[Result], command: str, rounds: int, seconds: int) -> list[str]:
    lines = [
        f"- {datetime.date.today().isoformat()}, `{command}`: {rounds} rounds, each server in "
        f"turn, {seconds} s each; medians, and medians of the rounds' ratios",
        f"- {cpu_model()}, {os.cpu_count()} CPUs ({siblings()}), Linux {platform.release()}; "
        f"server on CPU {SERVER_CORE}, load on CPU {LOAD_CORE}",
        f"- taken by other programs from these CPUs: {others(results)}",
    ]
    if rounds < 5:
        lines.append("- fewer than 5 rounds: a look, not to be quoted")
    return lines


def table(results: list[Result]) -> list[str]:
    by_name = {one.server.name: one for one in results}
    return [
        "| | keep-alive us | user us | / floor | / inline | x16 us | user us | / floor | / inline "
        "| instr. | idle B | p50 us | p99 us |",
        "|---|" + "---:|" * 12,
        *(row(one, by_name) for one in results),
    ]


def legend() -> list[str]:
    return [
        f"keep-alive: CPU (user + system) of the server for a request, {CONNECTIONS} connections, "
        "by wrk; x16: the same, 16 requests pipelined; user: the user part of the column before it "
        "(sampled by the kernel's ticks). / floor, / inline: times the CPU of the floor and of "
        f"ours inline. instr.: user-space instructions a request, {CONNECTIONS} connections, by "
        f"callgrind. idle B: bytes of user memory for an idle connection, of {IDLE_CONNECTIONS:,}. "
        f"p50, p99: latency at {RATE_PER_S:,} requests a second over {CONNECTIONS} connections.",
    ]


def who(results: list[Result]) -> list[str]:
    lines = ["| server | version | answer | what |", "|---|---|---:|---|"]
    for one in results:
        lines.append(
            f"| {one.server.name} | {one.version or '-'} | {number(one.answer_bytes or None)} B "
            f"| {one.server.what} |"
        )
    return lines


def failures(results: list[Result]) -> list[str]:
    lines = []
    for one in results:
        for what, why in one.failures.items():
            lines.append(f"- {one.server.name}, {what}: {why}")
        if one.tails and latency(one, "p99_us") == "-":
            lines.append(
                f"- {one.server.name}, p50 and p99: not quoted, other programs took more than "
                f"{OTHERS_SHARE_MAX:.0%} of the CPUs in {len(one.tails) - len(quiet(one.tails))} "
                f"of {len(one.tails)} rounds"
            )
    return ["Without a number:", "", *lines] if lines else []


def render(results: list[Result], command: str, rounds: int, seconds: int) -> str:
    parts = [
        facts(results, command, rounds, seconds),
        table(results),
        legend(),
        who(results),
        failures(results),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def replace_between_markers(
    path: pathlib.Path, text: str, begin: str = BEGIN, end: str = END
) -> None:
    page = path.read_text()
    if page.count(begin) != 1 or page.count(end) != 1 or page.index(begin) > page.index(end):
        raise Failed(f"{path} lacks the lines {begin} and {end}")
    before, after = page.partition(begin)[0], page.partition(end)[2]
    path.write_text(f"{before}{begin}\n\n{text}\n{end}{after}")
