"""testssl.sh looks for what is old, weak or known to be broken in a server's TLS: protocols,
ciphers, its defaults and every attack that has a name."""

import json
import shutil
import subprocess
from urllib.parse import urlsplit

import pytest
from certificates import DAY, NOW, Folder

PATIENCE = 500
PROGRAM = shutil.which("testssl") or shutil.which("testssl.sh")
pytestmark = pytest.mark.skipif(not PROGRAM, reason="there is no testssl.sh")

# What is worse than a remark and is meant so: why.
OVERRULED = {
    # The page that is scanned says nothing that is secret; docs/content-coding.md tells whoever
    # serves other pages.
    "BREACH": "compression of a page that is the same for everybody",
    # Its first client may leave before the tickets come, and its second one fails without; whether
    # sessions are taken up is asked in tests/unit/tls/resumption_test.cpp and test_tls.py.
    "sessionresumption_ticket": "a race of openssl s_client",
    "cert_revocation": "the authority of a test publishes no lists",
}
# A scan that ends early finds nothing bad: these have to be there.
LOOKED_AT = {
    *("SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2", "TLS1_3", "ALPN_HTTP2"),
    *("cipherlist_NULL", "cipherlist_EXPORT", "cipherlist_AVERAGE", "PFS"),
    *("heartbleed", "CCS", "ticketbleed", "ROBOT", "secure_renego", "secure_client_renego"),
    *("CRIME_TLS", "BREACH", "POODLE_SSL", "fallback_SCSV", "SWEET32", "FREAK", "DROWN"),
    *("LOGJAM", "BEAST", "LUCKY13", "RC4"),
}


@pytest.fixture
def site(start, tmp_path):
    files = Folder(tmp_path)
    authority, roots = files.authority("ours")
    life = {"not_before": NOW - DAY, "not_after": NOW + 90 * DAY}
    chain, key = files.issued("localhost", authority, "localhost", **life)
    server = start(
        *("demo_server", "--port", "0", "--tls-port", "0"),
        *("--set", f"tls.certificate_files={chain}", "--set", f"tls.key_files={key}"),
    )
    return urlsplit(server.tls_url).port, roots


def test_nothing_is_old_or_weak(site, tmp_path):
    port, roots = site
    report = tmp_path / "report.json"
    command = [PROGRAM, "--quiet", "--color", "0", "--warnings", "off", "--ip", "127.0.0.1"]
    command += ["--openssl", shutil.which("openssl"), "--add-ca", roots, "--jsonfile", report]
    command += ["-p", "-s", "-f", "-S", "-U", f"localhost:{port}"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False
    )
    assert report.exists(), done.stdout[-2000:]
    found = {entry["id"]: entry for entry in json.loads(report.read_text())}
    assert set(found) >= LOOKED_AT
    fine = {"OK", "INFO", "LOW"}
    bad = {name: entry["finding"] for name, entry in found.items() if entry["severity"] not in fine}
    assert not set(bad) - set(OVERRULED), bad
    assert found["TLS1_3"]["severity"] == "OK"
    assert "h2" in found["ALPN_HTTP2"]["finding"]
