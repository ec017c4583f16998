"""The demo server for long: a million requests, ten thousand killed clients, a fast client beside
ten thousand slow ones. Only ./dev soak runs this."""

import time

import pytest
from killers import kill_clients
from load import wrk
from programs import SANITIZED, Program, wait_until
from slow import PATIENT, SlowClients

REQUESTS = 1_000_000
KILLED = 10_000
SLOW = 10_000
ASKED = 20_000
ATTEMPTS = 5


@pytest.fixture(params=[1, 2])
def demo(request):
    program = Program(
        "demo_server", "--port", "0", "--set", f"runtime.workers={request.param}", *PATIENT
    )
    yield program
    if program.running():
        program.end()
    else:
        pytest.fail(program.errors())


def test_a_million_requests_take_no_memory(demo):
    paths = ["/hello", "/headers", "/bytes/1000", "/stream/3"]
    for path in paths:
        wrk(demo.base + path, 2, connections=64)
    # wrk is gone before the server has closed the last of its connections.
    wait_until(lambda: demo.metric("connections_open") == 1, "the connections close")
    before, descriptors, done = demo.resident(), demo.descriptors(), 0
    while done < REQUESTS:
        for path in paths:
            done += wrk(demo.base + path, 5, connections=64)
    print(f"{done} requests, {demo.resident() - before} bytes of growth")
    if not SANITIZED:
        assert demo.resident() - before < 2_000_000
    wait_until(lambda: demo.descriptors() <= descriptors, "the descriptors close")
    assert demo.metric("requests_total") >= done


def test_killed_clients(demo):
    for i in range(10):
        kill_clients(demo, KILLED // 10, seed=1000 + i)
        if i == 0:
            before = demo.resident()
    if not SANITIZED:
        assert demo.resident() - before < 4_000_000


def p99(program):
    """Of many requests in a row on one connection, in seconds."""
    times = []
    with program.peer() as peer:
        for _ in range(ASKED):
            begin = time.perf_counter()
            assert peer.ask("GET", "/hello").status == 200
            times.append(time.perf_counter() - begin)
    return sorted(times)[ASKED * 99 // 100]


@pytest.mark.skipif(SANITIZED, reason="times of a sanitized build say nothing")
@pytest.mark.parametrize("kind", ["head", "idle", "body"])
def test_slow_connections_hold_up_nobody(demo, kind):
    """Twice as slow at most. The machine has other business, too, so the best of some attempts
    counts, on both sides; clients that trickle all the time would measure themselves instead, so
    they do it between two attempts."""
    alone = min(p99(demo) for _ in range(ATTEMPTS))
    beside = []
    with SlowClients(demo, kind, SLOW) as clients:
        for _ in range(ATTEMPTS):
            clients.trickle()
            beside.append(p99(demo))
    print(f"{kind}: p99 {alone * 1e6:.0f} us alone, {min(beside) * 1e6:.0f} us beside {SLOW}")
    assert min(beside) <= 2 * alone
