"""Ten thousand slow connections cost little memory and hold up nobody."""

import pytest
from programs import SANITIZED, wait_until
from slow import PATIENT, SlowClients

COUNT = 10_000
GROWTH_MAX = 10_000_000


def warm_up(program):
    """What a server allocates once, it shall have before memory is measured."""
    with program.peer() as peer:
        for path in ("/hello", "/bytes/10000000", "/metrics"):
            peer.ask("GET", path)
        peer.ask("POST", "/upload", body=bytes(1_000_000))


@pytest.mark.parametrize("kind", ["head", "body", "idle"])
def test_slow_connections(start, kind):
    program = start("demo_server", "--port", "0", *PATIENT)
    warm_up(program)
    before = program.resident()
    with SlowClients(program, kind, COUNT) as clients:
        for _ in range(3):
            clients.begin_trickle()
            with program.peer() as peer:
                for _ in range(100):
                    assert peer.ask("GET", "/hello").body == b"Hello, world!\n"
            clients.end_trickle()
        growth = program.resident() - before
        assert program.metric("connections_open") == COUNT + 1
    print(f"{kind}: {growth / COUNT:.0f} bytes a connection")
    if not SANITIZED:
        assert growth < GROWTH_MAX
    wait_until(lambda: program.metric("connections_open") == 1, "the connections close")
    assert program.curl("/hello") == "Hello, world!\n"
    program.end()


def test_readers_who_do_not_read(start):
    """Each costs at most what may wait to be written; here it is lent, and costs nothing."""
    program = start("demo_server", "--port", "0", *PATIENT)
    warm_up(program)
    before = program.resident()
    with SlowClients(program, "reader", 1000):
        assert program.curl("/hello") == "Hello, world!\n"
        if not SANITIZED:
            assert program.resident() - before < GROWTH_MAX
    wait_until(lambda: program.metric("connections_open") == 1, "the connections close")
    program.end()
