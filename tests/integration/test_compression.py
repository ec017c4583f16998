"""Content coding: curl and Python's own decoders read what the demo server codes, and it reads what
they code."""

import gzip
import json
import random
import zlib

import brotli
import pytest
import zstandard
from programs import SANITIZED, Program, wait_until

WORDS = ["the ", "stream ", "of ", "credit ", "window\n", "<p>", "</p>\n"]
TEXT = "".join(random.Random(1).choices(WORDS, k=300_000)).encode()
NOISE = random.Random(2).randbytes(1_000_000)

DECODERS = {
    "gzip": lambda: zlib.decompressobj(31),
    "br": brotli.Decompressor,
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
}
ENCODERS = {
    "gzip": gzip.compress,
    "br": lambda data: brotli.compress(data, quality=4),
    "zstd": zstandard.compress,
}


class Decoder:
    """One of the libraries' streaming decoders, with the same two calls."""

    def __init__(self, coding):
        self.decoder = DECODERS[coding]()
        self.feed = getattr(self.decoder, "decompress", None) or self.decoder.process

    def ended(self):
        return getattr(self.decoder, "eof", None) or self.decoder.is_finished()


def decoded(coding, data):
    decoder = Decoder(coding)
    text = decoder.feed(data)
    assert decoder.ended(), f"{coding}: cut off"
    return text


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    (folder / "page.html").write_bytes(TEXT)
    (folder / "noise.txt").write_bytes(NOISE)
    (folder / "small.txt").write_bytes(b"small\n")
    (folder / "image.png").write_bytes(TEXT)
    options = [
        "compression.enable=true",
        "decompression.enable=true",
        "limits.decoded_body_bytes_max=50000000",
    ]
    program = Program(
        "demo_server",
        "--port",
        "0",
        *(part for option in options for part in ("--set", option)),
        str(folder),
    )
    yield program
    assert program.running(), program.errors()
    program.end()


@pytest.mark.parametrize("path", ["page.html", "noise.txt", "small.txt", "image.png"])
def test_curl_undoes_what_is_coded(site, path):
    plain = site.curl(f"/files/{path}", binary=True)
    assert site.curl(f"/files/{path}", "--compressed", binary=True) == plain
    for coding in DECODERS:
        options = ("--compressed", "-H", f"Accept-Encoding: {coding}")
        assert site.curl(f"/files/{path}", *options, binary=True) == plain


@pytest.mark.parametrize("coding", DECODERS)
def test_files_are_coded(site, coding):
    with site.peer() as peer:
        for _ in range(3):
            answer = peer.ask("GET", "/files/page.html", ("Accept-Encoding", coding))
            assert answer.get("Content-Encoding") == coding
            assert answer.get("Vary") == "accept-encoding"
            assert answer.get("ETag").startswith('W/"')
            assert answer.get("Accept-Ranges") is None
            assert len(answer.body) < len(TEXT) / 3
            assert decoded(coding, answer.body) == TEXT


@pytest.mark.parametrize("coding", DECODERS)
def test_streams_and_short_answers_are_coded(site, coding):
    with site.peer() as peer:
        plain = peer.ask("GET", "/stream/200000").body
        answer = peer.ask("GET", "/stream/200000", ("Accept-Encoding", coding))
        assert answer.get("Content-Encoding") == coding
        assert decoded(coding, answer.body) == plain
        plain = peer.ask("GET", "/")
        answer = peer.ask("GET", "/", ("Accept-Encoding", coding))
        assert answer.get("Content-Encoding") == coding
        assert int(answer.get("Content-Length")) < int(plain.get("Content-Length"))
        assert decoded(coding, answer.body) == plain.body
        assert peer.ask("GET", "/hello", ("Accept-Encoding", coding)).body == b"Hello, world!\n"


@pytest.mark.parametrize("accept", ["", "identity", "deflate", "gzip;q=0, br;q=0, zstd;q=0"])
def test_nobody_gets_what_he_did_not_ask_for(site, accept):
    with site.peer() as peer:
        answer = peer.ask("GET", "/files/page.html", ("Accept-Encoding", accept))
        assert answer.get("Content-Encoding") is None
        assert answer.get("Vary") == "accept-encoding"
        assert answer.body == TEXT


def test_conditions_and_ranges(site):
    accept = ("Accept-Encoding", "gzip")
    with site.peer() as peer:
        plain = peer.ask("GET", "/files/page.html").get("ETag")
        coded = peer.ask("GET", "/files/page.html", accept).get("ETag")
        assert coded == "W/" + plain
        for tag in plain, coded:
            answer = peer.ask("GET", "/files/page.html", accept, ("If-None-Match", tag))
            assert (answer.status, answer.get("ETag")) == (304, coded)
            assert answer.get("Vary") == "accept-encoding"
        head = peer.ask("HEAD", "/files/page.html", accept)
        assert head.get("Content-Encoding") == "gzip"
        assert head.get("ETag") == coded
        part = peer.ask("GET", "/files/page.html", accept, ("Range", "bytes=10-1009"))
        assert part.status == 206
        assert part.get("Content-Encoding") is None
        assert part.body == TEXT[10:1010]


@pytest.mark.parametrize("coding", DECODERS)
def test_what_is_sent_arrives_though_more_follows(site, coding):
    with site.peer() as peer:
        peer.request(
            "POST",
            "/echo",
            ("Accept-Encoding", coding),
            ("Content-Type", "text/plain"),
            ("Transfer-Encoding", "chunked"),
        )
        decoder, got = Decoder(coding), b""
        peer.send(b"4\r\none \r\n")
        assert peer.head().get("Content-Encoding") == coding
        for chunk in b"one ", b"two ", b"three":
            if chunk != b"one ":
                peer.send(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            want = got + chunk
            while len(got) < len(want):
                got += decoder.feed(peer._chunk())
            assert got == want
        peer.send(b"0\r\n\r\n")
        while data := peer._chunk():
            got += decoder.feed(data)
        assert decoder.ended()
        assert got == b"one two three"


@pytest.mark.parametrize("coding", ENCODERS)
def test_bodies_are_decoded(site, coding):
    with site.peer() as peer:
        for body in b"", b"x", TEXT, NOISE:
            answer = peer.ask(
                "POST", "/upload", ("Content-Encoding", coding), body=ENCODERS[coding](body)
            )
            assert (answer.status, json.loads(answer.body)) == (200, {"bytes": len(body)})
        twice = ENCODERS[coding](gzip.compress(TEXT))
        answer = peer.ask("POST", "/upload", ("Content-Encoding", f"gzip, {coding}"), body=twice)
        assert json.loads(answer.body) == {"bytes": len(TEXT)}
        answer = peer.ask(
            "POST", "/echo", ("Content-Encoding", coding), body=ENCODERS[coding](TEXT)
        )
        assert answer.body == TEXT


def test_bad_bodies_are_refused(site):
    with site.peer() as peer:
        answer = peer.ask("POST", "/upload", ("Content-Encoding", "compress"), body=b"x" * 100)
        assert answer.status == 415
        assert answer.get("Accept-Encoding") == "zstd, br, gzip"
        for coding, encode in ENCODERS.items():
            good = encode(TEXT)
            for bad in b"not coded at all", good[:-1], good + b"garbage":
                answer = peer.ask("POST", "/upload", ("Content-Encoding", coding), body=bad)
                assert answer.status == 400, (coding, len(bad))
        assert peer.ask("GET", "/hello").status == 200


@pytest.mark.parametrize("coding", ENCODERS)
def test_bombs_cost_little(site, coding):
    bomb = ENCODERS[coding](bytes(60_000_000))
    with site.peer() as peer:
        peer.ask("POST", "/upload", ("Content-Encoding", coding), body=ENCODERS[coding](TEXT))
    before = site.resident()
    for codings, body in (coding, bomb), (f"{coding}, gzip", gzip.compress(bomb)):
        with site.peer() as peer:
            answer = peer.ask("POST", "/upload", ("Content-Encoding", codings), body=body)
            assert answer.status == 413
    if not SANITIZED:
        assert site.resident() - before < 30_000_000
    with site.peer() as peer:
        assert peer.ask("GET", "/hello").status == 200


def test_clients_that_stop_reading_leave_nothing(site):
    peers = [site.peer(buffer=4096) for _ in range(40)]
    for i, peer in enumerate(peers):
        peer.request("GET", "/files/noise.txt", ("Accept-Encoding", list(DECODERS)[i % 3]))
    for peer in peers:
        assert peer.head().get("Content-Encoding")
    with site.peer() as other:
        assert other.ask("GET", "/hello").status == 200
    before = site.descriptors()
    for i, peer in enumerate(peers):
        peer.reset() if i % 2 else peer.close()
    wait_until(lambda: site.descriptors() <= before - len(peers), "connections end")
