"""TLS as clients of other makers see it: which certificate they get, what they refuse and how they
say so, and what hostile peers can do to the others (nothing)."""

import contextlib
import hashlib
import re
import socket
import ssl
import subprocess
import urllib.parse

import pytest
import trustme
from certificates import DAY, NOW, Folder
from programs import BUILD, Program, wait_until
from tls_clients import CLIENTS, Wish, digest_of, missing

HELLO = digest_of(b"Hello, world!\n")


@pytest.fixture(params=CLIENTS)
def fetch(request):
    if missing(request.param):
        pytest.skip(missing(request.param))
    return CLIENTS[request.param]


class House:
    """Certificates of every kind, and servers that show them."""

    def __init__(self, path):
        files = Folder(path)
        self.files = files
        self.ours, self.roots = files.authority("ours")
        self.theirs, _ = files.authority("theirs")
        middle = self.ours.create_child_ca()
        rsa = trustme.KeyType.RSA
        self.shown = [
            files.issued("good", self.ours, "good.test", "127.0.0.1"),
            files.issued("rsa", self.ours, "rsa.test", key_type=rsa),
            files.issued("chain", middle, "chain.test"),
            files.issued("wild", self.ours, "*.wild.test"),
            files.issued(
                "expired", self.ours, "expired.test", not_before=NOW - 9 * DAY, not_after=NOW - DAY
            ),
            files.issued(
                "early", self.ours, "early.test", not_before=NOW + DAY, not_after=NOW + 9 * DAY
            ),
            files.issued("stranger", self.theirs, "stranger.test"),
            files.self_signed("selfish", "selfish.test"),
        ]
        self.client = files.issued("client", self.ours, "somebody")
        self.foreign_client = files.issued("foreign", self.theirs, "somebody")
        self.late_client = files.issued(
            "late", self.ours, "somebody", not_before=NOW - 9 * DAY, not_after=NOW - DAY
        )

    def start(self, *settings, shown=None):
        """A demo server with a port for TLS; `tls_port` is which."""
        shown = self.shown if shown is None else shown
        files = {
            "certificate_files": [pair[0] for pair in shown],
            "key_files": [pair[1] for pair in shown],
        }
        listed = [f"tls.{name}={','.join(map(str, paths))}" for name, paths in files.items()]
        options = [part for setting in [*listed, *settings] for part in ("--set", setting)]
        program = Program("demo_server", "--port", "0", "--tls-port", "0", *options)
        program.tls_port = urllib.parse.urlsplit(program.tls_url).port
        return program


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    return House(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def site(house):
    program = house.start()
    yield program
    assert program.running(), program.errors()
    program.end()


@pytest.fixture
def serve(house):
    """serve(setting...): a server for one test."""
    with contextlib.ExitStack() as started:

        def call(*settings, **options):
            program = house.start(*settings, **options)
            started.callback(program.kill)
            return program

        yield call


def wish(house, program, host="good.test", **more):
    return Wish(program.tls_port, host, house.roots, **more)


def is_well(house, program):
    """Somebody else is served as if nothing had happened."""
    got = CLIENTS["python"](wish(house, program))
    assert (got.error, got.status, got.digest) == ("", 200, HELLO)
    with program.peer() as peer:
        assert peer.ask("GET", "/hello").status == 200


# -- what is good ----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_clients_are_served(house, site, fetch, version):
    for host in "good.test", "rsa.test", "chain.test", "any.wild.test":
        got = fetch(wish(house, site, host, oldest=version, newest=version))
        assert (got.error, got.status, got.digest) == ("", 200, HELLO), host
        assert got.version in ("", f"TLS {version}")


def test_large_bodies_are_whole(house, site, fetch):
    with site.peer() as peer:
        body = peer.ask("GET", "/bytes/5000000").body
    got = fetch(wish(house, site, path="/bytes/5000000"))
    assert (got.error, got.digest) == ("", digest_of(body))


def certificate_for(port, name):
    """What is shown to whoever asks for `name` (None: for none), in DER."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname=name) as secure,
    ):
        return secure.getpeercert(True)


def test_the_name_chooses_the_certificate(house, site):
    def shown(name):
        der = certificate_for(site.tls_port, name)
        for pair in house.shown:
            text = pair[0].read_text(encoding="ascii")
            first = text[: text.index("-----END") + len("-----END CERTIFICATE-----")]
            if ssl.PEM_cert_to_DER_cert(first) == der:
                return pair[0].stem
        return None

    for name, stem in {
        "good.test": "good",
        "GOOD.TEST": "good",
        "rsa.test": "rsa",
        "a.wild.test": "wild",
        "selfish.test": "selfish",
        None: "good",
        "nobody.test": "good",
        "127.0.0.1": "good",
        "a.b.wild.test": "good",
        "wild.test": "good",
    }.items():
        assert shown(name) == stem, name


# -- what clients refuse ---------------------------------------------------------------------------

# Each of these must be in what a client says.
REFUSALS = {
    "expired.test": r"expired",
    "early.test": r"not yet valid|NOT_YET_VALID",
    "stranger.test": r"unable to get local issuer|unknown authority|UNABLE_TO_VERIFY_LEAF"
    r"|unable to verify",
    "selfish.test": r"self.signed|SELF_SIGNED|unknown authority",
    "wrong.test": r"no alternative certificate subject name|Hostname mismatch|ERR_TLS_CERT_ALTNAME"
    r"|not wrong.test|doesn't match",
    "127.0.0.2": r"no alternative certificate subject name|IP address mismatch"
    r"|ERR_TLS_CERT_ALTNAME|not 127.0.0.2|IP SANs",
}


@pytest.mark.parametrize("host", REFUSALS)
def test_bad_certificates_are_refused_for_what_they_are(house, site, fetch, host):
    for version in "1.2", "1.3":
        got = fetch(wish(house, site, host, oldest=version, newest=version))
        assert got.status == 0
        assert re.search(REFUSALS[host], got.error), got.error
    is_well(house, site)


# -- certificates of clients -----------------------------------------------------------------------

NEEDED = r"certificate.required|handshake.failure|ALERT_CERTIFICATE|EPIPE|ECONNRESET|alert 116"
UNTRUSTED = r"unknown.ca|ALERT_UNKNOWN_CA|unknown certificate authority|EPIPE|ECONNRESET"
# (curl takes that alert for a failure of its own.)
LATE = r"certificate.expired|expired certificate|certificate verification failed|EPIPE|ECONNRESET"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_certificate_may_be_required_of_clients(house, serve, fetch, version):
    program = serve("tls.client_certificates=required", f"tls.client_root_files={house.roots}")
    both = {"oldest": version, "newest": version}
    got = fetch(wish(house, program, certificate=house.client, **both))
    assert (got.error, got.status) == ("", 200)
    for own, why in (((), NEEDED), (house.foreign_client, UNTRUSTED), (house.late_client, LATE)):
        # (A client that only offers what the server's list of names has offers nothing.)
        got = fetch(wish(house, program, certificate=own, **both))
        assert got.status == 0
        assert re.search(f"{why}|{NEEDED}", got.error, re.IGNORECASE), got.error


def test_a_certificate_may_be_asked_of_clients(house, serve, fetch):
    program = serve("tls.client_certificates=optional", f"tls.client_root_files={house.roots}")
    for own in (), house.client:
        got = fetch(wish(house, program, certificate=own))
        assert (got.error, got.status) == ("", 200)
    got = fetch(wish(house, program, certificate=house.late_client))
    assert got.status == 0
    assert re.search(LATE, got.error, re.IGNORECASE), got.error


# -- versions, ciphers, groups ---------------------------------------------------------------------

VERSION = r"protocol.version|UNSUPPORTED_PROTOCOL|wrong.version|alert number 70"


@pytest.mark.parametrize(
    ("setting", "good", "bad"),
    [
        ("tls.oldest_version=1.3", "1.3", "1.2"),
        ("tls.newest_version=1.2", "1.2", "1.3"),
    ],
)
def test_versions_are_bounded(house, serve, fetch, setting, good, bad):
    program = serve(setting)
    assert fetch(wish(house, program)).status == 200
    assert fetch(wish(house, program, oldest=good, newest=good)).status == 200
    got = fetch(wish(house, program, oldest=bad, newest=bad))
    assert got.status == 0
    assert re.search(VERSION, got.error, re.IGNORECASE), got.error


def s_client(program, *options):
    done = subprocess.run(
        [
            "openssl",
            "s_client",
            "-connect",
            f"127.0.0.1:{program.tls_port}",
            "-servername",
            "good.test",
            *options,
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")


def test_what_is_old_is_refused(site):
    for options in (["-tls1"], ["-tls1_1"]):
        text = s_client(site, *options, "-cipher", "ALL:@SECLEVEL=0")
        assert "Cipher is (NONE)" in text
        assert "alert protocol version" in text or "alert number 70" in text
    for cipher in "AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "NULL", "RC4":
        text = s_client(site, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
        assert "Cipher is ECDHE" not in text, cipher
        assert "New, TLS" not in text, cipher


def test_renegotiation_and_compression_are_refused(site):
    assert "Compression: NONE" in s_client(site, "-tls1_2")
    done = subprocess.run(
        ["openssl", "s_client", "-tls1_2", "-connect", f"127.0.0.1:{site.tls_port}"],
        input=b"R\nGET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert b"RENEGOTIATING" in done.stdout + done.stderr
    assert b"Hello, world!" not in done.stdout
    assert b"no renegotiation" in done.stderr.lower() or done.returncode != 0


def test_ciphers_are_those_of_the_settings(house, serve):
    program = serve("tls.ciphers=ECDHE+CHACHA20", "tls.cipher_suites=TLS_AES_256_GCM_SHA384")
    for version, cipher in {
        "1.2": "ECDHE-ECDSA-CHACHA20-POLY1305",
        "1.3": "TLS_AES_256_GCM_SHA384",
    }.items():
        got = CLIENTS["python"](wish(house, program, oldest=version, newest=version))
        assert (got.error, got.cipher) == ("", cipher)
    for options in (
        ["-tls1_2", "-cipher", "ECDHE+AESGCM"],
        ["-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"],
    ):
        assert "alert handshake failure" in s_client(program, *options)
    is_well(house, program)


def test_groups_are_those_of_the_settings(house, site, serve):
    assert "X25519" in s_client(site, "-groups", "X25519:P-384")
    assert "secp384r1" in s_client(site, "-groups", "P-384")
    if not missing("go"):
        assert CLIENTS["go"](wish(house, site)).group == "X25519MLKEM768"
    program = serve("tls.groups=secp384r1")
    assert "secp384r1" in s_client(program, "-groups", "P-256:P-384")
    assert "alert handshake failure" in s_client(program, "-groups", "X25519")
    is_well(house, program)


# -- what the server itself refuses ----------------------------------------------------------------


def refused(*settings):
    """What a server that does not start says."""
    options = [part for setting in settings for part in ("--set", setting)]
    done = subprocess.run(
        [BUILD / "examples" / "c" / "demo_server", "--port", "0", *options],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    return done.stderr.decode()


def test_bad_settings_are_told(house):
    (good, key), (other, other_key) = house.shown[0], house.shown[1]
    weak, weak_key = house.files.self_signed("weak", "weak.test", bits=1024)
    empty = house.files._write("empty.pem", b"")
    for settings, words in {
        (f"tls.certificate_files={good}", f"tls.key_files={other_key}"): "key",
        (f"tls.certificate_files={good}",): "key",
        (f"tls.certificate_files={good},{other}", f"tls.key_files={key}"): "key",
        (f"tls.certificate_files={good}.not", f"tls.key_files={key}"): "good.crt.not",
        (f"tls.certificate_files={empty}", f"tls.key_files={key}"): "empty.pem",
        (f"tls.certificate_files={key}", f"tls.key_files={key}"): "good.key",
        (f"tls.certificate_files={weak}", f"tls.key_files={weak_key}"): "small|weak",
        (f"tls.certificate_files={good}", f"tls.key_files={key}", "tls.ciphers=WRONG"): "cipher",
        (f"tls.certificate_files={good}", f"tls.key_files={key}", "tls.groups=WRONG"): "group",
        (
            f"tls.certificate_files={good}",
            f"tls.key_files={key}",
            "tls.oldest_version=1.3",
            "tls.newest_version=1.2",
        ): "version",
    }.items():
        assert re.search(words, refused(*settings)), settings


# -- hostile peers ---------------------------------------------------------------------------------


def client_hello(name="good.test"):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


class Raw:
    """A peer of the port for TLS that sends what it likes."""

    def __init__(self, program, data=b""):
        self.socket = socket.create_connection(("127.0.0.1", program.tls_port), 60)
        self.send(data)

    def send(self, data):
        with contextlib.suppress(ConnectionError):
            self.socket.sendall(data)

    def rest(self):
        """What comes until the server ends it."""
        got = b""
        with contextlib.suppress(ConnectionError):
            while data := self.socket.recv(65536):
                got += data
        self.socket.close()
        return got


ALERT, HANDSHAKE = b"\x15\x03", b"\x16\x03"


def test_what_is_no_tls_is_turned_away(house, site):
    hello = client_hello()
    http = b"GET /hello HTTP/1.1\r\nHost: good.test\r\n\r\n"
    for data in (
        b"\x00" * 100,
        b"\xff" * 5000,
        bytes(range(256)),
        http,
        b"SSH-2.0-x\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\xff\xff" + b"\x01" * 70_000,  # a record of more than a record may have
        b"\x15\x03\x03\x00\x02\x02\x28",  # an alert first
        b"\x14\x03\x03\x00\x01\x01" * 100,
        b"\x17\x03\x03\x00\x10" + b"x" * 16,
        b"\x16\x03\x01\x00\x00" * 100,  # records of nothing
        hello[:9] + b"\xff" * (len(hello) - 9),
        hello + hello,
        hello + b"\x17\x03\x03\x00\x20" + b"x" * 32,
        b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + b"x" * 37,  # of SSL 2
    ):
        peer = Raw(site, data)
        got = peer.rest()
        # An alert, or what is due to the good hello before it; never a word in clear text.
        assert got == b"" or got[:2] in (ALERT, HANDSHAKE), got[:20]
    is_well(house, site)


def test_a_hello_that_is_changed_anywhere_harms_nobody(house, site):
    hello = client_hello()
    for at in range(0, len(hello), 3):
        changed = bytearray(hello)
        changed[at] ^= 0xFF
        peer = Raw(site, bytes(changed))
        peer.socket.shutdown(socket.SHUT_WR)
        peer.rest()
    is_well(house, site)


def test_half_a_handshake_lasts_as_long_as_it_may(house, serve):
    program = serve("limits.tls_handshake_timeout_ms=700")
    hello = client_hello()
    peers = [Raw(program, hello[:cut]) for cut in (0, 1, 5, 6, 100, len(hello) - 1, len(hello))]
    for peer in peers:
        peer.rest()  # the server ends it, not we
    # One that dribbles gets no longer.
    dribbling = Raw(program)
    dribbling.socket.settimeout(0.02)
    for byte in hello:
        dribbling.send(bytes([byte]))
        try:
            assert dribbling.socket.recv(100) == b""
            break
        except TimeoutError:
            continue
        except ConnectionError:
            break
    else:
        pytest.fail("it was given all the time it wanted")
    dribbling.socket.close()
    is_well(house, program)


def test_a_thousand_half_handshakes_hold_up_nobody(house, serve):
    program = serve("limits.tls_handshake_timeout_ms=60000")
    before = program.sockets()
    hello = client_hello()
    peers = [Raw(program, hello if i % 2 else hello[: i % len(hello)]) for i in range(1000)]
    wait_until(lambda: program.sockets() >= before + 1000, "they are all there")
    for _ in range(5):
        is_well(house, program)
    for peer in peers:
        peer.socket.close()
    wait_until(lambda: program.sockets() <= before, "they are all gone")
    is_well(house, program)


def test_who_goes_in_the_middle_of_a_body_harms_nobody(house, site):
    context = ssl.create_default_context(cafile=house.roots)
    plain = socket.create_connection(("127.0.0.1", site.tls_port))
    secure = context.wrap_socket(plain, server_hostname="good.test")
    secure.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    secure.close()
    is_well(house, site)


def test_the_digest_of_an_upload(house, site):
    body = bytes(range(256)) * 4000
    context = ssl.create_default_context(cafile=house.roots)
    plain = socket.create_connection(("127.0.0.1", site.tls_port))
    with context.wrap_socket(plain, server_hostname="good.test") as secure:
        secure.sendall(
            b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        got, sent = b"", 0
        while sent < len(body):
            sent += secure.send(body[sent : sent + 16384])
            if sent % 65536 == 0:
                got += secure.recv(65536)
        while data := secure.recv(65536):
            got += data
    assert hashlib.sha256(got.partition(b"\r\n\r\n")[2]).digest() == hashlib.sha256(body).digest()
