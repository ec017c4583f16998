"""Many slow clients in a process of their own: slow_clients.py KIND COUNT HOST PORT.

Kinds: "head", who send a request's head byte by byte; "idle", who asked once and stay; "body", who
send a body byte by byte; "reader", who asked for much and do not read. Prints "ready" when all are
there; then for each line on its standard input every client sends one more byte, and it prints
"sent". Ends with its input.
"""

import resource
import socket
import sys

START = {
    "head": b"GET /hello HTTP/1.1\r\nHost: test\r\nX-Slow: ",
    "idle": b"GET /hello HTTP/1.1\r\nHost: test\r\n\r\n",
    "body": b"POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n",
    "reader": b"GET /bytes/100000000 HTTP/1.1\r\nHost: test\r\n\r\n",
}


def connect(kind, address):
    client = socket.socket()
    if kind == "reader":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(60)
    client.connect(address)
    client.sendall(START[kind])
    if kind == "idle":
        answer = b""
        while not answer.endswith(b"Hello, world!\n"):
            more = client.recv(4096)
            assert more, "the server left"
            answer += more
    return client


def main():
    kind, count, host, port = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    clients = [connect(kind, (host, port)) for _ in range(count)]
    print("ready", flush=True)
    for _ in sys.stdin:
        if kind in ("head", "body"):
            for client in clients:
                client.sendall(b"x")
        print("sent", flush=True)


main()
