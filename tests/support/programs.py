"""Starts the programs of examples and looks at them from outside."""

import contextlib
import functools
import os
import re
import selectors
import signal
import subprocess
import tempfile
import time
import urllib.parse
from pathlib import Path

from peer import Peer

BUILD = Path(os.environ["HTTPCORE_BUILD_ROOT"])
# Where what was fetched or built for the tests is kept.
CACHE = Path(
    os.environ.get("HTTPCORE_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "libhttpcore"
)
# A sanitizer's allocator keeps what is freed: then memory says nothing.
SANITIZED = os.environ.get("HTTPCORE_SANITIZERS", "none") not in ("none", "")
# The backend that this run is about, "" for the usual one; see tests/support/backend.hpp.
IO = os.environ.get("HTTPCORE_IO", "")
# Long enough for a machine that does much else; a test that passes never waits for it.
PATIENCE = 60.0


def wait_until(condition, what, seconds=PATIENCE):
    """Returns the first true value of condition(); fails when that takes too long."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.005)


@functools.cache
def backend_refused():
    """Why this machine or this build does not have the backend of this run; "" when it does."""
    if not IO:
        return ""
    try:
        Program("demo_server", "--port", "0").kill()
    except AssertionError as why:
        if "io_uring" in str(why):
            return str(why)
        raise
    return ""


class Program:
    """A server that prints its URL, once it listens, as its first line."""

    def __init__(self, name, *arguments, folder="c"):
        self.stderr = tempfile.TemporaryFile()  # noqa: SIM115  kill() closes it
        self.process = subprocess.Popen(
            [BUILD / "examples" / folder / name, *arguments, *self._backend(name)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            bufsize=0,  # what is behind a line stays where select() sees it
            stderr=self.stderr,
        )
        self.url = self._line()
        parts = urllib.parse.urlsplit(self.url)
        self.address = parts.path if parts.scheme == "unix" else (parts.hostname, parts.port)
        scheme = "https" if parts.scheme == "https" else "http"
        self.base = f"{scheme}://{parts.netloc or 'unix'}"
        # With a port for it the second line is where connections are encrypted.
        self.tls_url = self._line() if "--tls-port" in arguments else None

    @staticmethod
    def _backend(name):
        # The other examples are as short as they can be and take no options.
        return ["--set", f"runtime.io={IO}"] if IO and name == "demo_server" else []

    def _line(self):
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            assert selector.select(PATIENCE), "the program prints nothing"
        line = self.process.stdout.readline().decode().strip()
        if not line:
            self.process.wait(PATIENCE)
        assert line, f"the program ended: {self.errors()}"
        return line

    def peer(self, **options):
        return Peer(self.address, **options)

    def curl(self, path, *options, binary=False, check=True):
        """What curl prints for a path."""
        unix = ["--unix-socket", self.address] if isinstance(self.address, str) else []
        done = subprocess.run(
            [
                "curl",
                "-sS",
                "-g",
                "--path-as-is",
                "--max-time",
                str(PATIENCE),
                *unix,
                *options,
                self.base + path,
            ],
            capture_output=True,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stderr.decode()
        return done.stdout if binary else done.stdout.decode()

    def metric(self, name):
        """One number of /metrics, without labels, asked for on a connection of its own."""
        with self.peer() as peer:
            text = peer.ask("GET", "/metrics", ("Connection", "close")).body.decode()
        return float(re.search(rf"^httpcore_{name} (\S+)$", text, re.MULTILINE).group(1))

    def resident(self):
        """Bytes of memory that are resident."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024

    def peak(self):
        """The most that was ever resident."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def sockets(self):
        """How many it has open: its other descriptors may still come after its first line."""
        folder, count = f"/proc/{self.process.pid}/fd", 0
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                count += os.readlink(f"{folder}/{name}").startswith("socket:")
        return count

    def running(self):
        return self.process.poll() is None

    def errors(self):
        # The program writes where the file's position is, which is ours too: it must not be moved.
        size = os.fstat(self.stderr.fileno()).st_size
        return os.pread(self.stderr.fileno(), size, 0).decode(errors="replace")

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self):
        """The exit code, once it ends by itself."""
        return self.process.wait(PATIENCE)

    def end(self):
        """Ends it politely; a fault or a leak that a sanitizer found shows in its exit code."""
        self.signal()
        code = self.wait()
        assert code == 0, f"exit code {code}: {self.errors()}"
        self.kill()

    def kill(self):
        if self.running():
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.stderr.close()
