"""What a handler and its client see of an exchange, the same on every protocol.

One server with one set of handlers (exchange_server.c); every test runs over HTTP/1.1 and HTTP/2,
in clear text and encrypted.
"""

import json
import os
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from clients import Closed, Http1, Http2, Response

BUILD = Path(os.environ["HTTPCORE_BUILD_ROOT"])
PATIENCE = 60.0
PATTERN = bytes(i % 251 for i in range(251 * 300))


class Server:
    def __init__(self, *settings):
        program = BUILD / "tests" / "conformance" / "exchange" / "exchange_server"
        self.process = subprocess.Popen(
            [program, *settings], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.addresses = {}
        for tls in (False, True):
            url = urlsplit(self.process.stdout.readline().decode().strip())
            self.addresses[tls] = (url.hostname, url.port)

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0

    def state(self):
        client = Http1(self.addresses[False], tls=False)
        state = json.loads(Response(client.request("GET", "/state")).body)
        client.close()
        return state

    def wait_for(self, condition, what):
        end = time.monotonic() + PATIENCE
        while not condition(state := self.state()):
            assert time.monotonic() < end, f"waited in vain: {what}: {state}"
            time.sleep(0.005)
        return state


@pytest.fixture(scope="module")
def server():
    # Clients here wait on purpose, on a slow machine for long.
    patient = [f"limits.{name}_timeout_ms" for name in ("body", "header", "idle", "write")]
    server = Server("log.level", "off", *(word for name in patient for word in (name, "0")))
    yield server
    server.end()


KINDS = {
    "h1": (Http1, False),
    "h1-tls": (Http1, True),
    "h2": (Http2, False),
    "h2-tls": (Http2, True),
}


@pytest.fixture(params=KINDS)
def connect(request, server):
    """connect(...): a client of the protocol that the test runs over."""
    kind, tls = KINDS[request.param]
    clients = []

    def call(**options):
        clients.append(kind(server.addresses[tls], tls, **options))
        return clients[-1]

    yield call
    for client in clients:
        client.close()


@pytest.fixture
def client(connect):
    return connect()


def expected_bytes(n):
    """What /bytes/{n} sends: pieces of a pattern, each from where the one before ended."""
    out, sent = [], 0
    while sent < n:
        size = min(16384, n - sent)
        at = sent % 251
        out.append(PATTERN[at : at + size])
        sent += size
    return b"".join(out)


class TestAnswers:
    def test_one_after_the_other(self, client):
        for _ in range(20):
            response = Response(client.request("GET", "/hello"))
            assert (response.status, response.body) == (200, b"Hello, world!\n")
            assert response.fields["content-length"] == "14"
            assert "date" in response.fields

    def test_facts(self, client):
        text = Response(client.request("GET", "/facts?a=1&b")).body.decode()
        encrypted = "TLSv1.3" in text
        scheme = "https" if encrypted else "http"
        tls = f"TLSv1.3 {client.name}" if encrypted else " "
        assert text == f"GET {scheme} /facts a=1&b {client.version} {tls}"

    def test_head_has_no_body(self, client):
        response = Response(client.request("HEAD", "/hello"))
        assert (response.status, response.body) == (200, b"")
        assert response.fields["content-length"] == "14"
        assert Response(client.request("GET", "/hello")).body == b"Hello, world!\n"

    @pytest.mark.parametrize("status", [204, 205, 304, 404, 500, 599])
    def test_status_without_body(self, client, status):
        response = Response(client.request("GET", f"/status/{status}"))
        assert (response.status, response.body) == (status, b"")

    def test_unknown_path(self, client):
        assert Response(client.request("GET", "/none")).status == 404
        assert Response(client.request("GET", "/hello")).status == 200

    def test_early_hints(self, client):
        response = Response(client.request("GET", "/hints"))
        assert [status for status, _ in response.interim] == [103, 103]
        for _, fields in response.interim:
            assert fields["link"] == "</style.css>; rel=preload; as=style"
        assert (response.status, response.body) == (200, b"hinted")

    def test_released_without_an_answer(self, client):
        assert Response(client.request("GET", "/nobody")).status == 500

    def test_early_answer(self, client):
        exchange = client.request("POST", "/early", end=False)
        exchange.send(b"some")
        response = Response(exchange)
        assert (response.status, response.body) == (200, b"early")


class TestBodies:
    @pytest.mark.parametrize("size", [0, 1, 1000, 16384, 65536, 1_000_000])
    def test_echo(self, client, size):
        body = expected_bytes(size)
        exchange = client.request("POST", "/echo", end=False)
        # No more than what fits into buffers on the way is sent before anything is read.
        for at in range(0, size, 32768):
            exchange.send(body[at : at + 32768])
            if at == 0:
                assert exchange.event()[0] == "head"
            received = b""
            while len(received) < len(body[at : at + 32768]):
                received += exchange.event()[1]
            assert received == body[at : at + 32768]
        exchange.send(b"", end=True)
        if size == 0:
            assert exchange.event()[0] == "head"
        assert exchange.event() == ("end", {})

    def test_echo_is_immediate(self, client):
        exchange = client.request("POST", "/echo", end=False)
        assert exchange.event()[0] == "head"
        for i in range(50):
            word = f"word {i}".encode()
            exchange.send(word)
            received = b""
            while len(received) < len(word):
                received += exchange.event()[1]
            assert received == word
        exchange.send(b"", end=True)
        assert exchange.event()[0] == "end"

    def test_content_length_both_ways(self, client):
        exchange = client.request("POST", "/count", [("content-length", "5")], end=False)
        exchange.send(b"12345", end=True)
        assert Response(exchange).body == b"5"

    @pytest.mark.parametrize("size", [1, 100_000, 10_000_000])
    def test_download(self, client, size):
        response = Response(client.request("GET", f"/bytes/{size}"))
        assert response.status == 200
        assert response.body == expected_bytes(size)

    def test_upload(self, client):
        exchange = client.request("POST", "/count", end=False)
        for _ in range(100):
            exchange.send(b"x" * 100_000)
        exchange.send(b"", end=True)
        assert Response(exchange).body == b"10000000"

    def test_trailers_both_ways(self, client):
        exchange = client.request("POST", "/trailers", [("trailer", "x-checksum")], end=False)
        exchange.send(b"12345")
        exchange.send_trailers([("x-checksum", "abc"), ("x-more", "def")])
        response = Response(exchange)
        assert response.body == b"body"
        assert response.trailers == {"x-bytes": "5", "x-checksum": "abc", "x-more": "def"}


class TestBackpressure:
    def test_of_the_answer(self, server, connect):
        """Who does not read makes the handler wait, not memory grow."""
        size = 30_000_000
        before = server.state()
        client = connect(buffer=32768)
        exchange = client.request("GET", f"/bytes/{size}")
        assert exchange.event()[0] == "head"
        settled = 0
        while True:  # until nothing is taken any more
            taken = server.state()["accepted"] - before["accepted"]
            if taken == settled and taken > 0:
                break
            settled = taken
            time.sleep(0.2)
        assert taken < 8_000_000, "what buffers on the way hold, and no more"
        received = bytearray()
        while (event := exchange.event())[0] == "data":
            received += event[1]
        assert received == expected_bytes(size)
        assert server.state()["writables"] > before["writables"]

    def test_of_the_request(self, server, client):
        """What is not granted is not delivered, and in the end not taken from the peer."""
        body = b"x" * 30_000_000
        exchange = client.request("POST", "/stall", end=False)
        taken = exchange.send_some(body)
        assert taken < 20_000_000
        assert server.state()["stalled"] == 1000
        other = Http1(server.addresses[False], tls=False)
        assert Response(other.request("GET", "/resume")).body == b"resumed"
        other.close()
        exchange.send_rest()
        exchange.send(b"", end=True)
        assert Response(exchange).body == str(len(body)).encode()


class TestEnds:
    def test_the_handler_aborts(self, client):
        with pytest.raises(Closed):
            Response(client.request("GET", "/abort"))

    def test_fewer_bytes_than_announced(self, client):
        with pytest.raises(Closed):
            Response(client.request("GET", "/short"))

    def test_the_client_leaves_before_the_answer(self, server, client):
        before = server.state()
        exchange = client.request("GET", "/wait")
        server.wait_for(lambda state: state["begun"] > before["begun"], "the request")
        exchange.reset()
        state = server.wait_for(lambda state: state["ends"] > before["ends"], "HC_EV_CLOSED")
        assert state["last_end"] == -18, "HC_E_RESET"

    def test_the_client_leaves_in_the_middle_of_its_body(self, server, client):
        before = server.state()
        exchange = client.request("POST", "/count", end=False)
        exchange.send(b"half")
        server.wait_for(lambda state: state["begun"] > before["begun"], "the request")
        exchange.reset()
        server.wait_for(lambda state: state["ends"] > before["ends"], "HC_EV_CLOSED")

    def test_the_client_leaves_in_the_middle_of_the_answer(self, server, connect):
        before = server.state()["ends"]
        client = connect(buffer=32768)
        exchange = client.request("GET", "/bytes/50000000")
        assert exchange.event()[0] == "head"
        exchange.reset()
        server.wait_for(lambda state: state["ends"] > before, "HC_EV_CLOSED")


class TestMany:
    def test_exchanges_beside_each_other(self, server, connect):
        """Where a connection carries one at a time, each has its own."""
        if connect().version == 20:
            client = connect()
            exchanges = [client.request("POST", "/echo", end=False) for _ in range(50)]
        else:
            exchanges = [connect().request("POST", "/echo", end=False) for _ in range(50)]
        for i, exchange in enumerate(exchanges):
            exchange.send(f"number {i}".encode() * 100, end=True)
        for i, exchange in reversed(list(enumerate(exchanges))):
            assert Response(exchange).body == f"number {i}".encode() * 100
