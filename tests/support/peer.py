"""An HTTP/1.1 client on a raw socket: sends byte for byte what it is told, and reads strictly."""

import socket
import struct

PATIENCE = 60.0


class Response:
    """One answer: status, fields in order, body, and what came behind it."""

    def __init__(self, version, status, reason, fields):
        self.version, self.status, self.reason, self.fields = version, status, reason, fields
        self.body = b""
        self.chunks = None
        self.trailers = []

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name):
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None


class Peer:
    def __init__(self, address, buffer=None):
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
        else:
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            self.socket = socket.socket(family)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(address)
        self.input = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.input.close()
        self.socket.close()

    def reset(self):
        """Goes with a RST instead of a FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def send(self, data):
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def finish(self):
        """No more will be sent."""
        self.socket.shutdown(socket.SHUT_WR)

    def request(self, method, target, *fields, body=b"", version="HTTP/1.1"):
        """A request in good order; Content-Length is added to a body."""
        lines = [f"{method} {target} {version}", "Host: test"]
        lines += [f"{name}: {value}" for name, value in fields]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def ask(self, method, target, *fields, **options):
        self.request(method, target, *fields, **options)
        return self.response(method)

    def head(self):
        """The next status line and its fields, be they interim or not."""
        line = self._line()
        version, status, reason = line.split(" ", 2)
        assert version in ("HTTP/1.1", "HTTP/1.0"), line
        return Response(version, int(status), reason, self._fields())

    def response(self, method="GET"):
        """The next final answer, whole."""
        response = self.head()
        while 100 <= response.status < 200:
            response = self.head()
        if method == "HEAD" or response.status in (204, 304):
            return response
        coding, length = response.get("Transfer-Encoding"), response.get("Content-Length")
        assert coding is None or length is None, "framed twice"
        if coding is not None:
            assert coding == "chunked"
            response.chunks = list(iter(self._chunk, b""))
            response.body = b"".join(response.chunks)
            response.trailers = self._fields()
        elif length is not None:
            response.body = self._exactly(int(length))
        else:
            response.body = self.input.read()
        return response

    def at_end(self):
        """True when the server closes without another byte; a reset counts, too."""
        try:
            return self.input.read(1) == b""
        except ConnectionError:
            return True

    def _line(self):
        line = self.input.readline(65536)
        assert line.endswith(b"\r\n"), f"no whole line: {line!r}"
        return line[:-2].decode("latin-1")

    def _fields(self):
        fields = []
        while line := self._line():
            name, colon, value = line.partition(":")
            assert colon and name and name == name.strip(), line
            fields.append((name, value.strip(" \t")))
        return fields

    def _exactly(self, count):
        data = self.input.read(count)
        assert len(data) == count, f"{len(data)} of {count} bytes"
        return data

    def _chunk(self):
        size = int(self._line(), 16)
        if size == 0:
            return b""
        data = self._exactly(size)
        assert self._exactly(2) == b"\r\n"
        return data
