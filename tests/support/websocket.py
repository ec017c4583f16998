"""A WebSocket client that may break every rule: frames by hand, over a socket of its own."""

import base64
import os
import socket
import ssl
import struct
import zlib

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def mask_bytes(payload, key):
    if not payload:
        return b""
    n = len(payload)
    stream = (key * (n // 4 + 1))[:n]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(n, "big")


def frame(opcode, payload=b"", fin=True, rsv=0, mask=True, length=None):
    """`length`: the bytes in which the length is written (0, 2, 8); None: as few as may be."""
    n = len(payload)
    if length is None:
        length = 0 if n < 126 else 2 if n < 65536 else 8
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0x80 if mask else 0
    head += {
        0: lambda: bytes([bit | n]),
        2: lambda: bytes([bit | 126]) + struct.pack(">H", n),
        8: lambda: bytes([bit | 127]) + struct.pack(">Q", n),
    }[length]()
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + mask_bytes(payload, key)


def close_payload(code, reason=b""):
    return struct.pack(">H", code) + reason


class Ended(Exception):
    """The server ended the connection."""


class Frames:
    """What a server's frames are read from, and the compression agreed upon; whoever inherits has
    `rest`, bytes that have come, and _more(), which adds to it or raises Ended."""

    def agreed(self, extension):
        self.deflate = extension.startswith("permessage-deflate")
        self.client_alone = "client_no_context_takeover" in extension
        self.server_alone = "server_no_context_takeover" in extension
        self._deflater = self._inflater = None
        self.client_bits = 15

    def _take(self, n):
        parts = []
        while n > 0:
            if not self.rest:
                self._more()
            parts.append(self.rest[:n])
            self.rest = self.rest[n:]
            n -= len(parts[-1])
        return b"".join(parts)

    def frame(self):
        """(first byte, payload) of the next frame, which has to be whole and without a mask."""
        first, second = self._take(2)
        assert second & 0x80 == 0, "a server's frame has a mask"
        n = second & 0x7F
        if n == 126:
            (n,) = struct.unpack(">H", self._take(2))
            assert n > 125
        elif n == 127:
            (n,) = struct.unpack(">Q", self._take(8))
            assert n > 65535
        return first, self._take(n)

    def message(self):
        """(opcode, payload) of the next frame, which is a message or a control frame of its own."""
        first, payload = self.frame()
        assert first & 0x80, "in fragments, which this server never sends"
        assert first & 0x30 == 0
        if first & 0x40:
            assert self.deflate
            assert first & 8 == 0
            payload = self.inflate(payload)
        return first & 15, payload

    def closed(self):
        """The code of the Close that comes now, None for one without; the end has to follow."""
        opcode, payload = self.message()
        assert opcode == CLOSE, (opcode, payload[:80])
        assert len(payload) != 1
        payload[2:].decode()
        code = struct.unpack(">H", payload[:2])[0] if payload else None
        self.ended()
        return code

    def ended(self):
        try:
            while True:
                self._more()
                assert not self.rest, f"bytes behind the Close: {self.rest[:80]}"
        except Ended:
            pass

    # -- permessage-deflate

    def compress(self, payload):
        if self._deflater is None or self.client_alone:
            self._deflater = zlib.compressobj(6, zlib.DEFLATED, -self.client_bits)
        made = self._deflater.compress(payload) + self._deflater.flush(zlib.Z_SYNC_FLUSH)
        return made[:-4] or b"\0"

    def inflate(self, payload):
        if self._inflater is None or self.server_alone:
            self._inflater = zlib.decompressobj(-15)
        return self._inflater.decompress(payload + b"\0\0\xff\xff")


class WebSocket(Frames):
    def __init__(self, address, path="/ws/echo", fields=(), key=KEY, tls=None):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.settimeout(60)
        self.socket.connect(address)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.rest = b""
        lines = [
            f"GET {path} HTTP/1.1",
            "Host: localhost",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            *fields,
        ]
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
        while b"\r\n\r\n" not in self.rest:
            self._more()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        first, *fields = head.decode().split("\r\n")
        self.status = int(first.split()[1])
        self.fields = {
            name.lower(): value.strip() for name, value in (field.split(":", 1) for field in fields)
        }
        self.agreed(self.fields.get("sec-websocket-extensions", ""))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _more(self):
        try:
            more = self.socket.recv(262144)
        except (ConnectionError, ssl.SSLError):
            more = b""
        if not more:
            raise Ended
        self.rest += more

    def send(self, data):
        self.socket.sendall(data)

    def send_slowly(self, data, piece=1):
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(0, len(data), piece):
            self.socket.sendall(data[i : i + piece])


def random_key():
    return base64.b64encode(os.urandom(16)).decode()
