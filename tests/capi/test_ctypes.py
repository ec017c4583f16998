"""The shared library inside a Python that uses its own OpenSSL at the same time.

The library is self-contained with hidden symbols, so `import ssl` and it must not disturb each
other; and every struct is simple enough for ctypes.
"""

import ctypes
import hashlib
import http.client
import json
import os
import socket
import ssl
import threading

import pytest
from hc import EV_BODY, EV_BODY_END, EV_REQUEST, EV_STOPPED, HC_FIN, HC_RELEASE, Event, Head, load


@pytest.fixture(scope="module")
def hc():
    return load()


class Server:
    """A server whose handler is a thread of this Python that polls a queue."""

    def __init__(self, hc):
        self.hc = hc
        config = ctypes.c_void_p()
        assert hc.hc_config_create(ctypes.byref(config)) == 0
        address = b"127.0.0.1:0"
        assert hc.hc_config_set(config, b"listen.address", address, len(address), None) == 0
        self.runtime, self.queue, self.server = (ctypes.c_void_p() for _ in range(3))
        assert hc.hc_runtime_create(config, ctypes.byref(self.runtime), None) == 0
        assert hc.hc_queue_create(self.runtime, 0, ctypes.byref(self.queue)) == 0
        assert hc.hc_server_create(self.runtime, config, ctypes.byref(self.server), None) == 0
        assert hc.hc_server_route(self.server, None, b"*", 0, None) == 0
        assert hc.hc_server_bind_queue(self.server, 0, self.queue) == 0
        assert hc.hc_server_listen(self.server, config, None) == 0
        buffer = ctypes.create_string_buffer(64)
        assert hc.hc_server_address(self.server, 0, buffer, 64, None) == 0
        self.port = int(buffer.value.rpartition(b":")[2])
        assert hc.hc_config_release(config) == 0
        assert hc.hc_runtime_start(self.runtime) == 0
        self.bodies = {}
        self.thread = threading.Thread(target=self.consume)
        self.thread.start()

    def consume(self):
        events = (Event * 64)()
        n = ctypes.c_uint32()
        while True:
            assert self.hc.hc_queue_poll(self.queue, events, 64, -1, ctypes.byref(n)) == 0
            for event in events[: n.value]:
                if event.type == EV_STOPPED:
                    return
                self.handle(event)

    def handle(self, event):
        if event.type == EV_REQUEST and event.flags == 0:
            self.bodies[event.obj] = b""
            self.hc.hc_recv(event.obj, 2**64 - 1)
        elif event.type == EV_BODY:
            self.bodies[event.obj] += ctypes.string_at(event.data, event.n)
            self.hc.hc_consume(event.obj, event.n)
        elif event.type in (EV_REQUEST, EV_BODY_END):
            head = ctypes.POINTER(Head)()
            assert self.hc.hc_head_get(event.obj, ctypes.byref(head)) == 0
            body = self.bodies.pop(event.obj, b"")
            # OpenSSL at work on this thread, between two calls of the library.
            digest = hashlib.new("sha256", body).hexdigest()
            answer = f"{head.contents.method} {head.contents.path} {digest}".encode()
            flags = HC_FIN | HC_RELEASE
            assert self.hc.hc_respond(event.obj, 200, None, 0, answer, len(answer), flags, 0) == 0

    def stop(self):
        assert self.hc.hc_runtime_stop(self.runtime, self.queue, 0) == 0
        self.thread.join(30)
        assert not self.thread.is_alive()
        assert self.hc.hc_runtime_join(self.runtime, 10**10) == 0
        assert self.hc.hc_server_release(self.server) == 0
        assert self.hc.hc_queue_release(self.queue) == 0
        assert self.hc.hc_runtime_release(self.runtime) == 0


@pytest.fixture
def server(hc):
    server = Server(hc)
    yield server
    server.stop()


def test_serves_while_ssl_is_in_use(server):
    context = ssl.create_default_context()
    assert context.get_ciphers()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    for i in range(50):
        # A handshake begun beside each request: OpenSSL allocates, draws random numbers and
        # fails in order.
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        handshake = context.wrap_bio(incoming, outgoing, server_hostname="example.org")
        with pytest.raises(ssl.SSLWantReadError):
            handshake.do_handshake()
        assert outgoing.read()
        body = bytes([i]) * (i * 1000)
        connection.request("POST", f"/{i}", body)
        response = connection.getresponse()
        assert response.status == 200
        assert response.read().decode() == f"POST /{i} {hashlib.sha256(body).hexdigest()}"
    connection.close()


def test_survives_clients_that_leave(server):
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nabc")
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", "/")
    assert connection.getresponse().status == 200
    connection.close()


def test_starts_and_stops_again_and_again(hc):
    for _ in range(10):
        Server(hc).stop()


def test_tells_what_is_bundled(hc):
    text = ctypes.c_char_p()
    assert hc.hc_version_info(ctypes.byref(text), None) == 0
    bundled = json.loads(text.value)["bundled"]
    # Nothing is, when the build took the system's libraries.
    assert ("llhttp" in bundled) == bool(os.environ.get("HTTPCORE_DEPS"))
