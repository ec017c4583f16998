"""The examples in C++: each is started and does what it says."""

import http.server
import os
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from programs import BUILD, PATIENCE


def run(name, *arguments):
    return subprocess.run(
        [BUILD / "examples" / "cpp" / name, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


class TestQuastraServer:
    @pytest.fixture
    def program(self, start):
        return start("quastra_server", "0", folder="cpp")

    @pytest.mark.parametrize(
        ("path", "status", "body"),
        [
            ("/", 200, "Welcome to Quastra HTTP Server!"),
            ("/hello", 200, "Hello, world!"),
            ("/else", 404, "Not Found"),
            ("/hello/", 404, "Not Found"),
        ],
    )
    def test_answers(self, program, path, status, body):
        assert program.curl(path, "-w", "|%{http_code}") == f"{body}|{status}"

    @pytest.mark.parametrize("request_", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"])
    def test_what_is_no_http_is_400(self, program, request_):
        with program.peer() as peer:
            peer.send(request_)
            assert peer.response().status == 400

    def test_many_at_once_and_some_that_say_nothing(self, program):
        silent = [program.peer() for _ in range(3)]  # of four workers
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: program.curl("/hello"), range(200)))
        assert answers == ["Hello, world!"] * 200
        for peer in silent:
            peer.close()


def connect(program):
    return socket.create_connection(program.address, PATIENCE)


def test_echo(start):
    program = start("echo_server", "0", folder="cpp")
    clients = [connect(program) for _ in range(50)]
    sent = os.urandom(300_000)
    for client in clients:
        threading.Thread(target=lambda c=client: (c.sendall(sent), c.shutdown(1))).start()
    for client in clients:
        with client, client.makefile("rb") as stream:
            assert stream.read() == sent


def test_chat(start):
    program = start("chat_server", "0", folder="cpp")
    with connect(program) as first, connect(program) as second:
        one, two = first.makefile("rw", newline="\n"), second.makefile("rw", newline="\n")
        assert one.readline() == "client 2 came\n"
        one.write("hello\n")
        one.flush()
        assert two.readline() == "client 1: hello\n"
        two.write("and you\n")
        two.flush()
        assert one.readline() == "client 2: and you\n"
        first.sendall(b"x" * 5000 + b"\n")  # too long: shown the door
        assert two.readline() == "client 1 left\n"
        assert one.read() == ""


def test_timers():
    done = run("timers")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "beat 0"
    assert "in time: 42" in lines
    assert lines[-2:] == ["late: the time allowed ran out", "heartbeat: cancelled"]


@pytest.fixture
def pages(tmp_path):
    """A web server on this machine with 60 pages that link to each other, and one dead link."""
    (tmp_path / "index.html").write_text('<a href="/0.html">go</a>')
    for i in range(60):
        links = "".join(f'<a href="/{j}.html">{j}</a>' for j in (2 * i + 1, 2 * i + 2))
        (tmp_path / f"{i}.html").write_text(links + '<a href="http://elsewhere/">no</a>')

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(tmp_path))

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_crawl(pages):
    done = run("crawl", str(pages))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    # The root, 60 pages, and the 61 that are linked to and missing.
    assert lines[-1] == "122 pages"
    assert sum(": 200, " in line for line in lines) == 61
    assert sum(": 404, " in line for line in lines) == 61


def test_crawl_of_nothing():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        done = run("crawl", str(unused.getsockname()[1]))
    assert done.returncode == 0
    assert done.stdout.endswith("Connection refused\n0 pages\n")


def test_every_example_is_tested():
    sources = Path(os.environ["HTTPCORE_SOURCE_ROOT"], "examples", "cpp").glob("*.cpp")
    text = Path(__file__).read_text(encoding="utf-8")
    for source in sources:
        assert f'"{source.stem}"' in text
