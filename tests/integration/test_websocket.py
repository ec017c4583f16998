"""WebSockets and event streams with clients that others wrote: `websockets`, curl."""

import contextlib
import json
import re
import subprocess
import threading

import pytest
from programs import wait_until
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect


@pytest.fixture
def socket_url(demo):
    return demo.base.replace("http", "ws")


def test_echo(socket_url):
    with connect(socket_url + "/ws/echo") as ws:
        for message in ["hello", "", "κόσμε", b"bytes", "x" * 100_000, bytes(500_000)]:
            ws.send(message)
            same = ws.recv() == message
            assert same
        assert ws.ping().wait(60)
    assert ws.close_code == 1000


def test_echo_in_fragments(socket_url):
    with connect(socket_url + "/ws/echo") as ws:
        ws.send(["one ", "two ", "", "three"])
        assert ws.recv() == "one two three"


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_compression_is_what_both_want(socket_url, compression):
    with connect(socket_url + "/ws/echo", compression=compression) as ws:
        assert ("Sec-WebSocket-Extensions" in ws.response.headers) == (compression is not None)
        text = json.dumps([{"id": i, "name": "some JSON"} for i in range(2000)])
        for _ in range(5):
            ws.send(text)
            same = ws.recv() == text
            assert same


def test_a_client_that_breaks_a_rule_is_told(socket_url):
    with connect(socket_url + "/ws/chat") as ws:
        ws.send("x" * 5000)
        with pytest.raises(ConnectionClosedError) as closed:
            while True:
                ws.recv()
        assert closed.value.rcvd.code == 1009


def test_what_is_no_websocket(demo, socket_url):
    with pytest.raises(InvalidStatus) as refused, connect(socket_url + "/hello"):
        pass
    assert refused.value.response.status_code == 200
    answer = demo.curl("/ws/echo", "-i")
    assert "426 Upgrade Required" in answer
    assert "sec-websocket-version: 13" in answer


def test_a_chat_of_many(socket_url):
    with contextlib.ExitStack() as stack:
        people = [stack.enter_context(connect(socket_url + "/ws/chat")) for _ in range(50)]
        for i, person in enumerate(people[:10]):
            person.send(json.dumps({"name": f"p{i}", "text": "hi"}))
            for one in people:
                assert json.loads(one.recv(60))["name"] == f"p{i}"
    wait = people[0].close_code
    assert wait == 1000


def test_many_echo_at_once(demo, socket_url):
    def talk():
        with connect(socket_url + "/ws/echo") as ws:
            for i in range(100):
                ws.send(f"message {i}")
                assert ws.recv(60) == f"message {i}"
            done.append(1)

    done = []
    threads = [threading.Thread(target=talk) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 20
    wait_until(lambda: demo.metric("websockets_open") == 0, "they are gone")


class Events:
    """An event stream as curl -N reads it."""

    def __init__(self, demo, *arguments):
        self.process = subprocess.Popen(
            ["curl", "-sSNi", "--max-time", "60", *arguments, demo.base + "/sse/clock"],
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def block(self):
        """The lines up to an empty one."""
        lines = []
        while line := self.process.stdout.readline().rstrip("\r\n"):
            lines.append(line)
        return lines

    def tick(self):
        while True:
            lines = self.block()
            assert self.process.poll() is None or lines, "the stream ended"
            found = dict(line.split(": ", 1) for line in lines)
            if "id" in found:
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["data"])
                return int(found["id"])


def test_the_clock_ticks_at_once_for_all(demo):
    with Events(demo) as one, Events(demo) as two:
        head = "\n".join(one.block()).lower()
        assert "200 ok" in head
        assert "content-type: text/event-stream" in head
        assert "cache-control: no-store" in head
        assert one.block() == ["event: hello", "retry: 500", "data: the clock"]
        two.block()
        first = one.tick()
        assert one.tick() == first + 1
        assert two.tick() <= first + 1


def test_who_comes_back_misses_nothing(demo):
    with Events(demo) as one:
        one.block()
        last = one.tick()
    with Events(demo) as watcher:
        watcher.block()
        wait_until(lambda: watcher.tick() >= last + 2, "the clock goes on")
    with Events(demo, "-H", f"Last-Event-ID: {last}") as back:
        back.block()
        assert back.tick() == last + 1
        assert back.tick() == last + 2


def test_the_pages(demo):
    for path, part in [("/chat", "new WebSocket("), ("/clock", "new EventSource(")]:
        page = demo.curl(path)
        assert part in page
        assert page.endswith("</html>\n")
    assert "/chat" in demo.curl("/")
