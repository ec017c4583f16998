"""h2spec, every case of it, strict ones too, in clear text and over TLS."""

import hashlib
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from programs import CACHE

HERE = Path(__file__).parent
MODULE = "github.com/summerwind/h2spec/cmd/h2spec"
PATIENCE = 300

# What is not done as a case asks, and which sentence overrules it.
OVERRULED = {
    # RFC 9113, section 3.3: "Clients and servers MUST treat an invalid connection preface as a
    # connection error"; but on a port in clear text that speaks HTTP/1.1 as well, what does not
    # begin with the preface is no HTTP/2 connection at all: RFC 9112, section 3, says how a request
    # line that is none is answered (400).
    (False, "Sends invalid connection preface"),
}


@pytest.fixture(scope="module")
def h2spec():
    """The program, built once by Go from what go.mod pins, and kept in the project's cache."""
    program = CACHE / "h2spec" / hashlib.sha256((HERE / "go.sum").read_bytes()).hexdigest()[:16]
    if not program.exists():
        go = shutil.which("go", path=f"{os.environ['PATH']}:/usr/local/go/bin")
        assert go, "Go is needed to build h2spec"
        done = subprocess.run(
            [go, "build", "-o", program, MODULE],
            cwd=HERE,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
    return program


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
def test_every_case(h2spec, start, tmp_path, tls):
    server = start("demo_server", "--port", "0", "--tls-port", "0")
    port = urlsplit(server.tls_url if tls else server.url).port
    report = tmp_path / "report.xml"
    command = [h2spec, "-S", "-h", "127.0.0.1", "-p", str(port), "-P", "/hello", "-o", "5"]
    command += ["-j", report, *(["-t", "-k"] if tls else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    total, passed, skipped, failed = map(
        int,
        re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", done.stdout).groups(),
    )
    wrong = {
        case.get("classname")
        for case in ElementTree.parse(report).getroot().iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    }
    allowed = {name for over_tls, name in OVERRULED if over_tls == tls}
    assert wrong <= allowed, done.stdout[-4000:]
    assert (total, skipped) == (146, 0)
    assert failed == len(wrong)
    assert passed >= 145
    assert server.running(), server.errors()
