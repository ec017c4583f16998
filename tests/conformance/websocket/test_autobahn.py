"""What the Autobahn test suite asks of a WebSocket server, by the numbers of its groups.

The cases are written anew, against /ws/echo of the demo server, from the descriptions of the
groups: 1 framing, 2 pings and pongs, 3 reserved bits, 4 opcodes, 5 fragmentation, 6 UTF-8,
7 closing, 9 limits, 10 automatic fragmentation, 12 and 13 compression. Where Autobahn allows
several answers ("non-strict"), the one that this server gives is asked for.
"""

import random
import struct
import threading
import time

import pytest
from programs import SANITIZED, Program
from texts import BAD_TEXTS, GOOD_TEXTS, KAPPA
from websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Ended,
    WebSocket,
    close_payload,
    frame,
)

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def demo():
    program = Program(
        "demo_server",
        "--port",
        "0",
        "--set",
        "ws.deflate_context_takeover=true",
        "--set",
        "ws.deflate_bytes_min=1",
        "--set",
        "limits.ws_close_timeout_ms=20000",
    )
    yield program
    assert program.running(), program.errors()
    program.end()


@pytest.fixture
def ws(demo):
    with WebSocket(demo.address) as socket:
        assert socket.status == 101
        yield socket


def close_well(ws):
    ws.send(frame(CLOSE, close_payload(1000)))
    assert ws.closed() == 1000


def is_next(ws, opcode, payload):
    """Says no more than that: payloads are long."""
    came = ws.message() == (opcode, payload)
    assert came, f"something else than {len(payload)} bytes of {opcode}"


def echoes(ws, opcode, payload):
    ws.send(frame(opcode, payload))
    is_next(ws, opcode, payload)


# -- 1: framing -----------------------------------------------------------------------------------

SIZES = [0, 125, 126, 127, 128, 65535, 65536]


@pytest.mark.parametrize("size", SIZES)
def test_1_1_text(ws, size):
    echoes(ws, TEXT, b"*" * size)
    close_well(ws)


@pytest.mark.parametrize("size", SIZES)
def test_1_2_binary(ws, size):
    echoes(ws, BINARY, b"\xfe" * size)
    close_well(ws)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_1_8_in_pieces_of_997_bytes(ws, opcode):
    payload = b"*" * 65536
    ws.send_slowly(frame(opcode, payload), 997)
    is_next(ws, opcode, payload)
    close_well(ws)


# -- 2: pings and pongs ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [b"", b"Hello, world!", bytes(range(0xFE, 0x100)) * 3, b"\xfe" * 125],
    ids=["2.1", "2.2", "2.3", "2.4"],
)
def test_2_a_ping_is_answered(ws, payload):
    ws.send(frame(PING, payload))
    assert ws.message() == (PONG, payload)
    close_well(ws)


def test_2_5_a_long_ping_fails(ws):
    ws.send(frame(PING, b"\xfe" * 126))
    assert ws.closed() == 1002


def test_2_6_a_ping_byte_by_byte(ws):
    ws.send_slowly(frame(PING, b"\xfe" * 125))
    assert ws.message() == (PONG, b"\xfe" * 125)
    close_well(ws)


@pytest.mark.parametrize("payload", [b"", b"unsolicited"], ids=["2.7", "2.8"])
def test_2_pongs_that_nobody_asked_for(ws, payload):
    ws.send(frame(PONG, payload))
    close_well(ws)


def test_2_9_a_pong_then_a_ping(ws):
    ws.send(frame(PONG, b"unsolicited") + frame(PING, b"ping"))
    assert ws.message() == (PONG, b"ping")
    close_well(ws)


@pytest.mark.parametrize("slowly", [False, True], ids=["2.10", "2.11"])
def test_2_ten_pings(ws, slowly):
    pings = b"".join(frame(PING, b"payload-%d" % i) for i in range(10))
    ws.send_slowly(pings) if slowly else ws.send(pings)
    for i in range(10):
        assert ws.message() == (PONG, b"payload-%d" % i)
    close_well(ws)


# -- 3: reserved bits -----------------------------------------------------------------------------


@pytest.mark.parametrize("rsv", range(1, 8))
def test_3_reserved_bits_fail(ws, rsv):
    echoes(ws, TEXT, b"first")
    ws.send(frame(TEXT, b"Hello", rsv=rsv) + frame(PING))
    assert ws.closed() == 1002


@pytest.mark.parametrize("rsv", range(1, 8))
@pytest.mark.parametrize("opcode", [PING, CLOSE])
def test_3_reserved_bits_of_control_frames_fail(ws, opcode, rsv):
    ws.send(frame(opcode, rsv=rsv))
    assert ws.closed() == 1002


# -- 4: opcodes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("payload", [b"", b"reserved opcode payload"])
def test_4_reserved_opcodes_fail(ws, opcode, payload):
    echoes(ws, TEXT, b"first")
    ws.send(frame(opcode, payload) + frame(PING))
    assert ws.closed() == 1002


# -- 5: fragmentation -----------------------------------------------------------------------------


@pytest.mark.parametrize("opcode", [PING, PONG], ids=["5.1", "5.2"])
def test_5_control_frames_in_fragments_fail(ws, opcode):
    ws.send(frame(opcode, b"fragment1", fin=False) + frame(CONTINUATION, b"fragment2"))
    assert ws.closed() == 1002


@pytest.mark.parametrize("piece", [None, 7, 1], ids=["5.3", "5.4", "5.5"])
def test_5_a_message_in_fragments(ws, piece):
    data = frame(TEXT, b"fragment1", fin=False) + frame(CONTINUATION, b"fragment2")
    ws.send(data) if piece is None else ws.send_slowly(data, piece)
    assert ws.message() == (TEXT, b"fragment1fragment2")
    close_well(ws)


@pytest.mark.parametrize("piece", [None, 7, 1], ids=["5.6", "5.7", "5.8"])
def test_5_a_ping_between_fragments(ws, piece):
    data = (
        frame(TEXT, b"fragment1", fin=False)
        + frame(PING, b"ping")
        + frame(CONTINUATION, b"fragment2")
    )
    ws.send(data) if piece is None else ws.send_slowly(data, piece)
    assert ws.message() == (PONG, b"ping")
    assert ws.message() == (TEXT, b"fragment1fragment2")
    close_well(ws)


@pytest.mark.parametrize("fin", [True, False], ids=["5.9", "5.12"])
@pytest.mark.parametrize("piece", [None, 1])
def test_5_a_continuation_of_nothing_fails(ws, fin, piece):
    data = frame(CONTINUATION, b"non-continuation payload", fin=fin) + frame(TEXT, b"Hello")
    if piece is None:
        ws.send(data)
    else:
        ws.send_slowly(data, piece)
    assert ws.closed() == 1002


def test_5_15_a_continuation_behind_a_complete_message_fails(ws):
    ws.send(
        frame(TEXT, b"fragment1", fin=False)
        + frame(CONTINUATION, b"fragment2")
        + frame(CONTINUATION, b"fragment3", fin=False)
        + frame(TEXT, b"fragment4")
    )
    assert ws.message() == (TEXT, b"fragment1fragment2")
    assert ws.closed() == 1002


@pytest.mark.parametrize("fin", [False, True], ids=["5.16", "5.17"])
def test_5_continuations_first_fail(ws, fin):
    ws.send(
        frame(CONTINUATION, b"fragment1", fin=fin)
        + frame(TEXT, b"fragment2", fin=False)
        + frame(CONTINUATION, b"fragment3")
    )
    assert ws.closed() == 1002


def test_5_18_a_message_inside_of_another_fails(ws):
    ws.send(frame(TEXT, b"fragment1", fin=False) + frame(TEXT, b"fragment2"))
    assert ws.closed() == 1002


@pytest.mark.parametrize("slowly", [False, True], ids=["5.19", "5.20"])
def test_5_many_fragments_and_pings(ws, slowly):
    first = (
        frame(TEXT, b"fragment1", fin=False)
        + frame(CONTINUATION, b"fragment2", fin=False)
        + frame(PING, b"pongme 1!")
    )
    last = (
        frame(CONTINUATION, b"fragment3", fin=False)
        + frame(CONTINUATION, b"fragment4", fin=False)
        + frame(PING, b"pongme 2!")
        + frame(CONTINUATION, b"fragment5")
    )
    (ws.send_slowly if slowly else ws.send)(first)
    assert ws.message() == (PONG, b"pongme 1!")
    (ws.send_slowly if slowly else ws.send)(last)
    assert ws.message() == (PONG, b"pongme 2!")
    assert ws.message() == (TEXT, b"fragment1fragment2fragment3fragment4fragment5")
    close_well(ws)


# -- 6: UTF-8 -------------------------------------------------------------------------------------

BAD = KAPPA + b"\xed\xa0\x80edited"
HELLO = "Hello-µ@ßöäüàá-UTF-8!!".encode()


def test_6_1_empty_texts(ws):
    echoes(ws, TEXT, b"")
    ws.send(frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) + frame(CONTINUATION))
    assert ws.message() == (TEXT, b"")
    ws.send(
        frame(TEXT, fin=False) + frame(CONTINUATION, b"middle", fin=False) + frame(CONTINUATION)
    )
    assert ws.message() == (TEXT, b"middle")
    close_well(ws)


def test_6_2_text_in_fragments_of_any_size(ws):
    echoes(ws, TEXT, HELLO)
    ws.send(frame(TEXT, HELLO[:12], fin=False) + frame(CONTINUATION, HELLO[12:]))
    assert ws.message() == (TEXT, HELLO)
    for text in (HELLO, KAPPA):
        ws.send(
            frame(TEXT, fin=False)
            + b"".join(frame(CONTINUATION, text[i : i + 1], fin=False) for i in range(len(text)))
            + frame(CONTINUATION)
        )
        assert ws.message() == (TEXT, text)
    close_well(ws)


@pytest.mark.parametrize("one_by_one", [False, True], ids=["6.3.1", "6.3.2"])
def test_6_3_bad_text_fails(ws, one_by_one):
    if one_by_one:
        ws.send(
            frame(TEXT, fin=False)
            + b"".join(frame(CONTINUATION, BAD[i : i + 1], fin=False) for i in range(len(BAD)))
            + frame(CONTINUATION)
        )
    else:
        ws.send(frame(TEXT, BAD))
    assert ws.closed() == 1007


PARTS = [KAPPA, b"\xf4\x90\x80\x80", b"edited"]


def test_6_4_1_fails_with_the_fragment_that_is_wrong(ws):
    ws.send(frame(TEXT, PARTS[0], fin=False))
    ws.send(frame(CONTINUATION, PARTS[1], fin=False))
    assert ws.closed() == 1007


def test_6_4_2_fails_with_the_character_that_cannot_end_well(ws):
    ws.send(frame(TEXT, PARTS[0] + b"\xf4", fin=False))
    ws.send(frame(CONTINUATION, b"\x90", fin=False))
    assert ws.closed() == 1007


@pytest.mark.parametrize("up_to", [len(KAPPA) + 2, len(KAPPA) + 4], ids=["6.4.4", "6.4.3"])
def test_6_4_fails_inside_of_a_frame(ws, up_to):
    whole = frame(TEXT, b"".join(PARTS))
    ws.send(whole[: 6 + up_to])
    assert ws.closed() == 1007


def test_6_good_texts(ws):
    for text in GOOD_TEXTS:
        echoes(ws, TEXT, text)
    close_well(ws)


@pytest.mark.parametrize("text", BAD_TEXTS, ids=lambda text: text[:8].hex())
def test_6_bad_texts(ws, text):
    ws.send(frame(TEXT, text))
    assert ws.closed() == 1007


# -- 7: closing -----------------------------------------------------------------------------------


def test_7_1_1_a_message_then_a_close(ws):
    echoes(ws, TEXT, b"Hello World!")
    close_well(ws)


def test_7_1_what_comes_behind_a_close_is_not_answered(ws):
    ws.send(
        frame(CLOSE, close_payload(1000))
        + frame(CLOSE, close_payload(1000))
        + frame(PING, b"late")
        + frame(TEXT, b"late")
    )
    assert ws.closed() == 1000


def test_7_1_5_a_close_between_fragments(ws):
    ws.send(
        frame(TEXT, b"fragment1", fin=False)
        + frame(CLOSE, close_payload(1000))
        + frame(CONTINUATION, b"fragment2")
    )
    assert ws.closed() == 1000


def test_7_1_6_a_close_behind_a_large_message(ws):
    payload = b"BAsd7&jh23" * (256 * 1024 // 10)
    ws.send(frame(TEXT, payload) + frame(CLOSE, close_payload(1000)) + frame(PING))
    is_next(ws, TEXT, payload)
    assert ws.closed() == 1000


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", None),
        (b"\x03", 1002),
        (close_payload(1000), 1000),
        (close_payload(1000, b"Hello World!"), 1000),
        (close_payload(1000, b"*" * 123), 1000),
        (close_payload(1000, b"*" * 124), 1002),
        (close_payload(1000, BAD), 1007),
    ],
    ids=["7.3.1", "7.3.2", "7.3.3", "7.3.4", "7.3.5", "7.3.6", "7.5.1"],
)
def test_7_what_a_close_says(ws, payload, code):
    ws.send(frame(CLOSE, payload))
    assert ws.closed() == code


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]
)
def test_7_7_codes_that_may_be_sent(ws, code):
    ws.send(frame(CLOSE, close_payload(code)))
    assert ws.closed() == code


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535])
def test_7_9_codes_that_may_not(ws, code):
    ws.send(frame(CLOSE, close_payload(code)))
    assert ws.closed() == 1002


# -- 9: limits ------------------------------------------------------------------------------------

LARGE = [64 * 1024, 256 * 1024, MIB, 4 * MIB, *([] if SANITIZED else [8 * MIB, 16 * MIB])]


def speak(ws, data):
    """Sends while it reads: neither side has to keep all of it."""
    sender = threading.Thread(target=ws.send, args=(data,))
    sender.start()
    got = ws.message()
    sender.join()
    return got


@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["9.1", "9.2"])
@pytest.mark.parametrize("size", LARGE)
def test_9_large_messages(ws, opcode, size):
    payload = b"*" * size
    opcode_got, got = speak(ws, frame(opcode, payload))
    assert opcode_got == opcode
    same = got == payload
    assert same


@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["9.3", "9.4"])
@pytest.mark.parametrize("piece", [64, 256, 1024, 4096, 16384, 65536, 262144, MIB, 4 * MIB])
def test_9_a_large_message_in_fragments(ws, opcode, piece):
    size = MIB if SANITIZED else 4 * MIB
    payload = b"*" * size
    parts = [
        frame(opcode if i == 0 else CONTINUATION, payload[i : i + piece], fin=i + piece >= size)
        for i in range(0, size, piece)
    ]
    opcode_got, got = speak(ws, b"".join(parts))
    assert opcode_got == opcode
    same = got == payload
    assert same


@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["9.5", "9.6"])
@pytest.mark.parametrize("piece", [64, 128, 256, 512, 1024, 2048])
def test_9_a_large_message_in_small_writes(ws, opcode, piece):
    payload = b"*" * (256 * 1024)
    ws.send_slowly(frame(opcode, payload), piece)
    is_next(ws, opcode, payload)


@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["9.7", "9.8"])
@pytest.mark.parametrize("size", [0, 16, 64, 256, 1024, 4096])
def test_9_many_messages(ws, opcode, size):
    payload = b"*" * size
    for _ in range(200):
        echoes(ws, opcode, payload)
    close_well(ws)


def test_9_a_message_that_is_too_big(demo):
    with WebSocket(demo.address) as ws:
        ws.send(frame(BINARY, bytes(1), length=8)[:2] + struct.pack(">Q", 16 * MIB + 1) + bytes(4))
        assert ws.closed() == 1009


# -- 10: automatic fragmentation ------------------------------------------------------------------


def test_10_1_1_a_message_that_an_endpoint_may_cut(ws):
    payload = b"*" * 65536
    parts = [
        frame(TEXT if i == 0 else CONTINUATION, payload[i : i + 1300], fin=i + 1300 >= 65536)
        for i in range(0, 65536, 1300)
    ]
    ws.send(b"".join(parts))
    is_next(ws, TEXT, payload)
    close_well(ws)


# -- 12, 13: compression --------------------------------------------------------------------------

OFFERS = [
    "permessage-deflate",  # 12.x, 13.1
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover",  # 13.2
    "permessage-deflate; server_max_window_bits=9",  # 13.3
    "permessage-deflate; server_max_window_bits=15",  # 13.4
    "permessage-deflate; server_no_context_takeover; server_max_window_bits=9",  # 13.5
    "permessage-deflate; server_no_context_takeover; server_max_window_bits=15",  # 13.6
    "permessage-deflate; server_no_context_takeover; client_max_window_bits=9, "
    "permessage-deflate; server_no_context_takeover, permessage-deflate",  # 13.7
]
JSON = b'{"id": 12345, "name": "some JSON", "tags": []}, '
KINDS = {
    "12.1 zeros": lambda dice, n: bytes(n),
    "12.2 text": lambda dice, n: (JSON * (n // len(JSON) + 1))[:n],
    "12.3 words": lambda dice, n: b" ".join(
        dice.choice([b"alpha", b"beta", b"gamma", b"delta"]) for _ in range(n // 5 + 1)
    )[:n],
    "12.4 noise": lambda dice, n: dice.randbytes(n),
}


@pytest.mark.parametrize("offer", OFFERS, ids=[str(i) for i in range(len(OFFERS))])
@pytest.mark.parametrize("kind", KINDS)
def test_12_13_compressed_messages(demo, offer, kind):
    dice = random.Random(offer + kind)
    with WebSocket(demo.address, fields=[f"Sec-WebSocket-Extensions: {offer}"]) as ws:
        assert ws.deflate
        ws.client_bits = (
            9 if "client_max_window_bits=9" in ws.fields["sec-websocket-extensions"] else 15
        )
        for size in [0, 16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072]:
            for _ in range(2 if size > 10000 else 10):
                payload = KINDS[kind](dice, size)
                packed = ws.compress(payload)
                cut = dice.randrange(len(packed) + 1) if dice.random() < 0.3 else None
                if cut is None:
                    ws.send(frame(BINARY, packed, rsv=4))
                else:
                    ws.send(
                        frame(BINARY, packed[:cut], fin=False, rsv=4)
                        + frame(PING)
                        + frame(CONTINUATION, packed[cut:])
                    )
                    assert ws.message() == (PONG, b"")
                is_next(ws, BINARY, payload)
        close_well(ws)


def test_13_uncompressed_messages_of_those_who_could(demo):
    with WebSocket(demo.address, fields=["Sec-WebSocket-Extensions: permessage-deflate"]) as ws:
        for _ in range(10):
            echoes(ws, TEXT, b"as it is, as it is, as it is")
            ws.send(frame(TEXT, ws.compress(b"packed, packed, packed"), rsv=4))
            assert ws.message() == (TEXT, b"packed, packed, packed")
        close_well(ws)


def test_13_a_bit_of_compression_inside_of_a_message_fails(demo):
    with WebSocket(demo.address, fields=["Sec-WebSocket-Extensions: permessage-deflate"]) as ws:
        packed = ws.compress(b"hello")
        ws.send(frame(TEXT, packed[:2], fin=False, rsv=4) + frame(CONTINUATION, packed[2:], rsv=4))
        assert ws.closed() == 1002


def test_12_what_cannot_be_inflated_fails(demo):
    with WebSocket(demo.address, fields=["Sec-WebSocket-Extensions: permessage-deflate"]) as ws:
        ws.send(frame(BINARY, b"\xff\xff\xff\xff", rsv=4))
        assert ws.closed() == 1007


def test_12_a_bomb_fails(demo):
    with WebSocket(demo.address, fields=["Sec-WebSocket-Extensions: permessage-deflate"]) as ws:
        ws.send(frame(BINARY, ws.compress(bytes(17 * MIB)), rsv=4))
        assert ws.closed() == 1009


def test_a_client_that_just_leaves_is_let_go(demo):
    for _ in range(20):
        with WebSocket(demo.address) as ws:
            ws.send(frame(TEXT, b"x", fin=False))
    end = time.monotonic() + 60
    while demo.metric("websockets_open") != 0:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_an_end_in_the_middle_of_a_message(demo):
    with WebSocket(demo.address) as ws, pytest.raises(Ended):
        ws.send(frame(TEXT, b"x" * 100)[:50])
        ws.socket.shutdown(1)
        ws.message()
