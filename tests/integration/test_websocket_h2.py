"""WebSockets over HTTP/2 (RFC 8441) over real sockets, in clear text and encrypted, with h2 as the
client. What the handler sees is part of it: it is a thread that consumes a queue."""

import ctypes
import sys
import threading
from pathlib import Path

import h2.settings
import pytest
import trustme
from hc import (
    EV_CLOSED,
    EV_DRAINED,
    EV_REQUEST,
    EV_STOPPED,
    EV_WRITABLE,
    EV_WS_CLOSED,
    EV_WS_MESSAGE,
    HC_FIN,
    HC_RELEASE,
    Event,
    Head,
    config,
    load,
)
from programs import PATIENCE, wait_until
from websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Ended,
    Frames,
    close_payload,
    frame,
)

sys.path.insert(0, str(Path(__file__).parents[1] / "conformance" / "exchange"))

from clients import Closed, Http2, Response, Stream  # noqa: E402  its folder is known now

OK, AGAIN, RESET, UNSUPPORTED = 0, -5, -18, -12
GOAWAY = 7
FLOOD = 2000
NEWS = bytes(range(256)) * 4


class Server:
    """/echo sends messages back, /flood sends FLOOD of its own, /close sends a Close for a message,
    other paths answer "plain"."""

    def __init__(self, hc, options):
        self.hc = hc
        settings = {"listen.address": "127.0.0.1:0", "ws.origins": "https://good.example"}
        made = config(hc, {**settings, **options})
        self.runtime, self.queue, self.server = (ctypes.c_void_p() for _ in range(3))
        assert hc.hc_runtime_create(made, ctypes.byref(self.runtime), None) == 0
        assert hc.hc_queue_create(self.runtime, 0, ctypes.byref(self.queue)) == 0
        assert hc.hc_server_create(self.runtime, made, ctypes.byref(self.server), None) == 0
        assert hc.hc_server_route(self.server, None, b"*", 0, None) == 0
        assert hc.hc_server_bind_queue(self.server, 0, self.queue) == 0
        assert hc.hc_server_listen(self.server, made, None) == 0
        buffer = ctypes.create_string_buffer(64)
        assert hc.hc_server_address(self.server, 0, buffer, 64, None) == 0
        self.address = ("127.0.0.1", int(buffer.value.rpartition(b":")[2]))
        assert hc.hc_config_release(made) == 0
        assert hc.hc_runtime_start(self.runtime) == 0
        self.paths, self.left = {}, {}
        self.ws_ends, self.ends, self.drained = [], [], []
        self.refusals, self.failure = 0, None
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
                try:
                    self.on_event(event)
                except AssertionError as why:
                    self.failure = why

    def on_event(self, event):
        obj = event.obj
        if event.type == EV_REQUEST:
            self.on_request(obj)
        elif event.type == EV_WS_MESSAGE:
            text = ctypes.string_at(event.data, event.n)
            if self.paths[obj] == "/close":
                assert self.hc.hc_ws_close(obj, int(text), b"as told", 7) == OK
            else:
                status = self.hc.hc_ws_send(obj, event.aux[0], text, len(text), 0, 0)
                assert status in (OK, -4), status
            self.hc.hc_consume(obj, event.n)
        elif event.type == EV_WRITABLE:
            self.flood(obj)
        elif event.type == EV_WS_CLOSED:
            self.ws_ends.append((event.aux[0], ctypes.string_at(event.data, event.n)))
        elif event.type == EV_CLOSED:
            self.ends.append(event.status)
            self.hc.hc_release(obj)
        elif event.type == EV_DRAINED:
            self.drained.append(event.n)

    def on_request(self, obj):
        found = ctypes.POINTER(Head)()
        assert self.hc.hc_head_get(obj, ctypes.byref(found)) == OK
        head = found.contents
        fields = {str(f.name): str(f.value) for f in head.headers[: head.nheaders]}
        path = self.paths[obj] = str(head.path)
        if path == "/plain":
            flags = HC_FIN | HC_RELEASE
            assert self.hc.hc_respond(obj, 200, None, 0, b"plain", 5, flags, 0) == OK
            return
        offered = fields.get("sec-websocket-protocol", "")
        status = self.hc.hc_ws_accept(obj, b"chat" if "chat" in offered else None, None, 0)
        if status != OK:
            assert self.hc.hc_ws_refuse(obj, status, HC_RELEASE) == OK
            return
        self.hc.hc_recv(obj, 2**64 - 1)
        if path == "/flood":
            self.left[obj] = FLOOD
            self.flood(obj)

    def flood(self, obj):
        while self.left.get(obj):
            status = self.hc.hc_ws_send(obj, BINARY, NEWS, len(NEWS), 0, 0)
            if status == AGAIN:
                self.refusals += 1
                return
            assert status == OK
            self.left[obj] -= 1

    def drain(self):
        soft, hard = 10**7, 6 * 10**10  # at the first what only streams is asked to end
        assert self.hc.hc_server_drain(self.server, self.queue, soft, hard, 0) == OK

    def stop(self):
        assert self.hc.hc_runtime_stop(self.runtime, self.queue, 0) == OK
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        assert self.hc.hc_runtime_join(self.runtime, 10**10) == OK
        for release in ("server", "queue", "runtime"):
            assert getattr(self.hc, f"hc_{release}_release")(getattr(self, release)) == OK
        assert self.failure is None, self.failure


class Patient(Http2):
    """h2 takes GOAWAY for the end of all; this client goes on with the streams that it has."""

    def pump(self):
        whole = self.socket.recv(65536)
        if not whole:
            raise Closed("the connection ended")
        self.unread = getattr(self, "unread", b"") + whole
        while len(self.unread) >= 9:
            size = 9 + int.from_bytes(self.unread[:3], "big")
            if len(self.unread) < size:
                return
            one, self.unread = self.unread[:size], self.unread[size:]
            if one[3] == GOAWAY:
                self.gone = "GOAWAY"
                continue
            for event in self.machine.receive_data(one):
                stream = getattr(event, "stream_id", None)
                if stream in self.events:
                    self.events[stream].append(event)
            self._flush()


class Socket(Frames):
    """A WebSocket that is a stream of a connection."""

    def __init__(self, client, path="/echo", fields=(), version="13"):
        self.client, self.rest, self.over = client, b"", False
        while not client.machine.remote_settings.get(
            h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL
        ):
            client.pump()
        # The pseudo-fields have to come first.
        stream = client.machine.get_next_available_stream_id()
        client.events[stream] = []
        head = [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "https"),
            (":path", path),
            (":authority", "test"),
            ("sec-websocket-version", version),
            *fields,
        ]
        client.machine.send_headers(stream, head)
        client._flush()
        self.stream = Stream(client, stream)
        kind, self.status, self.fields = self.stream.event()
        assert kind == "head"
        self.agreed(self.fields.get("sec-websocket-extensions", ""))

    def send(self, data):
        self.stream.send(data)

    def ended(self):
        """The server ended the stream; so do we, and the exchange is over."""
        super().ended()
        if not self.over:
            self.over = True
            self.stream.send(b"", end=True)

    def _more(self):
        kind, *what = self.stream.event()
        if kind == "end":
            raise Ended
        self.rest += what[0]


@pytest.fixture(scope="module")
def hc():
    return load()


@pytest.fixture(scope="module")
def certificate():
    return trustme.CA().issue_cert("localhost")


@pytest.fixture(params=["h2c", "tls"])
def house(request, hc, certificate):
    """A server, and connect(): a connection to it."""
    options = {}
    if request.param == "tls":
        chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
        options = {"tls.certificate": chain, "tls.key": certificate.private_key_pem.bytes()}
    server = Server(hc, options)
    clients = []

    def connect(kind=Http2):
        clients.append(kind(server.address, request.param == "tls"))
        return clients[-1]

    server.connect = connect
    yield server
    for client in clients:
        client.close()
    server.stop()


def closes(socket, code=1000):
    """Ends it in order; the server's Close is the answer, then the stream ends."""
    socket.send(frame(CLOSE, close_payload(code)))
    assert socket.closed() == code


def test_echo(house):
    socket = Socket(house.connect())
    assert socket.status == 200
    assert not {"sec-websocket-accept", "upgrade", "connection"} & set(socket.fields)
    for opcode, payload in [
        (TEXT, b"hello"),
        (TEXT, b""),
        (TEXT, "κόσμε".encode()),
        (BINARY, bytes(range(256))),
        (BINARY, b"x" * 300_000),
    ]:
        socket.send(frame(opcode, payload))
        same = socket.message() == (opcode, payload)
        assert same
    closes(socket)
    wait_until(lambda: house.ends == [OK], "the handler is told")
    assert house.ws_ends == [(1000, b"")]


def test_messages_in_fragments_and_frames_in_pieces(house):
    socket = Socket(house.connect())
    parts = [
        frame(TEXT, b"one ", fin=False),
        frame(PING, b"between"),
        frame(CONTINUATION, b"two ", fin=False),
        frame(CONTINUATION, b"three"),
    ]
    socket.send(b"".join(parts))
    assert socket.message() == (PONG, b"between")
    assert socket.message() == (TEXT, b"one two three")
    for byte in frame(BINARY, b"byte by byte"):
        socket.send(bytes([byte]))
    assert socket.message() == (BINARY, b"byte by byte")
    closes(socket)


def test_compression(house):
    offer = ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits")
    socket = Socket(house.connect(), fields=[offer])
    assert socket.deflate
    payload = b"words that come again and again, " * 200
    for _ in range(3):
        packed = socket.compress(payload)
        assert len(packed) < len(payload) / 4
        socket.send(frame(TEXT, packed, rsv=4))
        first, back = socket.frame()
        assert first == 0xC1
        assert len(back) < len(payload) / 4
        same = socket.inflate(back) == payload
        assert same
    closes(socket)


def test_close_codes(house):
    client = house.connect()
    for code in (1000, 1001, 3000, 4999):
        closes(Socket(client), code)
    socket = Socket(client)
    socket.send(frame(CLOSE))
    assert socket.closed() is None
    for wrong, code in [
        (frame(CLOSE, close_payload(1005)), 1002),
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, b"no mask", mask=False), 1002),
        (frame(3, b"a reserved opcode"), 1002),
    ]:
        socket = Socket(client)
        socket.send(wrong)
        assert socket.closed() == code
    # The handler closes.
    socket = Socket(client, "/close")
    socket.send(frame(TEXT, b"4321"))
    opcode, payload = socket.message()
    assert (opcode, payload) == (CLOSE, close_payload(4321, b"as told"))
    socket.send(frame(CLOSE, close_payload(4321)))
    socket.ended()
    wait_until(lambda: len(house.ends) == 10, "the handler is told of all")
    assert [code for code, _ in house.ws_ends] == [
        *(1000, 1001, 3000, 4999, 1005),
        *(1002, 1007, 1002, 1002, 4321),
    ]


def test_subprotocols(house):
    client = house.connect()
    socket = Socket(client, fields=[("sec-websocket-protocol", "soap, chat")])
    assert socket.fields["sec-websocket-protocol"] == "chat"
    closes(socket)
    socket = Socket(client, fields=[("sec-websocket-protocol", "soap")])
    assert socket.status == 200
    assert "sec-websocket-protocol" not in socket.fields
    closes(socket)


def test_origins_and_versions(house):
    client = house.connect()
    assert Socket(client, fields=[("origin", "https://bad.example")]).status == 403
    assert Socket(client, fields=[("origin", "https://good.example")]).status == 200
    old = Socket(client, version="8")
    assert old.status in (400, 426)
    assert old.fields.get("sec-websocket-version") == "13"
    assert Response(client.request("GET", "/plain")).body == b"plain"


def test_a_slow_reader_stops_the_sender_alone(house):
    client = house.connect()
    # The connection's window is for both of them, the stream's stops one.
    client.machine.increment_flow_control_window(1 << 20)
    slow, quick = Socket(client, "/flood"), Socket(client)
    wait_until(lambda: house.refusals > 0, "the server's buffer is full")
    before = next(iter(house.left.values()))
    assert 0 < before < FLOOD
    quick.send(frame(TEXT, b"still here"))
    assert quick.message() == (TEXT, b"still here")
    assert next(iter(house.left.values())) == before, "it sends no more than the window"
    for _ in range(FLOOD):
        same = slow.message() == (BINARY, NEWS)
        assert same
    closes(slow)
    closes(quick)


def test_a_reset_is_told_and_the_connection_goes_on(house):
    client = house.connect()
    gone, stays = Socket(client), Socket(client)
    gone.send(frame(TEXT, b"hello"))
    assert gone.message() == (TEXT, b"hello")
    gone.stream.reset()
    wait_until(lambda: house.ends, "the handler is told")
    assert house.ends == [RESET]
    assert house.ws_ends == [(1006, b"")]
    stays.send(frame(TEXT, b"still here"))
    assert stays.message() == (TEXT, b"still here")
    assert Response(client.request("GET", "/plain")).body == b"plain"
    closes(stays)


def test_an_end_without_a_close_is_abnormal(house):
    socket = Socket(house.connect())
    socket.stream.send(b"", end=True)
    socket.over = True
    socket.ended()
    wait_until(lambda: house.ws_ends, "the handler is told")
    assert house.ws_ends == [(1006, b"")]


def test_a_lost_connection_is_told(house):
    client = house.connect()
    for _ in range(3):
        Socket(client)
    client.close()
    wait_until(lambda: len(house.ends) == 3, "the handler is told")
    assert house.ws_ends == [(1006, b"")] * 3


def test_a_drain_ends_it_in_order(house):
    client = house.connect(Patient)
    socket = Socket(client)
    house.drain()
    assert socket.message() == (CLOSE, close_payload(1001))
    assert client.gone == "GOAWAY"
    client.gone = None  # its streams go on
    socket.send(frame(CLOSE, close_payload(1001)))
    socket.ended()
    with pytest.raises(Closed):
        while True:
            client.pump()
    client.close()
    wait_until(lambda: house.drained, "the server has drained")
    assert house.drained == [0], "no connection was reset"
    assert house.ends == [OK]
