"""Clients that are killed leak nothing and stop nothing."""

import pytest
from killers import kill_clients
from programs import Program, wait_until


@pytest.mark.parametrize("workers", [1, 3])
def test_killed_clients(workers):
    program = Program("demo_server", "--port", "0", "--set", f"runtime.workers={workers}")
    try:
        kill_clients(program, 500, seed=workers)
        program.end()  # a sanitizer reports here what leaked
    finally:
        program.kill()


@pytest.mark.parametrize("name", ["02_queue", "02b_driven", "03_upload_download"])
def test_killed_clients_of_a_queue(start, name):
    """Killed while the program has their requests: it goes on serving others."""
    program = start(name, "127.0.0.1:0")
    path = "/download/100000000" if name.startswith("03") else "/hello/you"
    with program.peer() as peer:  # the first request makes what the program then keeps
        assert peer.ask("GET", path.replace("100000000", "10")).status == 200
        descriptors = program.descriptors() - 1
    for i in range(200):
        peer = program.peer(buffer=4096)
        peer.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n" * (1 + i % 3))
        if i % 2:
            peer.head()
        if i % 4 < 2:
            peer.reset()
        else:
            peer.close()
    wait_until(lambda: program.descriptors() <= descriptors, "the descriptors close")
    with program.peer() as peer:
        assert peer.ask("GET", path.replace("100000000", "10")).status == 200
