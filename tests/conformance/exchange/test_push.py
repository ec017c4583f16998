"""Server push with clients of other makers."""

import os
import re
import subprocess

import pytest
from clients import PATIENCE, Http1, Http2, Response, Stream
from h2.settings import SettingCodes
from test_exchange import PATTERN, Server

UNSUPPORTED, LIMIT, CANCEL = -12, -7, 8
BODY = (PATTERN * 14)[:1_000_000]


@pytest.fixture(scope="module")
def server():
    server = Server("log.level", "off", "limits.h2_pushes_max", "3")
    yield server
    server.end()


@pytest.fixture(params=[False, True], ids=["clear", "tls"])
def connect(request, server):
    clients = []

    def call(**settings):
        codes = {SettingCodes[name.upper()]: value for name, value in settings.items()}
        client = Http2(server.addresses[request.param], request.param, settings=codes)
        clients.append(client)
        return client

    yield call
    for client in clients:
        client.close()


def wait_for_open(server, n):
    server.wait_for(lambda state: state["open"] == n, f"{n} answers under way")


def statuses(exchange):
    """What became of each promise that the path asked for."""
    return [int(status) for status in Response(exchange).body.split()]


def test_promises_and_their_answers(connect):
    client = connect()
    for _ in range(3):
        client.promises.clear()
        assert statuses(client.request("GET", "/push/2")) == [0, 0]
        assert len(client.promises) == 2
        for promise in client.promises:
            fields = dict(promise.headers)
            assert fields[":path"].startswith("/bytes/1000000?")
            assert fields[":authority"] == "test"
            assert fields["accept"] == "*/*"
            response = Response(Stream(client, promise.pushed_stream_id))
            assert response.status == 200
            assert response.body == BODY


def test_a_client_that_wants_none(connect):
    client = connect(enable_push=0)
    assert statuses(client.request("GET", "/push/2")) == [UNSUPPORTED] * 2
    assert not client.promises
    assert Response(client.request("GET", "/hello")).status == 200


def test_http1(server):
    client = Http1(server.addresses[False], tls=False)
    assert statuses(client.request("GET", "/push/1")) == [UNSUPPORTED]
    client.close()


def test_refused_by_the_client(connect, server):
    client = connect(initial_window_size=1000)
    for _ in range(3):
        wait_for_open(server, 0)
        assert statuses(client.request("GET", "/push/2")) == [0, 0]
        wait_for_open(server, 2)
        for promise in client.promises:
            client.machine.reset_stream(promise.pushed_stream_id, CANCEL)
        client.promises.clear()
        client._flush()
    wait_for_open(server, 0)
    assert Response(client.request("GET", "/hello")).status == 200


def test_the_bounds(connect):
    client = connect(initial_window_size=0)
    assert statuses_with_window(client, "/push/5") == [0, 0, 0, LIMIT, LIMIT]
    assert len(client.promises) == 3
    client = connect(initial_window_size=0, max_concurrent_streams=2)
    assert statuses_with_window(client, "/push/3") == [0, 0, LIMIT]


def statuses_with_window(client, path):
    """The same when the windows of streams begin shut: that of the request alone is opened."""
    exchange = client.request("GET", path)
    client.machine.increment_flow_control_window(1000, exchange.number)
    client._flush()
    return statuses(exchange)


def test_a_connection_that_is_lost(connect, server):
    wait_for_open(server, 0)
    client = connect(initial_window_size=0)
    assert statuses_with_window(client, "/push/2") == [0, 0]
    wait_for_open(server, 2)
    client.close()
    wait_for_open(server, 0)


def test_nghttp(server):
    """nghttp2's own client, which marks what was pushed with a star."""
    host, port = server.addresses[False]
    done = subprocess.run(
        ["nghttp", "-n", "-s", f"http://{host}:{port}/push/2"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
        env={**os.environ, "LC_ALL": "C"},
    )
    pushed = re.findall(r"\*.*\b200\b.*/bytes/1000000", done.stdout)
    assert len(pushed) == 2, done.stdout
