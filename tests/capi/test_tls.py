"""TLS as the C API offers it: facts, chains of clients, new certificates, inquiries for them."""

import ctypes
import os
import socket
import ssl
import threading

import pytest
import trustme
from hc import (
    EV_CERT_NEEDED,
    EV_REQUEST,
    EV_STOPPED,
    EVF_ACME,
    HC_FIN,
    HC_RELEASE,
    HEADF_TLS,
    HEADF_TLS_RESUMED,
    Event,
    Head,
    config,
    load,
)

PATIENCE = 60
NOT_FOUND, INVALID, GONE, STATE = -16, -1, -3, -6


def chain_of(certificate):
    return b"".join(blob.bytes() for blob in certificate.cert_chain_pems)


class Server:
    """Its handler is a thread that polls a queue and answers with what it was told of TLS."""

    def __init__(self, hc, options, asks=False):
        self.hc = hc
        made = config(hc, {"listen.address": "127.0.0.1:0", **options})
        self.runtime, self.queue, self.server = (ctypes.c_void_p() for _ in range(3))
        assert hc.hc_runtime_create(made, ctypes.byref(self.runtime), None) == 0
        assert hc.hc_queue_create(self.runtime, 0, ctypes.byref(self.queue)) == 0
        assert hc.hc_server_create(self.runtime, made, ctypes.byref(self.server), None) == 0
        assert hc.hc_server_route(self.server, None, b"*", 0, None) == 0
        assert hc.hc_server_bind_queue(self.server, 0, self.queue) == 0
        if asks:
            assert hc.hc_server_bind_certificates(self.server, self.queue) == 0
        error = ctypes.c_void_p()
        status = hc.hc_server_listen(self.server, made, ctypes.byref(error))
        assert status == 0, hc.hc_error_message(error)
        buffer = ctypes.create_string_buffer(64)
        assert hc.hc_server_address(self.server, 0, buffer, 64, None) == 0
        self.port = int(buffer.value.rpartition(b":")[2])
        assert hc.hc_config_release(made) == 0
        assert hc.hc_runtime_start(self.runtime) == 0
        self.chains, self.asked = [], []
        self.answer_with = lambda name, acme: None
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
                if event.type == EV_CERT_NEEDED:
                    self.provide(event)
                elif event.type == EV_REQUEST:
                    self.answer(event)

    def provide(self, event):
        name = ctypes.string_at(event.data, event.n).decode()
        acme = event.flags == EVF_ACME
        self.asked.append((name, acme))
        found = self.answer_with(name, acme)
        if found is None:
            assert self.hc.hc_cancel(event.obj) == 0
        else:
            assert self.hc.hc_tls_answer(event.obj, b"x", 1, b"y", 1, None) == INVALID
            chain, key = chain_of(found), found.private_key_pem.bytes()
            status = self.hc.hc_tls_answer(event.obj, chain, len(chain), key, len(key), None)
            assert status == 0
        assert self.hc.hc_tls_answer(event.obj, None, 0, None, 0, None) == GONE

    def answer(self, event):
        head = ctypes.POINTER(Head)()
        assert self.hc.hc_head_get(event.obj, ctypes.byref(head)) == 0
        it = head.contents
        der, size = ctypes.c_void_p(), ctypes.c_size_t()
        chain = []
        for i in range(it.ntls_chain):
            assert (
                self.hc.hc_tls_chain_get(event.obj, i, ctypes.byref(der), ctypes.byref(size)) == 0
            )
            chain.append(ctypes.string_at(der, size.value))
        beyond = self.hc.hc_tls_chain_get(
            event.obj, it.ntls_chain, ctypes.byref(der), ctypes.byref(size)
        )
        assert beyond == NOT_FOUND
        self.chains.append(chain)
        words = [
            str(it.scheme),
            str(it.tls_version),
            str(it.tls_server_name),
            str(it.tls_protocol),
            str(bool(it.flags & HEADF_TLS)),
            str(bool(it.flags & HEADF_TLS_RESUMED)),
            str(it.ntls_chain),
        ]
        text = " ".join(words).encode()
        flags = HC_FIN | HC_RELEASE
        assert self.hc.hc_respond(event.obj, 200, None, 0, text, len(text), flags, 0) == 0

    def stop(self):
        assert self.hc.hc_runtime_stop(self.runtime, self.queue, 0) == 0
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        assert self.hc.hc_runtime_join(self.runtime, 10**10) == 0
        for release in ("server", "queue", "runtime"):
            assert getattr(self.hc, f"hc_{release}_release")(getattr(self, release)) == 0


@pytest.fixture(scope="module")
def hc():
    return load()


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def serve(hc):
    servers = []

    def start(options, **more):
        servers.append(Server(hc, options, **more))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def options_of(certificate):
    return {
        "tls.certificate": chain_of(certificate),
        "tls.key": certificate.private_key_pem.bytes(),
    }


def trusting(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def connect(context, port, name="localhost", **options):
    plain = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    return context.wrap_socket(plain, server_hostname=name, **options)


def ask(encrypted):
    """What the handler was told."""
    encrypted.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    text = b""
    while b"\r\n\r\n" not in text or not text.rpartition(b"\r\n\r\n")[2]:
        more = encrypted.recv(4096)
        assert more
        text += more
    return text.rpartition(b"\r\n\r\n")[2].decode()


def test_facts(serve, authority):
    server = serve(options_of(authority.issue_cert("localhost")))
    context = trusting(authority)
    context.set_alpn_protocols(["http/1.1"])
    with connect(context, server.port) as encrypted:
        assert ask(encrypted) == "https TLSv1.3 localhost http/1.1 True False 0"
        session = encrypted.session
    with connect(context, server.port, session=session) as encrypted:
        assert ask(encrypted) == "https TLSv1.3 localhost http/1.1 True True 0"


def test_a_clients_chain_is_to_be_had_in_der(serve, authority, tmp_path):
    roots = tmp_path / "roots.pem"
    authority.cert_pem.write_to_path(roots)
    server = serve(
        {
            **options_of(authority.issue_cert("localhost")),
            "tls.client_certificates": "required",
            "tls.client_root_files": roots,
        }
    )
    mine = authority.create_child_ca().issue_cert("client@example.org")
    context = trusting(authority)
    mine.configure_cert(context)
    with connect(context, server.port) as encrypted:
        assert ask(encrypted).endswith(" 2")
    expected = [ssl.PEM_cert_to_DER_cert(blob.bytes().decode()) for blob in mine.cert_chain_pems]
    assert server.chains[-1] == expected[:2]
    with pytest.raises((ssl.SSLError, OSError)), connect(trusting(authority), server.port) as bare:
        ask(bare)


def test_new_certificates_without_an_end(hc, serve, authority):
    server = serve(options_of(authority.issue_cert("localhost")))
    other = trustme.CA()
    before = connect(trusting(authority), server.port)
    assert ask(before)
    made = config(hc, options_of(other.issue_cert("localhost")))
    assert hc.hc_server_reload_tls(server.server, 0, made, None) == 0
    assert ask(before), "who is connected goes on"
    before.close()
    with connect(trusting(other), server.port) as encrypted:
        assert ask(encrypted)
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(trusting(authority), server.port)
    assert hc.hc_server_reload_tls(server.server, 1, made, None) == NOT_FOUND
    hc.hc_config_release(made)
    empty = config(hc, {})
    assert hc.hc_server_reload_tls(server.server, 0, empty, None) == INVALID
    hc.hc_config_release(empty)
    with connect(trusting(other), server.port) as encrypted:
        assert ask(encrypted), "what is refused changes nothing"


def test_certificates_are_asked_for(hc, serve, authority):
    known = authority.issue_cert("known.test")
    server = serve({**options_of(known), "tls.ask": "true"}, asks=True)
    server.answer_with = lambda name, acme: (
        None if name == "nobody.test" else authority.issue_cert(name)
    )
    context = trusting(authority)
    with connect(context, server.port, "known.test") as encrypted:
        assert ask(encrypted)
    assert server.asked == []
    with connect(context, server.port, "late.test") as encrypted:
        assert " late.test " in ask(encrypted)
    assert server.asked == [("late.test", False)]
    with pytest.raises((ssl.SSLError, OSError)):
        connect(context, server.port, "nobody.test")
    context.set_alpn_protocols(["acme-tls/1"])
    with connect(context, server.port, "known.test") as encrypted:
        assert encrypted.selected_alpn_protocol() == "acme-tls/1"
        assert encrypted.recv(1) == b""
    assert server.asked[-1] == ("known.test", True)
    assert hc.hc_server_bind_certificates(server.server, server.queue) == STATE


def test_a_queue_is_needed_to_ask(hc):
    runtime, server, error = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    made = config(hc, {"listen.address": "127.0.0.1:0", "tls.ask": "true"})
    assert hc.hc_runtime_create(made, ctypes.byref(runtime), None) == 0
    assert hc.hc_server_create(runtime, made, ctypes.byref(server), None) == 0
    assert hc.hc_server_listen(server, made, ctypes.byref(error)) == INVALID
    assert b"hc_server_bind_certificates" in hc.hc_error_message(error)
    hc.hc_error_release(error)
    hc.hc_server_release(server)
    hc.hc_runtime_release(runtime)
    hc.hc_config_release(made)


def test_secrets_of_connections_are_logged_when_asked_for(serve, authority, tmp_path):
    log = tmp_path / "keys.log"
    server = serve(
        {
            **options_of(authority.issue_cert("localhost")),
            "tls.key_log_file": log,
        }
    )
    with connect(trusting(authority), server.port) as encrypted:
        assert ask(encrypted)
    assert "CLIENT_TRAFFIC_SECRET_0 " in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_the_log_of_secrets_is_kept_from_others(serve, authority, tmp_path):
    log = tmp_path / "keys.log"
    log.write_text("of before\n")
    log.chmod(0o644)
    options = options_of(authority.issue_cert("localhost"))
    serve({**options, "tls.key_log_file": log})
    assert log.stat().st_mode & 0o777 == 0o600
    assert log.read_text() == "of before\n"
    before = os.stat(os.devnull).st_mode
    serve({**options, "tls.key_log_file": os.devnull})
    assert os.stat(os.devnull).st_mode == before, "what is no plain file stays as it is"
