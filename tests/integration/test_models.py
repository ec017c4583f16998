"""Functions that block, on a pool of threads, beside light ones on the worker, asked by curl."""

import subprocess

import pytest
from programs import PATIENCE, wait_until

THREADS = 4
QUEUE = 4


@pytest.fixture
def blocking(start):
    return start("05b_blocking", "127.0.0.1:0")


def curls(program, path, count):
    """So many curls at the same time; each prints its status and then the body."""
    command = ["curl", "-sS", "--max-time", str(PATIENCE), "-w", "%{http_code}"]
    return [
        subprocess.Popen([*command, program.base + path], stdout=subprocess.PIPE)
        for _ in range(count)
    ]


def outputs(processes):
    return [process.communicate(timeout=PATIENCE)[0].decode() for process in processes]


def test_the_pool_is_full_and_the_worker_is_not(blocking):
    sleepers = curls(blocking, "/sleep/3000", THREADS + QUEUE)
    wait_until(
        lambda: (blocking.metric("pool_busy"), blocking.metric("pool_queued")) == (THREADS, QUEUE),
        "all threads and all places are taken",
    )
    refused = blocking.curl("/sleep/0", "-i")
    assert refused.startswith("HTTP/1.1 503 ")
    assert "\r\nretry-after: 5\r\n" in refused.lower()
    assert blocking.metric("pool_refused_total") == 1
    assert blocking.metric("pool_processed_total") == 0  # nobody was waited for
    assert outputs(sleepers) == ["done\n200"] * (THREADS + QUEUE)
    wait_until(lambda: blocking.metric("pool_busy") == 0, "the threads are free")
    assert blocking.metric("pool_processed_total") == THREADS + QUEUE
    assert blocking.curl("/sleep/0") == "done\n"


def test_slow_clients_take_no_thread(blocking):
    slow = [blocking.peer() for _ in range(200)]
    for peer in slow:
        peer.send(b"GET /sleep/0 HTTP/1.1\r\nHo")
    wait_until(lambda: blocking.metric("connections_open") == 201, "all are connected")
    for _ in range(5):
        for peer in slow:
            peer.send(b"s")
        assert outputs(curls(blocking, "/sleep/1", THREADS)) == ["done\n200"] * THREADS
    wait_until(lambda: blocking.metric("pool_busy") == 0, "the threads are free")
    assert blocking.metric("pool_processed_total") == 5 * THREADS
    for peer in slow:
        peer.close()
