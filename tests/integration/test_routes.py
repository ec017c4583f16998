"""The routes of the demo server, by curl: they are what other programs will be pointed at."""

import json

import pytest


def code(demo, path, *options):
    return int(demo.curl(path, "-o", "/dev/null", "-w", "%{http_code}", *options))


def test_index_lists_the_routes(demo):
    page = demo.curl("/")
    for route in (
        "/hello",
        "/echo",
        "/upload",
        "/bytes/",
        "/stream/",
        "/slow?ms=",
        "/status/",
        "/headers",
        "/trailers",
        "/metrics",
    ):
        assert route in page
    assert "/files/" not in page, "there is no folder"
    assert code(demo, "/files/x") == 404


def test_hello(demo):
    assert demo.curl("/hello") == "Hello, world!\n"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "MOVE"])
def test_echo_takes_any_method(demo, method):
    options = ("-X", method, "-d", "some bytes", "-H", "Content-Type: text/x-test", "-i")
    head, body = demo.curl("/echo", *options).split("\r\n\r\n")
    assert body == "some bytes"
    assert "content-type: text/x-test" in head.lower()
    assert "content-length: 10" in head.lower()


def test_echo_of_nothing(demo):
    assert demo.curl("/echo") == ""
    assert "content-length: 0" in demo.curl("/echo", "-I").lower()


def test_echo_of_chunks_is_chunked(demo):
    answer = demo.curl("/echo", "-H", "Transfer-Encoding: chunked", "-d", "in chunks", "-i")
    assert "transfer-encoding: chunked" in answer.lower()
    assert answer.endswith("\r\n\r\nin chunks")


def test_upload_counts(demo, tmp_path):
    (tmp_path / "file").write_bytes(bytes(1_234_567))
    assert json.loads(demo.curl("/upload", "-T", tmp_path / "file")) == {"bytes": 1_234_567}
    assert json.loads(demo.curl("/upload", "-d", "")) == {"bytes": 0}
    assert code(demo, "/upload") == 405


def test_bytes(demo):
    line = b"0123456789abcdef" * 4
    for count in (0, 1, 63, 64, 65_535, 65_536, 65_537, 1_000_003):
        expected = (line[:63] + b"\n") * (count // 64 + 1)
        assert demo.curl(f"/bytes/{count}", binary=True) == expected[:count]
    assert "content-length: 10995116277760\r\n" in demo.curl("/bytes/10995116277760", "-I").lower()
    for path in ("/bytes/x", "/bytes/-1", "/bytes/99999999999999999999", "/bytes/1x"):
        assert code(demo, path) == 400
    assert code(demo, "/bytes/") == 404


def test_stream(demo):
    assert demo.curl("/stream/3") == "chunk 0\nchunk 1\nchunk 2\n"
    assert demo.curl("/stream/0") == ""
    assert demo.curl("/stream/100000").count("\n") == 100_000
    with demo.peer() as peer:
        response = peer.ask("GET", "/stream/5")
        assert response.chunks == [b"chunk %d\n" % i for i in range(5)]
    assert code(demo, "/stream/many") == 400


def test_slow_waits_as_long_as_it_is_told(demo):
    taken = float(demo.curl("/slow?ms=300", "-o", "/dev/null", "-w", "%{time_total}"))
    assert 0.3 <= taken < 30
    assert demo.curl("/slow?x=1&ms=0") == "That was slow.\n"
    for query in ("ms=60001", "ms=", "ms=-1", "ms=1s", "x&ms=a"):
        assert code(demo, f"/slow?{query}") == 400


def test_many_slow_ones_wait_together(demo):
    peers = [demo.peer() for _ in range(100)]
    for peer in peers:
        peer.request("GET", "/slow?ms=200")
    for peer in peers:
        assert peer.response().status == 200
        peer.close()


@pytest.mark.parametrize("status", [200, 201, 204, 205, 301, 304, 404, 418, 500, 599])
def test_status(demo, status):
    with demo.peer() as peer:
        for method in ("GET", "POST", "HEAD"):
            assert peer.ask(method, f"/status/{status}").status == status
        assert peer.ask("GET", "/hello").body == b"Hello, world!\n"


@pytest.mark.parametrize("status", ["100", "199", "600", "99", "0200", "abc", "20"])
def test_a_status_that_is_none(demo, status):
    assert code(demo, f"/status/{status}") == 400


def test_headers_as_json(demo):
    got = json.loads(
        demo.curl(
            '/headers?q="<\\',
            "-X",
            "PUT",
            "-H",
            "X-A: 1",
            "-H",
            "X-a: two",
            "-H",
            'X-Quote: a"b\\c\td',
        )
    )
    assert got["method"] == "PUT"
    assert got["target"] == '/headers?q="<\\'
    assert got["protocol"] == "HTTP/1.1"
    assert ["X-A", "1"] in got["headers"]
    assert ["X-a", "two"] in got["headers"]
    assert ["X-Quote", 'a"b\\c\td'] in got["headers"]
    assert json.loads(demo.curl("/headers", "-0"))["protocol"] == "HTTP/1.0"


def test_headers_of_any_bytes_are_valid_json(demo):
    with demo.peer() as peer:
        peer.send(b"GET /headers HTTP/1.1\r\nHost: x\r\nX-Bytes: \x80\xe9\xff~\r\n\r\n")
        got = json.loads(peer.response().body)
        assert ["X-Bytes", "\x80\xe9\xff~"] in got["headers"]


def test_trailers(demo):
    with demo.peer() as peer:
        response = peer.ask("GET", "/trailers")
        assert response.trailers == [("x-request-bytes", "0"), ("x-demo", "trailers")]
        assert response.get("Trailer") == "x-request-bytes, x-demo"
        assert json.loads(response.body) == {"trailers": []}
        peer.send(
            "POST /trailers HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            "5\r\nhello\r\n0\r\nX-Sum: abc\r\nX-Other: d\r\n\r\n"
        )
        response = peer.response()
        assert json.loads(response.body) == {"trailers": [["X-Sum", "abc"], ["X-Other", "d"]]}
        assert response.trailers[0] == ("x-request-bytes", "5")


def test_metrics(demo):
    text = demo.curl("/metrics")
    for line in text.splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            assert name.startswith("httpcore_")
            assert float(value) >= 0
    before = demo.metric("requests_total")
    demo.curl("/hello")
    assert demo.metric("requests_total") == before + 2  # that one, and the question itself


def test_head_is_get_without_a_body(demo):
    with demo.peer() as peer:
        for path in ("/", "/hello", "/bytes/1000", "/headers"):
            peer.ask("GET", path)
            full = peer.ask("GET", path)
            head = peer.ask("HEAD", path)
            assert head.status == full.status
            if path != "/headers":
                assert head.get("Content-Length") == str(len(full.body))
            assert head.get("content-type") == full.get("content-type")
        assert peer.ask("HEAD", "/stream/3").status == 200
        assert peer.ask("HEAD", "/trailers").status == 200
        assert peer.ask("GET", "/hello").body == b"Hello, world!\n"


def test_what_is_not_there(demo):
    assert code(demo, "/nowhere") == 404
    assert code(demo, "/hello/") == 404
    assert code(demo, "/%68ello") == 404, "routes match paths as they came"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_a_method_that_a_route_lacks(demo, method):
    answer = demo.curl("/hello", "-X", method, "-i")
    assert " 405 " in answer.splitlines()[0]
    assert "allow: get, head\r\n" in answer.lower()
