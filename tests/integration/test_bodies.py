"""Large bodies both ways through little memory, and backpressure to the one who sends."""

import hashlib
import json
import threading

import pytest
from programs import SANITIZED

SIZE = 100_000_000


@pytest.fixture(autouse=True)
def bounded_memory(demo):
    before = demo.resident()
    yield
    if not SANITIZED:
        assert demo.peak() - before < 8_000_000


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """A file that does not repeat itself, and its digest."""
    file = tmp_path_factory.mktemp("noise") / "noise"
    block = bytearray(1_000_000)
    digest = hashlib.sha256()
    with open(file, "wb") as out:
        for i in range(SIZE // len(block)):
            block[:8] = i.to_bytes(8, "big")
            digest.update(block)
            out.write(block)
    return file, digest.hexdigest()


def test_upload(demo, noise):
    assert json.loads(demo.curl("/upload", "-T", noise[0])) == {"bytes": SIZE}


def test_upload_in_chunks(demo, noise):
    options = ("-T", noise[0], "-H", "Transfer-Encoding: chunked")
    assert json.loads(demo.curl("/upload", *options)) == {"bytes": SIZE}


@pytest.mark.parametrize("coding", ["Content-Type: x/y", "Transfer-Encoding: chunked"])
def test_echo(demo, noise, tmp_path, coding):
    demo.curl("/echo", "-T", noise[0], "-H", coding, "-o", tmp_path / "back")
    with open(tmp_path / "back", "rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == noise[1]


def test_download(demo):
    done = demo.curl(f"/bytes/{SIZE}", "-o", "/dev/null", "-w", "%{size_download}")
    assert int(done) == SIZE


def test_many_gigabytes_are_only_begun(demo):
    with demo.peer() as peer:
        peer.request("GET", f"/bytes/{10 << 30}")
        assert peer.head().get("Content-Length") == str(10 << 30)
        assert len(peer._exactly(SIZE)) == SIZE


def test_many_chunks(demo):
    done = demo.curl("/stream/1000000", "-o", "/dev/null", "-w", "%{size_download}")
    assert int(done) == sum(len(f"chunk {i}\n") for i in range(1_000_000))


def test_slow_readers_hold_up_nobody(demo):
    """Fifty who ask for much and read nothing, beside one who reads."""
    lazy = [demo.peer(buffer=4096) for _ in range(50)]
    for peer in lazy:
        peer.request("GET", f"/bytes/{SIZE}")
        peer.head()
    try:
        with demo.peer() as peer:
            for _ in range(100):
                assert peer.ask("GET", "/bytes/100000").status == 200
    finally:
        for peer in lazy:
            peer.close()


def test_an_echo_that_nobody_reads_takes_no_more(demo):
    with demo.peer() as peer:
        peer.send(f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {SIZE}\r\n\r\n")
        taken = threading.Event()

        def send():
            block = bytes(64 * 1024)
            for _ in range(0, SIZE, len(block)):
                peer.send(block[: max(0, min(len(block), SIZE - send.count))])
                send.count += len(block)
            taken.set()

        send.count = 0
        sender = threading.Thread(target=send)
        sender.start()
        assert peer.head().status == 200
        assert not taken.wait(1.0), "all of it was taken"
        assert send.count < SIZE / 2
        received = 0
        while received < SIZE:  # once it is read, the rest follows
            received += len(peer.input.read1(1 << 20))
        sender.join()
