"""httpcore.h for tests in Python: the shared library through ctypes."""

import ctypes
import functools
import os

LIBRARY = os.environ.get("HTTPCORE_LIBRARY", "libhttpcore.so.1")

HC_FIN, HC_RELEASE = 0x1, 0x4
EV_REQUEST, EV_BODY, EV_BODY_END, EV_STOPPED, EV_CERT_NEEDED = 1, 2, 3, 9, 14
EV_WRITABLE, EV_CLOSED, EV_DRAINED, EV_WS_MESSAGE, EV_WS_CLOSED = 4, 6, 10, 12, 13
EVF_ACME = 0x2
HEADF_TLS, HEADF_TLS_RESUMED = 0x2, 0x4


class Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("obj", ctypes.c_uint64),
        ("token", ctypes.c_uint64),
        ("status", ctypes.c_int32),
        ("n", ctypes.c_uint32),
        ("data", ctypes.c_uint64),
        ("aux", ctypes.c_uint64 * 3),
    ]


class Str(ctypes.Structure):
    _fields_ = [("p", ctypes.c_void_p), ("n", ctypes.c_size_t)]

    def __str__(self):
        return ctypes.string_at(self.p, self.n).decode()


class Header(ctypes.Structure):
    _fields_ = [
        ("name", Str),
        ("value", Str),
        ("token", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
    ]


class Head(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_uint32),
        ("version", ctypes.c_uint32),
        ("nheaders", ctypes.c_uint32),
        ("route", ctypes.c_uint32),
        ("status", ctypes.c_int32),
        ("flags", ctypes.c_uint32),
        ("method", Str),
        ("scheme", Str),
        ("authority", Str),
        ("path", Str),
        ("query", Str),
        ("protocol", Str),
        ("peer", Str),
        ("headers", ctypes.POINTER(Header)),
        ("local", Str),
        ("target", Str),
        ("params", ctypes.POINTER(Header)),
        ("nparams", ctypes.c_uint32),
        ("method_token", ctypes.c_uint32),
        ("tls_version", Str),
        ("tls_cipher", Str),
        ("tls_group", Str),
        ("tls_server_name", Str),
        ("tls_protocol", Str),
        ("ntls_chain", ctypes.c_uint32),
        ("connection", ctypes.c_uint64),
    ]


@functools.cache
def load():
    """The library, with the types of what the tests call."""
    library = ctypes.CDLL(LIBRARY)
    pointer, u32, u64, i64 = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_int64
    size, text = ctypes.c_size_t, ctypes.c_char_p
    signatures = {
        "config_create": [pointer],
        "config_set": [pointer, text, text, size, pointer],
        "config_release": [pointer],
        "version_info": [pointer, pointer],
        "runtime_create": [pointer, pointer, pointer],
        "runtime_start": [pointer],
        "runtime_stop": [pointer, pointer, u64],
        "runtime_join": [pointer, i64],
        "runtime_release": [pointer],
        "queue_create": [pointer, u32, pointer],
        "queue_poll": [pointer, pointer, u32, i64, pointer],
        "queue_release": [pointer],
        "server_create": [pointer, pointer, pointer, pointer],
        "server_route": [pointer, text, text, u32, pointer],
        "server_bind_queue": [pointer, u32, pointer],
        "server_listen": [pointer, pointer, pointer],
        "server_address": [pointer, u32, pointer, size, pointer],
        "server_bind_certificates": [pointer, pointer],
        "server_reload_tls": [pointer, u32, pointer, pointer],
        "server_drain": [pointer, pointer, u64, u64, u64],
        "server_release": [pointer],
        "release": [u64],
        "ws_accept": [u64, text, pointer, size],
        "ws_refuse": [u64, ctypes.c_int32, u32],
        "ws_send": [u64, ctypes.c_int32, text, size, u32, u64],
        "ws_close": [u64, ctypes.c_uint16, text, size],
        "tls_answer": [u64, text, size, text, size, pointer],
        "tls_chain_get": [u64, u32, pointer, pointer],
        "cancel": [u64],
        "error_release": [pointer],
        "head_get": [u64, pointer],
        "recv": [u64, u64],
        "consume": [u64, u64],
        "respond": [u64, ctypes.c_int32, pointer, size, text, size, u32, u64],
    }
    for name, arguments in signatures.items():
        getattr(library, "hc_" + name).argtypes = arguments
        getattr(library, "hc_" + name).restype = ctypes.c_int32
    library.hc_error_message.argtypes = [pointer]
    library.hc_error_message.restype = text
    return library


def config(hc, options):
    """A config with these options set; the caller releases it."""
    made = ctypes.c_void_p()
    assert hc.hc_config_create(ctypes.byref(made)) == 0
    for key, value in options.items():
        value = value if isinstance(value, bytes) else str(value).encode()
        assert hc.hc_config_set(made, key.encode(), value, len(value), None) == 0, key
    return made
