"""Clients of one shape for HTTP/1.1 (h11) and HTTP/2 (h2), over plain or encrypted sockets.

They do nothing by themselves: a test says when bytes leave and when they are read, so that it can
stop reading, stop sending, or leave in the middle.
"""

import functools
import socket
import ssl
import struct

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
import h11

PATIENCE = 60.0


@functools.cache
def trusting_anybody(protocol):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context


def connect(address, tls, protocol, buffer=None, context=None):
    """A socket, encrypted when asked, which agreed upon `protocol` then; without a context of its
    own it trusts anybody."""
    sock = socket.socket()
    if buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.settimeout(PATIENCE)
    sock.connect(address)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not tls:
        return sock
    context = context or trusting_anybody(protocol)
    sock = context.wrap_socket(sock, server_hostname="localhost")
    assert sock.selected_alpn_protocol() == protocol
    return sock


class Closed(Exception):
    """The peer reset the exchange, or ended it before it was complete."""


class Http1:
    """One connection, one exchange at a time."""

    name = "http/1.1"
    version = 11

    def __init__(self, address, tls, buffer=None):
        self.socket = connect(address, tls, "http/1.1", buffer)
        self.machine = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)

    def close(self):
        self.socket.close()

    def request(self, method, path, fields=(), end=True):
        if self.machine.our_state is h11.DONE:
            self.machine.start_next_cycle()
        fields = [("host", "test"), *fields]
        if not end and not any(name == "content-length" for name, _ in fields):
            fields.append(("transfer-encoding", "chunked"))
        self._send(h11.Request(method=method, target=path, headers=fields))
        if end:
            self._send(h11.EndOfMessage())
        return self

    def _send(self, event):
        try:
            self.socket.sendall(self.machine.send(event) or b"")
        except OSError as why:
            raise Closed(str(why)) from why

    # -- of an exchange

    def send(self, data, end=False):
        if data:
            self._send(h11.Data(data=data))
        if end:
            self._send(h11.EndOfMessage())

    def send_some(self, data, wait=0.5):
        """Sends for as long as the peer takes bytes; gives how many it took."""
        framed = self.machine.send(h11.Data(data=data))
        sent = 0
        self.socket.settimeout(wait)
        try:
            while sent < len(framed):
                sent += self.socket.send(framed[sent : sent + 65536])
        except TimeoutError:
            pass
        self.socket.settimeout(PATIENCE)
        self.rest = framed[sent:]
        return sent

    def send_rest(self):
        self.socket.sendall(self.rest)

    def send_trailers(self, fields):
        self._send(h11.EndOfMessage(headers=fields))

    def reset(self):
        """An end alone means that nothing more is sent; the answer may still be waited for."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def event(self):
        """("interim", status, fields), ("head", ...), ("data", bytes), ("end", trailers)."""
        try:
            while True:
                event = self.machine.next_event()
                if event is h11.NEED_DATA:
                    self.machine.receive_data(self.socket.recv(65536))
                    continue
                if isinstance(event, h11.InformationalResponse):
                    return ("interim", event.status_code, self._fields(event))
                if isinstance(event, h11.Response):
                    return ("head", event.status_code, self._fields(event))
                if isinstance(event, h11.Data):
                    return ("data", bytes(event.data))
                if isinstance(event, h11.EndOfMessage):
                    return ("end", self._fields(event))
                raise Closed(str(event))
        except (h11.RemoteProtocolError, OSError) as why:
            raise Closed(str(why)) from why

    @staticmethod
    def _fields(event):
        return {name.decode(): value.decode() for name, value in event.headers}


class Http2:
    """One connection with any number of exchanges."""

    name = "h2"
    version = 20

    def __init__(self, address, tls, buffer=None, window=None, context=None, settings=None):
        self.socket = connect(address, tls, "h2", buffer, context)
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self.machine = h2.connection.H2Connection(config)
        if window is not None:
            self.machine.local_settings[h2.settings.SettingCodes.INITIAL_WINDOW_SIZE] = window
        if settings:
            self.machine.local_settings = h2.settings.Settings(initial_values=settings)
        self.machine.initiate_connection()
        self.events = {}
        self.promises = []
        self.window_changed = False
        self.gone = None
        self._flush()

    def close(self):
        self.socket.close()

    def _flush(self):
        try:
            self.socket.sendall(self.machine.data_to_send())
        except OSError as why:
            raise Closed(str(why)) from why

    def request(self, method, path, fields=(), end=True):
        stream = self.machine.get_next_available_stream_id()
        self.events[stream] = []
        fields = [
            (":method", method),
            (":scheme", "https" if isinstance(self.socket, ssl.SSLSocket) else "http"),
            (":authority", "test"),
            (":path", path),
            *fields,
        ]
        self.machine.send_headers(stream, fields, end_stream=end)
        self._flush()
        return Stream(self, stream)

    def pump(self):
        """Reads once."""
        try:
            data = self.socket.recv(65536)
        except OSError as why:
            self.gone = str(why)
            raise Closed(str(why)) from why
        if not data:
            self.gone = "the end"
            raise Closed("the connection ended")
        try:
            events = self.machine.receive_data(data)
        except h2.exceptions.ProtocolError as why:
            raise AssertionError(f"the server broke the protocol: {why!r}") from why
        for event in events:
            if isinstance(event, (h2.events.WindowUpdated, h2.events.RemoteSettingsChanged)):
                self.window_changed = True
            if isinstance(event, h2.events.PushedStreamReceived):
                self.events[event.pushed_stream_id] = []
                self.promises.append(event)
            stream = getattr(event, "stream_id", None)
            if stream in self.events:
                self.events[stream].append(event)
        self._flush()


class Stream:
    def __init__(self, client, number):
        self.client, self.number = client, number
        self.trailers = {}

    def _room(self, wait=PATIENCE):
        """Waits for flow control to allow bytes; 0 when none are allowed in time."""
        machine = self.client.machine
        self.client.socket.settimeout(wait)
        try:
            while machine.local_flow_control_window(self.number) == 0:
                self.client.pump()
        except Closed:
            if wait == PATIENCE:
                raise
            self.client.gone = None
            return 0
        finally:
            self.client.socket.settimeout(PATIENCE)
        return min(machine.local_flow_control_window(self.number), machine.max_outbound_frame_size)

    def send(self, data, end=False):
        data = memoryview(data)
        while data:
            n = min(self._room(), len(data))
            self.client.machine.send_data(self.number, bytes(data[:n]))
            self.client._flush()
            data = data[n:]
        if end:
            self.client.machine.end_stream(self.number)
            self.client._flush()

    def send_some(self, data, wait=0.5):
        sent = 0
        while sent < len(data):
            n = min(self._room(wait), len(data) - sent)
            if n == 0:
                break
            self.client.machine.send_data(self.number, data[sent : sent + n])
            self.client._flush()
            sent += n
        self.rest = memoryview(data)[sent:]
        return sent

    def send_rest(self):
        self.send(self.rest)

    def send_trailers(self, fields):
        self.client.machine.send_headers(self.number, fields, end_stream=True)
        self.client._flush()

    def reset(self):
        self.client.machine.reset_stream(self.number, 8)
        self.client._flush()

    def event(self):
        queue = self.client.events[self.number]
        while True:
            while not queue:
                self.client.pump()
            event = queue.pop(0)
            if isinstance(event, h2.events.InformationalResponseReceived):
                return ("interim", *self._head(event))
            if isinstance(event, h2.events.ResponseReceived):
                return ("head", *self._head(event))
            if isinstance(event, h2.events.DataReceived):
                if event.flow_controlled_length and not self.client.gone:
                    self.client.machine.acknowledge_received_data(
                        event.flow_controlled_length, self.number
                    )
                    self.client._flush()
                if event.data:
                    return ("data", event.data)
            if isinstance(event, h2.events.TrailersReceived):
                self.trailers = dict(event.headers)
            elif isinstance(event, h2.events.StreamEnded):
                return ("end", self.trailers)
            elif isinstance(event, h2.events.StreamReset):
                raise Closed(f"reset: {event.error_code}")

    @staticmethod
    def _head(event):
        fields = dict(event.headers)
        return int(fields.pop(":status")), fields


class Response:
    """The whole of an answer."""

    def __init__(self, exchange):
        self.interim, self.body = [], bytearray()
        while True:
            event = exchange.event()
            if event[0] == "interim":
                self.interim.append(event[1:])
            elif event[0] == "head":
                self.status, self.fields = event[1:]
            elif event[0] == "data":
                self.body += event[1]
            else:
                self.trailers = event[1]
                return
