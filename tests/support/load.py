"""wrk, and what it found."""

import re
import subprocess


def wrk(url, seconds, connections=32, threads=1):
    """Requests done in so many seconds; fails at any error or answer that is not 2xx or 3xx."""
    done = subprocess.run(
        [
            "wrk",
            "-d",
            f"{seconds}s",
            "-c",
            str(connections),
            "-t",
            str(threads),
            "--timeout",
            "30s",
            url,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for bad in ("Socket errors", "Non-2xx"):
        assert bad not in done.stdout, done.stdout
    return int(re.search(r"(\d+) requests in", done.stdout).group(1))
