#!/usr/bin/env python3
"""Runs one libFuzzer program for a bounded time.

    run.py PROGRAM SEEDS WORK

SEEDS is the committed corpus, read and never written. What the run finds is kept in WORK; an input
that fails is left in WORK/failures. HTTPCORE_FUZZ_SECONDS says how long (default 20).
"""

import os
import re
import subprocess
import sys
from pathlib import Path


def main(program, seeds, work):
    seconds = os.environ.get("HTTPCORE_FUZZ_SECONDS", "20")
    failures = Path(work) / "failures"
    found = Path(work) / "found"
    failures.mkdir(parents=True, exist_ok=True)
    found.mkdir(parents=True, exist_ok=True)
    if not any(Path(seeds).iterdir()):
        print(f"the corpus {seeds} is empty")
        return 1
    command = [
        program,
        f"-max_total_time={seconds}",
        f"-artifact_prefix={failures}/",
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        "-verbosity=1",
        str(found),
        str(seeds),
    ]
    dictionary = Path(seeds).with_suffix(".dict")
    if dictionary.exists():
        command.insert(1, f"-dict={dictionary}")
    run = subprocess.run(
        command,
        stderr=subprocess.STDOUT,
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    print("\n".join(run.stdout.splitlines()[-60:]))
    executed = re.search(r"number_of_executed_units:\s*(\d+)", run.stdout)
    if run.returncode == 0 and (executed is None or int(executed.group(1)) == 0):
        print("the fuzzer executed nothing")
        return 1
    return 1 if run.returncode else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
