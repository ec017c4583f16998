"""`./dev bench [h1|h2|ws|models|runtime]`: ours beside the floor and the peers, in one run; the
execution models side by side; or the runtime beside tokio. See docs/performance.md.

Prints Markdown on standard output and its progress on standard error. Ends with 1 when something of
ours gave no number, so that a broken server is not taken for a table with gaps.
"""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import resource
import shlex
import signal
import sys

import figures
import report
from h2 import bench_h2
from models import bench_models
from processes import Failed
from report import Result
from runtime import bench_runtime
from servers import SERVERS, Program, started
from ws import bench_ws

OURS = {"floor", "inline", "queue", "driven", "pool"}


def say(text: str) -> None:
    print(f"-- {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def noting(result: Result, what: str):
    """A figure that fails is written down once and leaves the others alone."""
    try:
        yield
    except Failed as why:
        if what not in result.failures:
            say(f"{result.server.name}, {what}: {why}")
        result.failures[what] = str(why)


def find(names: list[str]) -> dict[str, tuple[Result, Program | None]]:
    found = {}
    for server in SERVERS:
        if server.name not in names:
            continue
        result, program = Result(server), None
        with noting(result, "everything"):
            say(f"finding {server.name}")
            program = server.find()
            result.version = program.version
        found[server.name] = (result, program)
    return found


def in_turn(servers: list[tuple[Result, Program]], rounds: int, seconds: int) -> None:
    """All servers run throughout and are asked one after the other, round by round. One that fails
    in a round has no number at all: its rounds would not be those of the others."""
    with contextlib.ExitStack() as stack:
        up = []
        for result, program in servers:
            with noting(result, "everything"):
                pid, port = stack.enter_context(started(program))
                result.answer_bytes = figures.answer_bytes(port)
                figures.warm_up(port)
                up.append((result, pid, port))
        works = (
            ("keep-alive", "keep_alive", lambda *at: figures.cost(*at, seconds, False)),
            ("x16", "pipelined", lambda *at: figures.cost(*at, seconds, True)),
            ("p50 and p99", "tails", lambda *at: figures.tail(*at, seconds)),
        )
        for title, place, measure in works:
            for index in range(rounds):
                say(f"{title}, round {index + 1} of {rounds}")
                for result, *at in up:
                    if title not in result.failures:
                        with noting(result, title):
                            getattr(result, place).append(measure(*at))
            for result, *_ in up:
                if title in result.failures:
                    getattr(result, place).clear()


def one_by_one(servers: list[tuple[Result, Program]]) -> None:
    """Figures that do not depend on the weather."""
    for result, program in servers:
        if "everything" in result.failures:
            continue
        say(f"memory and instructions of {result.server.name}")
        with noting(result, "idle B"):
            result.idle_bytes = figures.idle_bytes(program)
        with noting(result, "instr."):
            if result.server.compiles:
                raise Failed("it compiles while it runs; callgrind would count the compiler")
            result.instructions = figures.instructions(program)


def check_sizes(results: list[Result]) -> None:
    """The floor must write as much as we do, or it is no floor."""
    sizes = {one.server.name: one.answer_bytes for one in results if one.answer_bytes}
    for mode in ("inline", "queue", "driven", "pool"):
        if mode in sizes and sizes.get("floor", sizes[mode]) != sizes[mode]:
            raise Failed(f"the floor answers {sizes['floor']} bytes, {mode} {sizes[mode]}")


def bench_h1(args: argparse.Namespace) -> int:
    rounds, seconds = (3, 1) if args.quick else (5, args.seconds)
    known = [server.name for server in SERVERS]
    names = [server.name for server in SERVERS if not server.on_request]
    if args.only:
        unknown = set(args.only) - set(known)
        if unknown:
            raise Failed(f"no server {', '.join(unknown)}; there are {', '.join(known)}")
        names = ["floor", *args.only]
    found = find(names)
    results = [result for result, _ in found.values()]
    servers = [(result, program) for result, program in found.values() if program]
    in_turn(servers, rounds, seconds)
    check_sizes(results)
    one_by_one(servers)
    text = report.render(results, args.command, rounds, seconds)
    print(text, end="")
    if args.write:
        report.replace_between_markers(args.write, text)
        say(f"written to {args.write}")
    broken = [one for one in results if one.server.name in OURS and one.failures]
    return 1 if broken else 0


BENCHES = {
    "h1": bench_h1,
    "h2": bench_h2,
    "ws": bench_ws,
    "models": bench_models,
    "runtime": bench_runtime,
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.split("\n")[0])
    parser.add_argument("name", nargs="?", choices=BENCHES, default="h1")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 1 s: a look")
    parser.add_argument(
        "--seconds",
        type=int,
        default=2,
        choices=range(1, 61),
        metavar="N",
        help="of each load; 2 unless told, more on a busy machine",
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        help="this server, beside the floor; may be repeated",
    )
    parser.add_argument(
        "--write",
        type=pathlib.Path,
        metavar="FILE",
        help="put the result between the markers of this page, too",
    )
    args = parser.parse_args()
    if args.only and args.name != "h1":
        parser.error("--only is for h1")
    if args.write and (args.quick or args.only):
        parser.error("--write is for whole runs")
    args.command = shlex.join(["./dev", "bench", *sys.argv[1:]])
    return args


def main() -> int:
    args = parse()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))  # unwinds, which stops the children
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        return BENCHES[args.name](args)
    except Failed as why:
        say(str(why))
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
