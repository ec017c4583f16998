"""Works that several servers do in turn, and their table: what h2.py and ws.py share."""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import statistics
import sys
from collections.abc import Callable

import report
from figures import OTHERS_SHARE_MAX, Cost
from processes import Failed
from servers import Program, started


def say(text: str) -> None:
    print(f"-- {text}", file=sys.stderr, flush=True)


def median(numbers) -> float:
    return statistics.median(list(numbers))


def measure(
    name: str,
    servers: dict[str, Callable[[], Program]],
    cost: Callable[[int, int, int], Cost],
    rounds: int,
    seconds: int,
    failures: list[str],
) -> dict[str, list[Cost]]:
    """Every server runs throughout; each round asks them in turn. cost(pid, port, seconds)."""
    costs: dict[str, list[Cost]] = {}
    with contextlib.ExitStack() as stack:
        up = {}
        for server, find in servers.items():
            try:
                up[server] = stack.enter_context(started(find()))
                cost(*up[server], 1)  # compilers have compiled then, and memory is there
                costs[server] = []
            except Failed as why:
                failures.append(f"{name}, {server}: {why}")
                up.pop(server, None)
        for index in range(rounds):
            say(f"{name}, round {index + 1} of {rounds}")
            for server in list(up):
                try:
                    costs[server].append(cost(*up[server], seconds))
                except Failed as why:
                    failures.append(f"{name}, {server}: {why}")
                    del up[server], costs[server]
    return costs


def table(found: list[tuple[str, dict[str, list[Cost]]]]) -> list[str]:
    lines = ["| work | server | CPU us | user us | / inline |", "|---|---|---:|---:|---:|"]
    for work, costs in found:
        ours = costs.get("inline")
        for server, all_of in costs.items():
            ratio = "-"
            if ours and len(ours) == len(all_of):
                pairs = zip(all_of, ours, strict=True)
                ratio = format(median(a.total_us / b.total_us for a, b in pairs), ".2f")
            total, user = median(c.total_us for c in all_of), median(c.user_us for c in all_of)
            lines.append(f"| {work} | {server} | {total:.2f} | {user:.2f} | {ratio} |")
    return lines


def conditions(
    found: list[tuple[str, dict[str, list[Cost]]]], command: str, rounds: int, seconds: int
) -> list[str]:
    shares = [c.others_share for _, costs in found for of in costs.values() for c in of]
    lines = [
        f"- {datetime.date.today().isoformat()}, `{command}`: {rounds} rounds, each server in "
        f"turn, {seconds} s each; medians, and medians of the rounds' ratios",
        f"- {report.cpu_model()}, {os.cpu_count()} CPUs ({report.siblings()}), Linux "
        f"{platform.release()}; server on one, load on the other",
        f"- taken by other programs from these CPUs: {median(shares):.0%} in the median run, "
        f"{max(shares):.0%} at most",
    ]
    if median(shares) > OTHERS_SHARE_MAX:
        lines.append("- other programs had too much of them: a look, not to be quoted")
    return lines


def join(parts: list[list[str]], failures: list[str]) -> str:
    if failures:
        parts = [*parts, ["Without a number:", "", *(f"- {one}" for one in failures)]]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"
