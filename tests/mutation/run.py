#!/usr/bin/env python3
"""Breaks the contracts of httpcore.h one by one and asks whether the tests notice.

    run.py [--list] [--keep FOLDER] [--junit FILE] [--jobs N] [NAME...]

For each entry of mutations.toml (or those whose name contains a NAME): the change is made in a copy
of the tree, what depends on it is built again, and the tests that must notice run, once or as often
as `repeat` says. A test that fails, a crash and a hang all count as noticed. The copy has a build
folder of its own, with AddressSanitizer, so that a touch of freed memory is a crash. All tests run
without any change first; those that fail then prove nothing, and their mutations count as not
noticed.

  --keep FOLDER   the copy, used again by the next run, which then builds only what has changed
  --junit FILE    a report as ./dev soak counts it

Exit 1 if anything was not noticed, 2 if the table does not fit the tree (a `find` that does not
stand exactly once in its file, a filter that names no test, a change that does not compile).
Run it with the Python that has Meson: the one in ./dev's environment, or one beside a `meson`.
"""

import argparse
import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OPTIONS = [
    "-Dbuildtype=custom",
    "-Doptimization=0",
    "-Ddebug=false",
    "-Db_ndebug=false",
    "-Db_sanitize=address",
    "-Db_lundef=false",
    "-Dtests=enabled",
    "-Dexamples=false",
]
# A hang is what takes so much longer than the same tests took without the change, and at least
# longer than their own patience.
HANG_SECONDS, HANG_FACTOR = 90, 10
SETTLED_RUNS = 3  # so often the unchanged tests must pass


class TableError(Exception):
    """The table does not fit the tree."""


@dataclass(frozen=True)
class Mutation:
    name: str
    contract: str
    file: str
    find: str
    replace: str
    tests: str
    program: str = "capi_contract"
    repeat: int = 1

    @property
    def run(self):
        return self.program, self.tests


@dataclass
class Outcome:
    mutation: Mutation
    noticed: bool
    how: str
    seconds: float


def load(names):
    with open(HERE / "mutations.toml", "rb") as table:
        mutations = [Mutation(**entry) for entry in tomllib.load(table)["mutation"]]
    if len({mutation.name for mutation in mutations}) < len(mutations):
        raise TableError("two mutations have one name")
    chosen = [m for m in mutations if not names or any(name in m.name for name in names)]
    if not chosen:
        raise TableError(f"no mutation is called {' or '.join(names)}")
    return sorted(chosen, key=lambda mutation: mutation.file)


def mutated(mutation, text):
    found = text.count(mutation.find)
    if found != 1:
        raise TableError(f"{mutation.name}: `find` stands {found} times in {mutation.file}")
    return text.replace(mutation.find, mutation.replace)


class Copy:
    """A copy of the tree and its build folder."""

    def __init__(self, folder, jobs):
        self.tree, self.build, self.jobs = folder / "tree", folder / "build", jobs
        self.changed = None  # the file that a mutation changed

    def refresh(self):
        """Copies what differs, so that a kept build folder stays good."""
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
        ).stdout
        for name in filter(None, listed.decode().split("\0")):
            source, target = ROOT / name, self.tree / name
            if not source.is_file():
                continue
            if target.exists() and target.read_bytes() == source.read_bytes():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)  # with a new time: ninja must see it

    def configure(self):
        if (self.build / "build.ninja").exists():
            return
        installed = importlib.util.find_spec("mesonbuild") is not None
        meson = [sys.executable, "-m", "mesonbuild.mesonmain"] if installed else ["meson"]
        subprocess.run(
            [*meson, "setup", *OPTIONS, self.build, self.tree],
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def compile(self, programs):
        """None, or the end of what the compiler said."""
        done = subprocess.run(
            ["ninja", "-C", self.build, f"-j{self.jobs}", *(f"tests/{p}" for p in programs)],
            capture_output=True,
            text=True,
        )
        return None if done.returncode == 0 else done.stdout[-3000:]

    def restore(self):
        if self.changed is not None:
            shutil.copy(ROOT / self.changed, self.tree / self.changed)
            self.changed = None

    def change(self, mutation):
        text = mutated(mutation, (ROOT / mutation.file).read_text(encoding="utf-8"))
        if self.changed != mutation.file:
            self.restore()
        (self.tree / mutation.file).write_text(text, encoding="utf-8")
        self.changed = mutation.file

    def test(self, program, tests, repeat, limit):
        """None when all passed, else how they failed."""
        command = [
            self.build / "tests" / program,
            f"--gtest_filter={tests}",
            "--gtest_brief=1",
            f"--gtest_repeat={repeat}",
            "--gtest_fail_fast",
        ]
        with subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.build,
            start_new_session=True,
        ) as running:
            try:
                code = running.wait(limit)
            except subprocess.TimeoutExpired:
                code = None
            # Also what it forked, which may hang where it did not.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
        if code is None:
            return "hung"
        if code < 0:
            return f"died of {signal.Signals(-code).name}"
        return "failed" if code != 0 else None

    def check_filter(self, program, tests):
        for pattern in tests.split(":"):
            listed = subprocess.run(
                [self.build / "tests" / program, f"--gtest_filter={pattern}", "--gtest_list_tests"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            if "\n  " not in listed:
                raise TableError(f"{program} has no test {pattern}")


def run_unchanged(copy, mutations):
    """(program, tests) -> seconds of one run, or how they fail."""
    results = {}
    for run in dict.fromkeys(mutation.run for mutation in mutations):
        copy.check_filter(*run)
        start = time.monotonic()
        failure = copy.test(*run, SETTLED_RUNS, SETTLED_RUNS * 300)
        results[run] = failure or (time.monotonic() - start) / SETTLED_RUNS
        if failure:
            print(f"   unchanged, {run[1]} of {run[0]}: {failure}", flush=True)
    return results


def judge(copy, mutation, unchanged):
    start = time.monotonic()
    copy.change(mutation)
    if complaint := copy.compile([mutation.program]):
        raise TableError(f"{mutation.name} does not compile:\n{complaint}")
    if isinstance(unchanged, str):
        return Outcome(mutation, False, f"its tests {unchanged} without it", 0.0)
    limit = max(HANG_SECONDS, HANG_FACTOR * unchanged) * mutation.repeat
    how = copy.test(*mutation.run, mutation.repeat, limit)
    return Outcome(mutation, how is not None, how or "passed", time.monotonic() - start)


def write_junit(path, outcomes):
    suite = ElementTree.Element("testsuite", name="mutation", tests=str(len(outcomes)))
    for outcome in outcomes:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname="mutation",
            name=outcome.mutation.name,
            time=f"{outcome.seconds:.1f}",
        )
        if not outcome.noticed:
            ElementTree.SubElement(case, "failure", message=f"not noticed: {outcome.how}")
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def run_all(mutations, folder, jobs):
    copy = Copy(folder, jobs)
    copy.refresh()
    print("-- building the copy", flush=True)
    copy.configure()
    if complaint := copy.compile(sorted({mutation.program for mutation in mutations})):
        raise TableError(f"the unchanged tree does not compile:\n{complaint}")
    print("-- running the tests unchanged", flush=True)
    unchanged = run_unchanged(copy, mutations)
    print(f"-- {len(mutations)} mutations", flush=True)
    outcomes = []
    for mutation in mutations:
        outcome = judge(copy, mutation, unchanged[mutation.run])
        outcomes.append(outcome)
        word = "noticed" if outcome.noticed else "NOT NOTICED"
        print(f"   {word:12} {mutation.name} ({outcome.how}, {outcome.seconds:.0f} s)", flush=True)
    copy.restore()
    return outcomes


def report(outcomes):
    missed = [outcome for outcome in outcomes if not outcome.noticed]
    for outcome in missed:
        mutation = outcome.mutation
        print(f"NOT NOTICED {mutation.name}: {mutation.contract} ({mutation.file}; {outcome.how})")
    print(f"{len(outcomes) - len(missed)} of {len(outcomes)} mutations were noticed")
    return 1 if missed else 0


def main():
    parser = argparse.ArgumentParser(description="Do the tests notice broken contracts?")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--junit", type=Path)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    asked = parser.parse_args()
    try:
        mutations = load(asked.names)
        for mutation in mutations:
            mutated(mutation, (ROOT / mutation.file).read_text(encoding="utf-8"))
        if asked.list:
            for mutation in mutations:
                print(f"{mutation.name:52} {mutation.contract}")
            return 0
        with tempfile.TemporaryDirectory(prefix="hc-mutation-") as temporary:
            folder = (asked.keep or Path(temporary)).resolve()
            folder.mkdir(parents=True, exist_ok=True)
            outcomes = run_all(mutations, folder, asked.jobs)
    except TableError as error:
        print(error, file=sys.stderr)
        return 2
    if asked.junit:
        write_junit(asked.junit, outcomes)
    return report(outcomes)


if __name__ == "__main__":
    sys.exit(main())
