#!/usr/bin/env python3
"""Counts what the test runs did.

    summary.py FLAVOUR=LOG...

LOG is a JSON log of `meson test`, or the word "broken" when the flavour could not be built. A test
that wrote <build>/test-results/<name>.xml counts as the cases in it, any other as one. The last
line is "N passed, N failed". Exit 1 if anything failed or nothing ran.
"""

import json
import sys
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.seconds += other.seconds


def cases(xml):
    """The cases of one JUnit file; None when it is missing or was cut off."""
    try:
        tree = ElementTree.parse(xml)
    except (OSError, ElementTree.ParseError):
        return None
    count = Count()
    for case in tree.iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            count.failed += 1
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            count.skipped += 1
        else:
            count.passed += 1
    return count


def name_of(entry):
    """Meson writes "suite+suite - project:name"; the first suite is the one that is counted."""
    suites_of_it, _, name = entry["name"].rpartition(" - ")
    return suites_of_it.split("+")[0].strip() or "other", name.rsplit(":", 1)[-1].strip()


def count_test(entry, results):
    """One entry of Meson's log as a count. A test that failed has at least one failure."""
    name = name_of(entry)[1]
    good = entry["result"] in ("OK", "EXPECTEDFAIL")
    if entry["result"] == "SKIP":
        count = Count(skipped=1)
    else:
        count = cases(results / f"{name}.xml")
        if count is None:
            count = Count(passed=1) if good else Count(failed=1)
        elif not good and count.failed == 0:
            count.failed = 1
        elif good and count.passed + count.failed + count.skipped == 0:
            count.failed = 1
    count.seconds = entry.get("duration") or 0.0
    return name, count


def suites(log):
    """(suite, count, names of tests that failed) for every suite of one log."""
    results = Path(log).parent.parent / "test-results"
    counts, failed = defaultdict(Count), []
    for line in Path(log).read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        name, count = count_test(entry, results)
        counts[name_of(entry)[0]].add(count)
        if count.failed:
            failed.append(f"{name} ({entry['result']}, {count.failed} failed)")
    return counts, failed


def main(runs):
    total, rows, failures = Count(), [], []
    for run in runs:
        flavour, log = run.split("=", 1)
        if log == "broken" or not Path(log).exists():
            counts, failed = {"build": Count(failed=1)}, ["it could not be built or run"]
        else:
            counts, failed = suites(log)
        for suite, count in sorted(counts.items()):
            rows.append((flavour, suite, count))
            total.add(count)
        failures += [f"{flavour}: {what}" for what in failed]
    print(f"\n{'build':10}{'suite':14}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}")
    for flavour, suite, count in rows:
        print(f"{flavour:10}{suite:14}{count.passed:8}{count.failed:8}{count.skipped:9}"
              f"{count.seconds:9.1f}")
    for failure in failures:
        print(f"FAILED {failure}")
    print(f"{total.passed} passed, {total.failed} failed")
    return 1 if total.failed or total.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
