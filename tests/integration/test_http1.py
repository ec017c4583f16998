"""HTTP/1 on the wire: connections, framing, and the answers to what is wrong or too much."""

import time

import pytest
from programs import wait_until

OK = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"


class TestConnections:
    def test_stays_open(self, demo):
        with demo.peer() as peer:
            for _ in range(100):
                response = peer.ask("GET", "/hello")
                assert response.status == 200
                assert response.get("Connection") is None

    def test_close_is_obeyed(self, demo):
        with demo.peer() as peer:
            assert peer.ask("GET", "/hello", ("Connection", "close")).get("Connection") == "close"
            assert peer.at_end()

    def test_1_0_closes(self, demo):
        with demo.peer() as peer:
            response = peer.ask("GET", "/hello", version="HTTP/1.0")
            assert response.body == b"Hello, world!\n"
            assert peer.at_end()

    def test_1_0_may_ask_to_stay(self, demo):
        with demo.peer() as peer:
            for _ in range(3):
                response = peer.ask(
                    "GET", "/hello", ("Connection", "keep-alive"), version="HTTP/1.0"
                )
                assert response.get("Connection").lower() == "keep-alive"

    def test_1_0_gets_no_chunks(self, demo):
        with demo.peer() as peer:
            response = peer.ask(
                "GET", "/stream/3", ("Connection", "keep-alive"), version="HTTP/1.0"
            )
            assert response.get("Transfer-Encoding") is None
            assert response.body == b"chunk 0\nchunk 1\nchunk 2\n"

    def test_1_0_needs_no_host(self, demo):
        with demo.peer() as peer:
            peer.send("GET /hello HTTP/1.0\r\n\r\n")
            assert peer.response().status == 200

    def test_pipelined_answers_keep_their_order(self, demo):
        with demo.peer() as peer:
            paths = [
                "/hello",
                "/slow?ms=50",
                "/bytes/100000",
                "/stream/10",
                "/nowhere",
                "/slow?ms=1",
                "/status/204",
                "/headers",
            ] * 5
            peer.send("".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n" for path in paths))
            bodies = {"/hello": b"Hello, world!\n", "/slow": b"That was slow.\n"}
            for path in paths:
                response = peer.response()
                assert response.status == {"/nowhere": 404, "/status/204": 204}.get(path, 200)
                if path == "/bytes/100000":
                    assert len(response.body) == 100_000
                elif path.partition("?")[0] in bodies:
                    assert response.body == bodies[path.partition("?")[0]]

    def test_pipelined_bodies_are_told_apart(self, demo):
        with demo.peer() as peer:
            for i in range(200):
                body = b"%d" % i * (i % 50)
                peer.send(
                    b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
                    % (len(body), body)
                )
            for i in range(200):
                assert peer.response().body == b"%d" % i * (i % 50)

    def test_one_byte_at_a_time(self, demo):
        message = (
            b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n" + OK
        )
        with demo.peer() as peer:
            for byte in message:
                peer.send(bytes([byte]))
            assert peer.response().body == b"abcde"
            assert peer.response().body == b"Hello, world!\n"

    def test_an_end_behind_a_request_is_not_a_departure(self, demo):
        with demo.peer() as peer:
            peer.request("GET", "/slow?ms=100")
            peer.finish()
            assert peer.response().body == b"That was slow.\n"
            assert peer.at_end()

    def test_empty_lines_before_a_request(self, demo):
        with demo.peer() as peer:
            peer.send(b"\r\n" + OK)
            assert peer.response().status == 200

    def test_absolute_form(self, demo):
        with demo.peer() as peer:
            assert peer.ask("GET", "http://test/hello").body == b"Hello, world!\n"


class TestExpect:
    REQUEST = "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"

    def test_continue(self, demo):
        with demo.peer() as peer:
            peer.send(self.REQUEST.format("/echo"))
            assert peer.head().status == 100
            assert peer.head().status == 200  # the echo begins before the body is there
            peer.send("hello")
            assert peer._exactly(5) == b"hello"
            peer.send(self.REQUEST.format("/upload"))
            assert peer.head().status == 100
            peer.send("hello")
            assert peer.response().body == b'{"bytes":5}\n'

    def test_no_continue_for_what_is_refused(self, demo):
        for path, status in (("/hello", 405), ("/nowhere", 404)):
            with demo.peer() as peer:
                peer.send(self.REQUEST.format(path))
                assert peer.head().status == status

    def test_no_continue_when_the_body_is_there(self, demo):
        with demo.peer() as peer:
            peer.send(self.REQUEST.format("/upload") + "hello")
            assert peer.response().body == b'{"bytes":5}\n'

    def test_another_expectation_fails(self, demo):
        with demo.peer() as peer:
            peer.request("GET", "/hello", ("Expect", "wonders"))
            assert peer.response().status == 417

    def test_curl(self, demo):
        assert demo.curl("/echo", "-H", "Expect: 100-continue", "-d", "x" * 2000) == "x" * 2000


class TestChunks:
    def post(self, demo, body, head="Transfer-Encoding: chunked\r\n"):
        with demo.peer() as peer:
            peer.send(f"POST /echo HTTP/1.1\r\nHost: x\r\n{head}\r\n{body}")
            return peer.response()

    def test_extensions_are_passed_over(self, demo):
        assert self.post(demo, '3;a=b;c="d e"\r\nabc\r\n0;x\r\n\r\n').body == b"abc"

    @pytest.mark.parametrize(
        "size", ["0x3", "+3", "-3", "3_0", " 3", "3 ", "", "g", "10000000000000000", "3\n"]
    )
    def test_bad_sizes(self, demo, size):
        with demo.peer() as peer:
            peer.send(
                "POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                f"{size}\r\nabc\r\n0\r\n\r\n"
            )
            assert peer.response().status == 400
            assert peer.at_end()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /hello HTTP/1.1\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\r\nHost: x\r\nBad : 1\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\nHost: x\n\n", 400),
        (b"GET  /hello HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GE(T /hello HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (
            b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET /hello HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 40_000 + b"\r\n\r\n", 431),
        (b"GET /hello HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        (b"GET /hello HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"GET /hello HTTP/3.7\r\nHost: x\r\n\r\n", 505),
    ],
    ids=lambda value: value[:60].decode("latin-1") if isinstance(value, bytes) else value,
)
def test_wrong_requests(demo, request_bytes, status):
    with demo.peer() as peer:
        peer.send(request_bytes)
        response = peer.response()
        assert response.status == status
        assert response.get("Connection") == "close"
        assert peer.at_end()


def test_nothing_behind_a_wrong_request_is_served(demo):
    before = demo.metric("requests_total")
    with demo.peer() as peer:
        peer.send(
            b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
            b"Content-Length: 4\r\n\r\nabc" + OK
        )
        assert peer.response().status == 400
        assert peer.at_end()
    assert demo.metric("requests_total") <= before + 2


class TestLimits:
    @pytest.fixture
    def limited(self, start):
        def call(*settings):
            options = [option for setting in settings for option in ("--set", setting)]
            return start("demo_server", "--port", "0", *options)

        return call

    def test_body_by_its_length(self, limited):
        demo = limited("limits.body_bytes_max=1000")
        with demo.peer() as peer:
            assert peer.ask("POST", "/upload", body=bytes(1000)).body == b'{"bytes":1000}\n'
            peer.send("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n")
            assert peer.response().status == 413
        with demo.peer() as peer:
            peer.send(
                "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n"
                "Expect: 100-continue\r\n\r\n"
            )
            assert peer.head().status == 413

    def test_body_in_chunks(self, limited):
        demo = limited("limits.body_bytes_max=1000")
        with demo.peer() as peer:
            peer.send(
                "POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                "3e8\r\n" + "a" * 1000 + "\r\n1\r\na\r\n0\r\n\r\n"
            )
            assert peer.response().status == 413

    def test_head_that_does_not_end(self, limited):
        demo = limited("limits.header_timeout_ms=200")
        with demo.peer() as peer:
            peer.send("GET /hello HTTP/1.1\r\nHost:")
            assert peer.response().status == 408
            assert peer.at_end()

    def test_body_that_does_not_come(self, limited):
        demo = limited("limits.body_timeout_ms=200")
        with demo.peer() as peer:
            peer.send("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nab")
            assert peer.response().status == 408
            assert peer.at_end()

    def test_idle_connections_close_without_a_word(self, limited):
        demo = limited("limits.idle_timeout_ms=200")
        with demo.peer() as peer:
            assert peer.ask("GET", "/hello").status == 200
            begin = time.monotonic()
            assert peer.at_end()
            assert time.monotonic() - begin < 20, "the write timeout is 30 s"

    def test_a_second_head_that_does_not_end(self, limited):
        """Behind an answer, whose own time limit is a longer one."""
        demo = limited("limits.header_timeout_ms=200")
        with demo.peer() as peer:
            peer.send(OK + b"GET /hello HTTP/1.1\r\nHost:")
            assert peer.response().status == 200
            begin = time.monotonic()
            assert peer.response().status == 408
            assert time.monotonic() - begin < 20, "the write timeout is 30 s"

    def test_requests_take_only_so_long(self, limited):
        demo = limited("limits.request_timeout_ms=200")
        with demo.peer() as peer:
            assert peer.ask("GET", "/slow?ms=30000").status == 503

    def test_connections_at_once(self, limited):
        demo = limited("limits.connections_max=2")
        with demo.peer() as first, demo.peer() as second:
            assert first.ask("GET", "/hello").status == 200
            assert second.ask("GET", "/hello").status == 200
            with demo.peer() as third:
                response = third.response()
                assert response.status == 503
                assert response.get("Retry-After") is not None
                assert third.at_end()
            assert first.ask("GET", "/hello").status == 200

    def test_requests_on_one_connection(self, limited):
        demo = limited("limits.requests_per_connection_max=2")
        with demo.peer() as peer:
            assert peer.ask("GET", "/hello").get("Connection") is None
            assert peer.ask("GET", "/hello").get("Connection") == "close"
            assert peer.at_end()

    def test_a_reader_who_takes_nothing_is_let_go(self, limited):
        demo = limited("limits.write_timeout_ms=300")
        with demo.peer(buffer=4096) as peer:
            peer.request("GET", "/bytes/100000000")
            wait_until(lambda: demo.metric("timeouts_total") >= 1, "the write timeout")
