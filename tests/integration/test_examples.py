"""Every example is started and does what it says."""

import select
import signal
import threading
from pathlib import Path

import pytest
import trustme
from programs import SANITIZED, wait_until
from websocket import TEXT, WebSocket, frame

ANY = "127.0.0.1:0"


def test_hello(start):
    hello = start("01_hello", ANY)
    assert hello.curl("/") == "Hello!\n"
    assert hello.curl("/other", "-o", "/dev/null", "-w", "%{http_code}") == "404"


@pytest.mark.parametrize("name", ["02_queue", "02b_driven"])
def test_requests_reach_a_loop_of_the_program(start, name):
    program = start(name, ANY)
    assert program.curl("/hello/Ada") == "Hello, Ada!\n"
    with program.peer() as peer:
        for i in range(100):
            assert peer.ask("GET", f"/hello/{i}").body == b"Hello, %d!\n" % i
        peer.send(b"GET /hello/a HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
        assert [peer.response().body for _ in range(50)] == [b"Hello, a!\n"] * 50
        # The program's own business goes on beside it.
        wait_until(lambda: int(peer.ask("GET", "/ticks").body) >= 1, "a tick")


def test_driven_has_no_thread(start):
    program = start("02b_driven", ANY)
    assert program.curl("/hello/you") == "Hello, you!\n"
    status = Path(f"/proc/{program.process.pid}/status").read_text(encoding="ascii")
    assert "Threads:\t1\n" in status


def test_many_clients_of_one_loop(start):
    program = start("02b_driven", ANY)
    peers = [program.peer() for _ in range(200)]
    for i, peer in enumerate(peers):
        peer.request("GET", f"/hello/{i}")
    for i, peer in enumerate(peers):
        assert peer.response().body == b"Hello, %d!\n" % i
        peer.close()


class TestStreams:
    SIZE = 100_000_000

    @pytest.fixture
    def program(self, start):
        return start("03_upload_download", ANY)

    def test_download(self, program):
        assert program.curl("/download/1000000", binary=True) == bytes(1_000_000)
        assert "content-length: 5\r\n" in program.curl("/download/5", "-I").lower()
        assert program.curl("/download/0") == ""

    def test_upload(self, program, tmp_path):
        file = tmp_path / "file"
        file.write_bytes(bytes(3_000_000))
        assert program.curl("/upload", "-T", file, "-X", "POST") == "3000000\n"
        assert program.curl("/upload", "-d", "") == "0\n"

    def test_copy(self, program):
        before = program.resident()
        with program.peer() as peer:
            sender = threading.Thread(target=self.send_body, args=(peer,))
            sender.start()
            head = peer.head()
            assert head.status == 200
            assert head.get("Transfer-Encoding") == "chunked"
            received = 0
            for chunk in iter(peer._chunk, b""):
                assert chunk == bytes(chunk[:1]) * len(chunk)
                received += len(chunk)
            sender.join()
        assert received == self.SIZE
        if not SANITIZED:
            assert program.peak() - before < 8_000_000

    def send_body(self, peer):
        peer.send(f"POST /copy HTTP/1.1\r\nHost: x\r\nContent-Length: {self.SIZE}\r\n\r\n")
        block = bytes(1_000_000)
        for _ in range(self.SIZE // len(block)):
            peer.send(block)

    def test_a_reader_who_stops_stops_the_sender(self, program):
        """Backpressure through to the client: nobody reads, so no more is taken."""
        with program.peer() as peer:
            peer.send(f"POST /copy HTTP/1.1\r\nHost: x\r\nContent-Length: {self.SIZE}\r\n\r\n")
            peer.socket.settimeout(1.0)
            block, sent = bytes(64 * 1024), 0
            with pytest.raises(TimeoutError):
                while sent < self.SIZE:
                    sent += peer.socket.send(block)
            assert sent < self.SIZE / 2
        wait_until(lambda: program.curl("/download/1", binary=True) == b"\0", "it serves others")

    def test_more_than_its_places_are_told(self, program):
        """The queue is made for 1024 exchanges; those beyond get 503 and lose nothing."""
        peers = [program.peer() for _ in range(1030)]
        try:
            for peer in peers:
                peer.send("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n")
            refused = wait_until(lambda: self.answered(peers), "503")
            assert 1 <= len(refused) <= 6
            for peer in refused:
                response = peer.response()
                assert response.status == 503
                assert response.get("Retry-After") is not None
        finally:
            for peer in peers:
                peer.close()

    @staticmethod
    def answered(peers):
        poll = select.poll()
        by_descriptor = {peer.socket.fileno(): peer for peer in peers}
        for descriptor in by_descriptor:
            poll.register(descriptor, select.POLLIN)
        ready = [by_descriptor[descriptor] for descriptor, _ in poll.poll(0)]
        return ready if len(ready) == 6 else None


def test_graceful_shutdown(start):
    program = start("04_graceful_shutdown", ANY)
    with program.peer() as peer:
        peer.request("GET", "/slow")
        with program.peer() as idle:
            # An answer on another connection shows that the first one was read, too.
            assert idle.ask("GET", "/nothing").status == 404
            program.signal()
            assert idle.at_end()
        response = peer.response()
        assert response.status == 200
        assert response.body == b"done\n"
        assert response.get("Connection") == "close"
        assert peer.at_end()
    assert program.wait() == 0, program.errors()
    assert "0 connections were reset" in program.errors()


def test_an_address_that_is_none_is_told(start):
    for name in ("01_hello", "02_queue", "02b_driven", "03_upload_download"):
        with pytest.raises(AssertionError, match="the program ended: " + name + ": .+"):
            start(name, "nonsense")


def test_https_with_new_certificates(start, tmp_path):
    def issue():
        authority = trustme.CA()
        made = authority.issue_cert("localhost", "127.0.0.1")
        made.private_key_pem.write_to_path(tmp_path / "key.pem")
        (tmp_path / "certificate.pem").unlink(missing_ok=True)
        for blob in made.cert_chain_pems:
            blob.write_to_path(tmp_path / "certificate.pem", append=True)
        root = tmp_path / "root.pem"
        authority.cert_pem.write_to_path(root)
        return ("--cacert", str(root))

    first = issue()
    program = start("05_https", ANY, str(tmp_path / "certificate.pem"), str(tmp_path / "key.pem"))
    assert program.curl("/", *first, "--http2").startswith("HTTP/2, TLSv1.3, TLS_AES_")
    assert program.curl("/", *first, "--http1.1").startswith("HTTP/1.1, TLSv1.3, ")
    older = program.curl("/", *first, "--http1.1", "--tls-max", "1.2")
    assert older.startswith("HTTP/1.1, TLSv1.2")
    second = issue()
    program.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "new certificates" in program.errors(), "a reload")
    assert program.curl("/", *second, "--http2").startswith("HTTP/2, ")
    (tmp_path / "key.pem").write_text("nonsense")
    program.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "key" in program.errors(), "a refusal")
    assert program.curl("/", *second, "--http2").startswith("HTTP/2, ")


def test_a_chat(start):
    program = start("06_websocket_chat", ANY)
    with WebSocket(program.address, "/") as one, WebSocket(program.address, "/") as two:
        one.send(frame(TEXT, b"hello"))
        assert two.message() == (TEXT, b"hello")
        assert one.message() == (TEXT, b"hello")
        two.send(frame(TEXT, b"x" * 5000))
        assert two.closed() == 1009
    assert program.curl("/", "-o", "/dev/null", "-w", "%{http_code}") == "426"


def test_a_clock(start):
    program = start("07_sse_clock", ANY)

    def ids(*fields, wanted):
        with program.peer() as peer:
            peer.request("GET", "/", *fields)
            found = []
            while len(found) < wanted:
                line = peer.input.readline()
                if line.startswith(b"id: "):
                    found.append(int(line[4:]))
            return found

    first, second = ids(wanted=2)
    assert second == first + 1
    assert ids(("Last-Event-ID", str(first)), wanted=1) == [second]
