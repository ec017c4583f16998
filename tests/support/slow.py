"""Slow connections to a server, and what it costs."""

import subprocess
import sys
from pathlib import Path

from programs import wait_until

CLIENTS = Path(__file__).with_name("slow_clients.py")
# Their slowness shall be what is tested, and not the time limits that would end it.
PATIENT = [
    option
    for name in ("header", "body", "idle", "write")
    for option in ("--set", f"limits.{name}_timeout_ms=3600000")
]


class SlowClients:
    """`count` connections of a kind, see slow_clients.py; there once this is made."""

    def __init__(self, program, kind, count):
        self.process = subprocess.Popen(
            [sys.executable, CLIENTS, kind, str(count), *map(str, program.address)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._expect("ready")
        # The question itself comes on one more connection.
        wait_until(lambda: program.metric("connections_open") == count + 1, "all are accepted")

    def _expect(self, word):
        line = self.process.stdout.readline().strip()
        assert line == word, f"the slow clients failed: {line!r}"

    def trickle(self):
        """One byte more from each; returns when all were sent."""
        self.begin_trickle()
        self.end_trickle()

    def begin_trickle(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end_trickle(self):
        self._expect("sent")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
