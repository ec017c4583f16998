"""Handshakes in which one message is not as it should be, and clients that ask for work without
end. (The cases are of the kind that tlsfuzzer has; it is in no package index, so they are told with
the library below it, whose client is altered on its way out.)"""

import socket

import pytest
from test_tls import House, is_well
from tlslite.api import TLSConnection
from tlslite.constants import (
    CertificateType,
    ContentType,
    HandshakeType,
    KeyUpdateMessageType,
)
from tlslite.errors import BaseTLSException
from tlslite.handshakesettings import HandshakeSettings
from tlslite.messages import (
    Alert,
    ApplicationData,
    Certificate,
    ChangeCipherSpec,
    ClientHello,
    ClientKeyExchange,
    Finished,
    KeyUpdate,
    Message,
)

REQUEST = b"GET /hello HTTP/1.1\r\nHost: good.test\r\nConnection: close\r\n\r\n"
VERSIONS = {"1.2": (3, 3), "1.3": (3, 4)}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    return House(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def site(house):
    program = house.start(shown=house.shown[:2])
    yield program
    assert program.running(), program.errors()
    program.end()


class Client(TLSConnection):
    """`alter(message)` says what is sent in a message's place: any number of them."""

    def __init__(self, program, alter=None):
        super().__init__(socket.create_connection(("127.0.0.1", program.tls_port), 60))
        self.alter = alter or (lambda message: [message])

    def _sendMsg(self, msg, *more, **options):  # noqa: N802  the library's
        for message in self.alter(msg):
            yield from super()._sendMsg(message, *more, **options)

    def raw(self, *messages):
        for message in messages:
            for _ in super()._sendMsg(message):
                pass


def outcome(program, version, alter=None, then=lambda client: None):
    """What a request over such a connection brings; b"" when the server ended it."""
    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = VERSIONS[version]
    client = Client(program, alter)
    try:
        client.handshakeClientCert(settings=settings, serverName="good.test")
        then(client)
        client.write(REQUEST)
        return bytes(client.read(max=65536, min=1))
    except (BaseTLSException, OSError, ValueError, AssertionError):
        return b""
    finally:
        client.sock.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_as_it_should_be(site, version):
    assert outcome(site, version).endswith(b"Hello, world!\n")


def replaced(kind, *others):
    return lambda message: list(others) if isinstance(message, kind) else [message]


def changed(kind, change):
    def alter(message):
        if isinstance(message, kind):
            change(message)
        return [message]

    return alter


def flip(finished):
    finished.verify_data = bytearray(byte ^ 1 for byte in finished.verify_data)


def cut(finished):
    finished.verify_data = finished.verify_data[:-1]


def twice(kind):
    return lambda message: [message, message] if isinstance(message, kind) else [message]


def before(kind, *others):
    return lambda message: [*others, message] if isinstance(message, kind) else [message]


def text(data=REQUEST):
    return ApplicationData().create(bytearray(data))


def no_certificate():
    return Certificate(CertificateType.x509, (3, 3)).create(None)


ALTERED = {
    "finished is wrong": changed(Finished, flip),
    "finished is short": changed(Finished, cut),
    "finished does not come": replaced(Finished),
    "finished comes twice": twice(Finished),
    "a request comes before finished": before(Finished, text()),
    "a request comes instead of finished": replaced(Finished, text()),
    "a certificate that nobody asked for": before(Finished, no_certificate()),
    "an unknown handshake message": before(
        Finished, Message(ContentType.handshake, bytearray([99, 0, 0, 1, 0]))
    ),
    "a server's message": before(
        Finished,
        Message(ContentType.handshake, bytearray([HandshakeType.server_hello_done, 0, 0, 0])),
    ),
    "an unknown record": before(Finished, Message(99, bytearray(10))),
    "an empty handshake record": before(Finished, Message(ContentType.handshake, bytearray())),
    "the hello comes twice": twice(ClientHello),
    "a fatal alert": before(Finished, Alert().create(40, 2)),
    "an alert of wrong length": before(Finished, Message(ContentType.alert, bytearray(3))),
    "no cipher suites": changed(ClientHello, lambda hello: setattr(hello, "cipher_suites", [])),
    "no null compression": changed(
        ClientHello, lambda hello: setattr(hello, "compression_methods", [1])
    ),
}


# In TLS 1.2 an empty record of the handshake must not be sent, but may be taken (RFC 5246, section
# 6.2.1); a second Finished of TLS 1.3 would be encrypted with the keys for what follows the first.
CASES = [
    (name, version)
    for name in ALTERED
    for version in VERSIONS
    if (name, version)
    not in {("an empty handshake record", "1.2"), ("finished comes twice", "1.3")}
]


@pytest.mark.parametrize(("name", "version"), CASES)
def test_a_message_that_is_wrong_ends_the_handshake(house, site, name, version):
    assert b"Hello" not in outcome(site, version, ALTERED[name])
    is_well(house, site)


ALTERED_1_2 = {
    "no change of ciphers": replaced(ChangeCipherSpec),
    "two of them": twice(ChangeCipherSpec),
    "a wrong one": changed(ChangeCipherSpec, lambda message: setattr(message, "type", 7)),
    "no key exchange": replaced(ClientKeyExchange),
    "a point that is none": changed(
        ClientKeyExchange,
        lambda message: setattr(message, "ecdh_Yc", bytearray(len(message.ecdh_Yc))),
    ),
}


@pytest.mark.parametrize("name", ALTERED_1_2)
def test_messages_of_tls_1_2(house, site, name):
    assert b"Hello" not in outcome(site, "1.2", ALTERED_1_2[name])
    is_well(house, site)


def test_keys_may_be_changed_but_not_without_end(house, site):
    def update(client, times, kind):
        for _ in range(times):
            for _ in client.send_keyupdate_request(kind):
                pass

    asked = KeyUpdateMessageType.update_requested
    for kind in (asked, KeyUpdateMessageType.update_not_requested):
        got = outcome(site, "1.3", then=lambda client, kind=kind: update(client, 32, kind))
        assert got.endswith(b"Hello, world!\n")
        got = outcome(site, "1.3", then=lambda client, kind=kind: update(client, 33, kind))
        assert got == b"", "so many in a row"
    # Whoever asks without reading is not borne for longer.
    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = (3, 4)
    client = Client(site)
    client.handshakeClientCert(settings=settings, serverName="good.test")
    with pytest.raises((BaseTLSException, OSError)):
        update(client, 1_000_000, asked)
    is_well(house, site)
    client.sock.close()


def test_wrong_key_updates_end_the_connection(house, site):
    for wrong in (2, 255):
        got = outcome(
            site, "1.3", then=lambda client, wrong=wrong: client.raw(KeyUpdate().create(wrong))
        )
        assert b"Hello" not in got
    is_well(house, site)


@pytest.mark.parametrize("version", VERSIONS)
def test_records_of_nothing_are_borne_for_a_while(house, site, version):
    def empty(count):  # each of its own: the library writes into what it sends
        return lambda client: client.raw(*(text(b"") for _ in range(count)))

    assert outcome(site, version, then=empty(10)).endswith(b"Hello, world!\n")
    # (OpenSSL ends it after 32 in a row.)
    assert b"Hello" not in outcome(site, version, then=empty(999))
    is_well(house, site)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_hello_behind_the_handshake_is_no_new_one(house, site, version):
    hello = ClientHello().create((3, 3), bytearray(32), bytearray(), [0xC02B, 0x1301])
    got = outcome(site, version, then=lambda client: client.raw(hello))
    # TLS 1.2 may say no_renegotiation and go on, TLS 1.3 must not go on.
    if version == "1.3":
        assert b"Hello" not in got
    is_well(house, site)
