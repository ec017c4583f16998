"""Clients that go away at the worst moment, by FIN or by RST."""

import contextlib
import random

from peer import Peer
from programs import wait_until


def in_a_head(peer, dice):
    message = b"GET /hello HTTP/1.1\r\nHost: test\r\nX-Long: " + b"x" * 200 + b"\r\n\r\n"
    peer.send(message[: dice.randrange(len(message))])


def in_a_body(peer, dice):
    path = dice.choice(["/echo", "/upload", "/trailers", "/hello", "/nowhere"])
    peer.send(f"POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\n")
    peer.send(bytes(dice.randrange(50_000)))


def in_a_chunk(peer, dice):
    message = (
        b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"400\r\n"
        + b"x" * 0x400
        + b"\r\n0\r\nX-Sum: 1\r\n\r\n"
    )
    peer.send(message[: dice.randrange(80, len(message))])


def in_an_answer(peer, dice):
    path = dice.choice(["/bytes/100000000", "/stream/1000000"])
    peer.request("GET", path)
    if dice.random() < 0.8:
        peer.head()
        peer.input.read(dice.randrange(50_000))


def while_it_waits(peer, dice):
    peer.request("GET", f"/slow?ms={dice.randrange(50)}")
    if dice.random() < 0.5:
        peer.finish()


def in_a_pipeline(peer, dice):
    peer.send(b"GET /bytes/100000 HTTP/1.1\r\nHost: test\r\n\r\n" * dice.randrange(1, 20))
    peer.head()


MOMENTS = [in_a_head, in_a_body, in_a_chunk, in_an_answer, while_it_waits, in_a_pipeline]


def kill_clients(program, count, seed):
    """`count` clients come and go; then the server must be as it was. In between it answers."""
    dice = random.Random(seed)
    wait_until(lambda: program.metric("connections_open") == 1, "nobody else is there")
    descriptors = program.descriptors()
    for i in range(count):
        peer = Peer(program.address, buffer=4096 if dice.random() < 0.5 else None)
        # The server may answer early and close: it has that right.
        with contextlib.suppress(ConnectionError):
            dice.choice(MOMENTS)(peer, dice)
        if dice.random() < 0.5:
            peer.reset()
        else:
            peer.close()
        if i % 100 == 99:
            assert program.curl("/hello") == "Hello, world!\n"
    wait_until(lambda: program.metric("connections_open") == 1, "the connections close")
    wait_until(lambda: program.metric("requests_active") == 1, "the exchanges end")
    wait_until(lambda: program.descriptors() <= descriptors, "the descriptors close")
    assert program.curl("/hello") == "Hello, world!\n"
