/* httpcore.h - the C interface of libhttpcore: an HTTP server in one shared library.
 *
 * C99, and C++ without change. This file is the contract: the export map, the bindings and the
 * function reference are made from it or checked against it.
 *
 * RULES THAT HOLD EVERYWHERE
 *
 * Answers. A function gives an hc_status: HC_OK (0) or a negative HC_E_*. Unless it is said
 *   otherwise, a call that fails has changed nothing. Later versions may add values to every list
 *   in this file (statuses, events, flags, fields): ignore those you do not know. Set-up functions
 *   take a last argument `hc_error **error`: NULL, or the place of a pointer that is set to an
 *   error object to be released with hc_error_release when the call fails, and to NULL when it
 *   succeeds, or when a pointer was null or wrong or memory ran out, of which there is no more to
 *   say. (hc_error_message(NULL) is an empty text.)
 *
 * Any function may also answer: HC_E_INVALID for a null or wrong pointer, HC_E_NO_MEMORY,
 *   HC_E_INTERNAL (a defect of the library; no C++ exception ever leaves it), and, when it takes a
 *   runtime, something made from one, an exchange or an operation, HC_E_FORKED in a process forked
 *   from the one that made it. In such a child the release of an object answers HC_OK and leaks.
 *
 * Objects (hc_config, hc_runtime, hc_queue, hc_server, hc_error) are opaque and reference-counted:
 *   made with one reference, ended by the last release. Each keeps alive what it was made from, so
 *   that they may be released in any order. Exchanges (hc_exchange) and operations (hc_op) are
 *   64-bit numbers, never 0: one that is stale, released twice or made up is answered with
 *   HC_E_GONE and touches nothing.
 *
 * Threads. A config and an error have one owner at a time; a queue has one consumer at a time; all
 *   else may be called from any thread at any time. All of it may also be called from inside a
 *   callback, save what would wait: that answers HC_E_DEADLOCK. Two kinds of functions that you
 *   hand over, wake-ups and drops, must neither block nor call this library. No function that you
 *   hand over may end by a C++ exception or a longjmp.
 *
 * Exchanges and threads. A call on an exchange made on the worker that serves it (in an inline
 *   callback; on the thread that turns a driven runtime) is done when it returns. Made on any other
 *   thread it is checked, its bytes are copied and it is handed to that worker; calls of one
 *   thread keep their order. What can only fail later is then told by one HC_EV_CLOSED with the
 *   status that the call would have given.
 *
 * Bytes in (fields, bodies, strings) are copied during the call, so they are yours again when it
 *   returns; the exception is HC_NOCOPY, see hc_send. A pointer may be NULL when its length is 0.
 * Bytes out stay valid as long as it is said where they are handed out.
 *
 * Text is UTF-8 without meaning to the library; fields and paths are bytes as they were received.
 * Times are nanoseconds, unless an option's name ends in another unit. A timeout < 0 waits for
 * ever, 0 does not wait.
 *
 * User pointers (`arg`) come with a `drop` function, which may be NULL. It is called with `arg`
 *   exactly once, after the last use of `arg`, on any thread; in driven mode on the turning thread
 *   when it is caused by a turn. It is not called when the function that took it failed.
 *
 * Processes. No thread exists before hc_runtime_start. No signal handler is ever installed; workers
 *   block all signals. A parent may make configs before it forks, and listening sockets of its own
 *   (see "listen.fd"); a runtime belongs to the process that made it. Unloading the library does
 *   nothing. The library writes to no standard stream.
 */
#ifndef HTTPCORE_HTTPCORE_H
#define HTTPCORE_HTTPCORE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define HC_API __attribute__((visibility("default")))
#else
#define HC_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The answer of a call: HC_OK or one of HC_E_*, see "statuses". */
typedef int32_t hc_status;

/* ---- version and features -------------------------------------------------------------------- */

/* The version this header belongs to. */
#define HC_VERSION_MAJOR 0
#define HC_VERSION_MINOR 1
#define HC_VERSION_PATCH 0

/* The version of the library that runs: major << 16 | minor << 8 | patch. It is never lower than
 * that of the header a program was built with, when the loader found the right library. */
HC_API uint32_t hc_version(void);

/* The library's version and what it bundles, as a JSON object:
 *   {"version":"0.1.0","system":"epoll","features":["h1",...],"bundled":{"llhttp":"9.2.1",...}}
 * `*json` is static and zero-terminated; `*n` is its length. `n` may be NULL. */
HC_API hc_status hc_version_info(const char** json, size_t* n);

/* 1 when this build has the feature, 0 when it does not or does not know the name (or name is
 * NULL). Names: "h1", "unix" (Unix-domain sockets), "proxy_protocol", "send_file", "inline",
 * "queue", "driven", "pool" ("server.execution"), "tls", "h2", "websocket", "sse", "topics",
 * "gzip", "br", "zstd" (content codings). */
HC_API int32_t hc_has_feature(const char* name);

/* ---- statuses -------------------------------------------------------------------------------- */

#define HC_OK 0                 /* done */
#define HC_E_INVALID -1         /* an argument or option is wrong; nothing was changed */
#define HC_E_NO_MEMORY -2       /* memory ran out */
#define HC_E_GONE -3            /* the id is stale, released or was never valid */
#define HC_E_CLOSED -4          /* the exchange, connection or runtime has ended */
#define HC_E_AGAIN -5           /* nothing was taken; a later event says when to try again */
#define HC_E_STATE -6           /* the call is not legal in this state (a second response, say) */
#define HC_E_LIMIT -7           /* a configured limit, or the room given, would be exceeded */
#define HC_E_TIMEOUT -8         /* the time allowed ran out */
#define HC_E_CANCELLED -9       /* cancelled by its owner */
#define HC_E_DEADLOCK -10       /* a call that would wait, made where waiting could never end */
#define HC_E_FORKED -11         /* the runtime belongs to a parent of this process */
#define HC_E_UNSUPPORTED -12    /* not available in this build or on this system */
#define HC_E_IO -13             /* the operating system refused; hc_error_code has its errno */
#define HC_E_PROTOCOL -14       /* the peer broke the protocol */
#define HC_E_ADDRESS_IN_USE -15 /* the address to listen on is taken */
#define HC_E_NOT_FOUND -16      /* a file, name, option or route does not exist */
#define HC_E_REFUSED -17        /* the peer or a resource refused */
#define HC_E_RESET -18          /* the peer reset the connection or the stream */
#define HC_E_INTERNAL -19       /* a defect of this library */
#define HC_E_PERMISSION -20     /* the operating system forbids it */

/* The short name of a status: "ok", "invalid", "gone", ...; "unknown" for a number that is none.
 * Static. */
HC_API const char* hc_status_name(hc_status status);

/* ---- errors ---------------------------------------------------------------------------------- */

typedef struct hc_error hc_error;

/* Who is at fault. */
#define HC_ORIGIN_USER 0    /* the caller: a bad argument, option or order of calls */
#define HC_ORIGIN_PEER 1    /* the other end of a connection */
#define HC_ORIGIN_LIBRARY 2 /* this library, or one of its limits */
#define HC_ORIGIN_SYSTEM 3  /* the operating system */

/* Whose number hc_error_code gives. */
#define HC_SOURCE_ERRNO 1 /* the operating system's errno */
#define HC_SOURCE_HTTP 2  /* an HTTP status code */

/* The status the failed call gave; HC_OK for NULL. */
HC_API hc_status hc_error_status(const hc_error* error);
/* One of HC_ORIGIN_*; -1 for NULL. */
HC_API int32_t hc_error_origin(const hc_error* error);
/* The number that a source (HC_SOURCE_*) gave the failure; 0 when it gave none. */
HC_API int64_t hc_error_code(const hc_error* error, int32_t source);
/* One sentence for a person, zero-terminated; "" for NULL. Lives as long as the error. */
HC_API const char* hc_error_message(const hc_error* error);
/* What the message is about (an option's key, an address, a pattern), zero-terminated, maybe "".
 * Lives as long as the error. */
HC_API const char* hc_error_detail(const hc_error* error);
/* Frees the error. NULL is HC_OK. */
HC_API hc_status hc_error_release(hc_error* error);

/* ---- functions that are handed over ---------------------------------------------------------- */

/* A wake-up, a drop or a job. */
typedef void (*hc_fn)(void* arg);

#define HC_LOG_DEBUG 0
#define HC_LOG_INFO 1
#define HC_LOG_WARNING 2
#define HC_LOG_ERROR 3
#define HC_LOG_OFF 4

/* A log line. `level` is an HC_LOG_*; `component` a short word ("server", "access", "runtime").
 * Neither text is zero-terminated; both are valid during the call. Called on any thread, maybe on
 * several at once; must neither block nor call this library. */
typedef void (*hc_log_fn)(void* arg, int32_t level, const char* component, size_t component_n,
                          const char* message, size_t message_n);

/* ---- configuration --------------------------------------------------------------------------- */

/* Options by name. Which there are, with unit, default, range and help: hc_config_schema. A config
 * is read when something is made from it; changing it afterwards changes nothing that exists. One
 * config may serve for a runtime, its servers and their listeners: each reads its own options.
 *   runtime.*, log.*, limits.* of a runtime          hc_runtime_create
 *   server.*, h1.*, compression.*, decompression.*, log.*, limits.* of a server
 *                                                    hc_server_create
 *   listen.*                                         hc_server_listen
 * Driven mode is "runtime.workers" = 0. */
typedef struct hc_config hc_config;

/* Makes a config in which every option has its default. */
HC_API hc_status hc_config_create(hc_config** config);
/* One more reference. */
HC_API hc_status hc_config_retain(hc_config* config);
/* Gives a reference back; the last one frees. NULL is HC_OK. */
HC_API hc_status hc_config_release(hc_config* config);

/* Sets one option from its text.
 *   key    zero-terminated, "runtime.workers"
 *   value  n bytes: a decimal number; "true", "false", "1" or "0"; a string as it is; a list as
 *          items parted by commas. An empty list or string is legal.
 * Errors: HC_E_NOT_FOUND, an unknown key (the message names the nearest one); HC_E_INVALID, a value
 * that is none of its type or out of its range (the message tells the range). The error's detail is
 * the key. */
HC_API hc_status hc_config_set(hc_config* config, const char* key, const char* value, size_t n,
                               hc_error** error);

/* Sets options from n bytes of JSON: one object whose keys are whole ("runtime.workers": 2) or
 * nested ("runtime": {"workers": 2}), as you like. All or nothing: on an error no option has
 * changed. Errors: as hc_config_set; HC_E_INVALID for text that is not JSON (with its position) or
 * too deep. */
HC_API hc_status hc_config_load_json(hc_config* config, const char* json, size_t n,
                                     hc_error** error);

/* The schema: a JSON array of objects with "key", "type" ("bool", "integer", "string", "list",
 * "mode": octal digits, "choice": one of "choices"), "unit" ("bytes", "ms", "s", "count" or ""),
 * "default", "min" and "max" (integers), "reads" (what is made from it: "runtime", "server",
 * "listener", or "log" for runtime and server) and "help". `*json` is static and zero-terminated,
 * `*n` its length; `n` may be NULL. */
HC_API hc_status hc_config_schema(const char** json, size_t* n);

/* Where log lines of "log.level" and above go; no log function is set at first, and nothing is
 * logged. `fn` NULL takes the former one away. `drop` runs once `arg` is used no more: when another
 * function took its place and every config, runtime and server that had this one is gone. */
HC_API hc_status hc_config_set_log(hc_config* config, hc_log_fn fn, void* arg, hc_fn drop);

/* ---- vocabulary ------------------------------------------------------------------------------ */

/* One request and its answer. Not 0. See "the life of an exchange" below. */
typedef uint64_t hc_exchange;
/* A timer or a job. Not 0. */
typedef uint64_t hc_op;

/* A run of bytes inside a struct; not zero-terminated. Frozen. */
typedef struct hc_str {
    const char* p;
    size_t n;
} hc_str;

/* A header or trailer field, or a route parameter. Frozen. */
typedef struct hc_header {
    hc_str name;    /* received: as the peer wrote it; case means nothing (RFC 9110, section 5.1) */
    hc_str value;   /* without white space at its ends (RFC 9110, section 5.5) */
    uint32_t token; /* HC_FIELD_* of a well-known name, else 0. To be sent: that, which must be the
                       name's, or 0 to have it looked up. */
    uint32_t flags; /* 0 */
} hc_header;

/* hc_head.version and HC_EV_REQUEST's aux[1]. */
#define HC_HTTP_1_0 10
#define HC_HTTP_1_1 11
#define HC_HTTP_2 20

/* hc_head.method_token and HC_EV_REQUEST's aux[0] (RFC 9110, section 9; RFC 5789). Methods are
 * case-sensitive. */
#define HC_METHOD_OTHER 0
#define HC_METHOD_GET 1
#define HC_METHOD_HEAD 2
#define HC_METHOD_POST 3
#define HC_METHOD_PUT 4
#define HC_METHOD_DELETE 5
#define HC_METHOD_CONNECT 6
#define HC_METHOD_OPTIONS 7
#define HC_METHOD_TRACE 8
#define HC_METHOD_PATCH 9

/* Well-known field names, in hc_header.token. Numbers never change. */
#define HC_FIELD_OTHER 0
#define HC_FIELD_ACCEPT 1
#define HC_FIELD_ACCEPT_CHARSET 2
#define HC_FIELD_ACCEPT_ENCODING 3
#define HC_FIELD_ACCEPT_LANGUAGE 4
#define HC_FIELD_ACCEPT_RANGES 5
#define HC_FIELD_ACCESS_CONTROL_ALLOW_CREDENTIALS 6
#define HC_FIELD_ACCESS_CONTROL_ALLOW_HEADERS 7
#define HC_FIELD_ACCESS_CONTROL_ALLOW_METHODS 8
#define HC_FIELD_ACCESS_CONTROL_ALLOW_ORIGIN 9
#define HC_FIELD_ACCESS_CONTROL_EXPOSE_HEADERS 10
#define HC_FIELD_ACCESS_CONTROL_MAX_AGE 11
#define HC_FIELD_ACCESS_CONTROL_REQUEST_HEADERS 12
#define HC_FIELD_ACCESS_CONTROL_REQUEST_METHOD 13
#define HC_FIELD_AGE 14
#define HC_FIELD_ALLOW 15
#define HC_FIELD_ALT_SVC 16
#define HC_FIELD_AUTHORIZATION 17
#define HC_FIELD_CACHE_CONTROL 18
#define HC_FIELD_CONNECTION 19
#define HC_FIELD_CONTENT_DISPOSITION 20
#define HC_FIELD_CONTENT_ENCODING 21
#define HC_FIELD_CONTENT_LANGUAGE 22
#define HC_FIELD_CONTENT_LENGTH 23
#define HC_FIELD_CONTENT_LOCATION 24
#define HC_FIELD_CONTENT_RANGE 25
#define HC_FIELD_CONTENT_SECURITY_POLICY 26
#define HC_FIELD_CONTENT_TYPE 27
#define HC_FIELD_COOKIE 28
#define HC_FIELD_DATE 29
#define HC_FIELD_EARLY_DATA 30
#define HC_FIELD_ETAG 31
#define HC_FIELD_EXPECT 32
#define HC_FIELD_EXPIRES 33
#define HC_FIELD_FORWARDED 34
#define HC_FIELD_FROM 35
#define HC_FIELD_HOST 36
#define HC_FIELD_HTTP2_SETTINGS 37
#define HC_FIELD_IF_MATCH 38
#define HC_FIELD_IF_MODIFIED_SINCE 39
#define HC_FIELD_IF_NONE_MATCH 40
#define HC_FIELD_IF_RANGE 41
#define HC_FIELD_IF_UNMODIFIED_SINCE 42
#define HC_FIELD_KEEP_ALIVE 43
#define HC_FIELD_LAST_EVENT_ID 44
#define HC_FIELD_LAST_MODIFIED 45
#define HC_FIELD_LINK 46
#define HC_FIELD_LOCATION 47
#define HC_FIELD_MAX_FORWARDS 48
#define HC_FIELD_ORIGIN 49
#define HC_FIELD_PRAGMA 50
#define HC_FIELD_PRIORITY 51
#define HC_FIELD_PROXY_AUTHENTICATE 52
#define HC_FIELD_PROXY_AUTHORIZATION 53
#define HC_FIELD_PROXY_CONNECTION 54
#define HC_FIELD_RANGE 55
#define HC_FIELD_REFERER 56
#define HC_FIELD_RETRY_AFTER 57
#define HC_FIELD_SEC_FETCH_DEST 58
#define HC_FIELD_SEC_FETCH_MODE 59
#define HC_FIELD_SEC_FETCH_SITE 60
#define HC_FIELD_SEC_FETCH_USER 61
#define HC_FIELD_SEC_WEBSOCKET_ACCEPT 62
#define HC_FIELD_SEC_WEBSOCKET_EXTENSIONS 63
#define HC_FIELD_SEC_WEBSOCKET_KEY 64
#define HC_FIELD_SEC_WEBSOCKET_PROTOCOL 65
#define HC_FIELD_SEC_WEBSOCKET_VERSION 66
#define HC_FIELD_SERVER 67
#define HC_FIELD_SET_COOKIE 68
#define HC_FIELD_STRICT_TRANSPORT_SECURITY 69
#define HC_FIELD_TE 70
#define HC_FIELD_TRAILER 71
#define HC_FIELD_TRANSFER_ENCODING 72
#define HC_FIELD_UPGRADE 73
#define HC_FIELD_UPGRADE_INSECURE_REQUESTS 74
#define HC_FIELD_USER_AGENT 75
#define HC_FIELD_VARY 76
#define HC_FIELD_VIA 77
#define HC_FIELD_WARNING 78
#define HC_FIELD_WWW_AUTHENTICATE 79
#define HC_FIELD_X_CONTENT_TYPE_OPTIONS 80
#define HC_FIELD_X_FORWARDED_FOR 81
#define HC_FIELD_X_FORWARDED_HOST 82
#define HC_FIELD_X_FORWARDED_PROTO 83
#define HC_FIELD_X_FRAME_OPTIONS 84
#define HC_FIELD_X_REAL_IP 85
#define HC_FIELD_X_REQUEST_ID 86

/* A received head. It grows at its end in later versions: a member is there when `size` reaches
 * behind it. Strings that do not apply are empty. All pointers live as hc_head_get says. */
typedef struct hc_head {
    uint32_t size;     /* of this struct, as the library knows it */
    uint32_t version;  /* HC_VERSION_* */
    uint32_t nheaders; /* fields at `headers` */
    uint32_t route;    /* the route that matched */
    int32_t status;    /* responses: the status code; requests: 0 */
    uint32_t flags;    /* HC_HEADF_* */
    hc_str method;     /* as sent: "GET" */
    hc_str scheme;     /* "http" or "https" */
    hc_str authority;  /* from the target, else from Host (RFC 9112, section 3.3) */
    hc_str path;       /* raw, without the query; "*" for the asterisk form; empty for CONNECT */
    hc_str query;      /* raw, without the "?"; HC_HEADF_QUERY tells "/a?" from "/a" */
    hc_str protocol;   /* the value of Upgrade, when the request asks for one */
    hc_str peer;       /* "192.0.2.1:54321", "[2001:db8::1]:54321", "unix:"; behind a trusted proxy
                           that speaks PROXY, the client's. Empty when the connection is gone. */
    const hc_header* headers;
    hc_str local;            /* our end: "198.51.100.1:80" */
    hc_str target;           /* the request target as it was sent */
    const hc_header* params; /* route parameters in the pattern's order, raw */
    uint32_t nparams;
    uint32_t method_token;  /* HC_METHOD_* */
    hc_str tls_version;     /* of TLS, "TLSv1.3"; this and the next are empty without it, and */
    hc_str tls_cipher;      /* once the connection is gone. "TLS_AES_128_GCM_SHA256" */
    hc_str tls_group;       /* how keys were agreed upon: "X25519MLKEM768" */
    hc_str tls_server_name; /* what the client asked for (SNI) */
    hc_str tls_protocol;    /* by ALPN: "h2" */
    uint32_t ntls_chain;    /* certificates that the client showed, see hc_tls_chain_get */
    uint64_t connection;    /* a number that no other connection of the runtime has or had; 0 once
                                it is gone */
} hc_head;

#define HC_HEADF_QUERY 0x1u       /* the target had a "?" */
#define HC_HEADF_TLS 0x2u         /* the connection is encrypted */
#define HC_HEADF_TLS_RESUMED 0x4u /* an earlier session of TLS was taken up */
#define HC_HEADF_PUSHED 0x8u      /* not asked for by the client, but promised by hc_push */

/* ---- events ---------------------------------------------------------------------------------- */

/* What happened. 64 bytes, frozen, no pointers: an array of them may cross into any language. */
typedef struct hc_event {
    uint32_t type;   /* HC_EV_* */
    uint32_t flags;  /* HC_EVF_* */
    uint64_t obj;    /* the exchange or operation it is about, else 0 */
    uint64_t token;  /* as given to the call that it answers, else 0 */
    int32_t status;  /* HC_OK or HC_E_* */
    uint32_t n;      /* a number, by type */
    uint64_t data;   /* BODY, WS_MESSAGE, WS_CLOSED: an address; else a number */
    uint64_t aux[3]; /* numbers, by type; 0 where the table is silent */
} hc_event;

/* What the fields mean. A field that is not named for a type is 0; status HC_OK unless it is named.
 *
 * type            obj       token    n         data     other
 * HC_EV_REQUEST   exchange  0        route     0        flags HC_EVF_END: no body follows;
 *                                                       aux[0] HC_METHOD_*; aux[1] HC_HTTP_*
 * HC_EV_BODY      exchange  0        bytes     address
 * HC_EV_BODY_END  exchange  0        trailers  0
 * HC_EV_WRITABLE  exchange  0        0         0
 * HC_EV_SENT      exchange  send's   0         0        status: HC_OK; HC_E_CLOSED: not sent
 * HC_EV_CLOSED    exchange  0        0         0        status: why
 * HC_EV_WS_MESSAGE exchange 0        bytes     address  aux[0] HC_WS_TEXT or HC_WS_BINARY
 * HC_EV_WS_CLOSED exchange  0        bytes     address  aux[0] a close code; aux[1] 1: clean
 * HC_EV_TIMER     op        timer's  0         0        status: HC_OK; HC_E_CLOSED: too late
 * HC_EV_JOB       op        job's    0         0        status: HC_OK; HC_E_CLOSED: never ran
 * HC_EV_STOPPED   0         stop's   0         0
 * HC_EV_DRAINED   0         drain's  0         resets   data: connections that were reset
 * HC_EV_WAKE      0         0        wakes     0        n: hc_queue_wake calls it stands for
 * HC_EV_CERT_NEEDED  op     0        bytes     address  the host's name (SNI); flags HC_EVF_ACME
 *
 * REQUEST    A head is there; the first event of an exchange. It is yours until hc_release.
 * BODY       Body bytes, within the credit of hc_recv.
 * BODY_END   The body is complete; hc_trailers_get. Not sent when REQUEST had HC_EVF_END.
 * WRITABLE   A send was refused with HC_E_AGAIN and would be taken now. Exactly one a refusal;
 *            several refusals before it share it.
 * SENT       Bytes lent with HC_NOCOPY, or the file of hc_send_file, are yours again. Exactly one
 *            for each call that lent and answered HC_OK; it also comes after CLOSED and after
 *            hc_release.
 * WS_MESSAGE A whole message of a WebSocket, within the credit of hc_recv; see hc_ws_accept.
 * WS_CLOSED  No more messages come, and none can be sent. n bytes at data are the reason, valid as
 *            a message is, with a queue until hc_release. The code is the peer's; 1005 when it gave
 *            none; 1006 when the connection was lost; when it broke the rules, the one it was sent.
 *            Clean: both ends sent their Close. Exactly one before CLOSED.
 * TIMER, JOB HC_E_CLOSED means that the runtime was stopped before the timer was due, or before
 *            the job had begun.
 * CLOSED     The end of an exchange: HC_OK when the answer was handed to the kernel whole and the
 *            request was read; else why not: HC_E_RESET (the peer reset or left), HC_E_TIMEOUT,
 *            HC_E_PROTOCOL, HC_E_LIMIT, HC_E_CANCELLED (hc_abort), HC_E_CLOSED (the server or
 *            runtime ended), or the status of a call made on another thread that could not be done.
 *            Exactly one for each exchange that was not released before; only hc_release is of use
 *            then, all else answers HC_E_CLOSED (and all of it HC_E_GONE once the runtime has
 *            stopped, which released what was left).
 */
#define HC_EV_REQUEST 1u
#define HC_EV_BODY 2u
#define HC_EV_BODY_END 3u
#define HC_EV_WRITABLE 4u
#define HC_EV_SENT 5u
#define HC_EV_CLOSED 6u
#define HC_EV_TIMER 7u
#define HC_EV_JOB 8u
#define HC_EV_STOPPED 9u
#define HC_EV_DRAINED 10u
#define HC_EV_WAKE 11u
#define HC_EV_WS_MESSAGE 12u
#define HC_EV_WS_CLOSED 13u
#define HC_EV_CERT_NEEDED 14u

#define HC_EVF_ACME 0x2u /* HC_EV_CERT_NEEDED: the client offers "acme-tls/1" (RFC 8737) */
#define HC_EVF_END 0x1u  /* HC_EV_REQUEST: no body follows */

/* ---- runtime --------------------------------------------------------------------------------- */

/* Threads that serve connections, each with its own event loop (workers); or, with
 * "runtime.workers" 0, none: then the program's own event loop drives it ("driven mode").
 *
 *   created -- hc_runtime_start --> running -- hc_runtime_stop --> stopping --> stopped
 *
 * HC_EV_STOPPED tells of the last step.
 */
typedef struct hc_runtime hc_runtime;
typedef struct hc_queue hc_queue;
typedef struct hc_server hc_server;

/* Makes a runtime; `config` NULL for defaults. No thread is started.
 * "runtime.io" is what tells the runtime that sockets are ready: "epoll", "io_uring", or "auto",
 * today epoll. With io_uring a wait in the kernel may end with EINTR, as by a signal, on threads
 * that turn a driven runtime, and once on a thread that has made or released a runtime.
 * Errors: HC_E_LIMIT (64 runtimes exist in this process); HC_E_UNSUPPORTED ("io_uring", and this
 * build or this kernel does not have it, or forbids it: the message tells); HC_E_IO and others of
 * the system. */
HC_API hc_status hc_runtime_create(const hc_config* config, hc_runtime** runtime, hc_error** error);
HC_API hc_status hc_runtime_retain(hc_runtime* runtime);
/* Gives a reference back. Never waits: when the last reference (those of queues and servers count)
 * of a running runtime goes, its threads are told to end and are cleaned up behind your back. NULL
 * is HC_OK. */
HC_API hc_status hc_runtime_release(hc_runtime* runtime);

/* Starts the workers; in driven mode only marks it as running. Queues, servers and listeners may be
 * made before or after. Errors: HC_E_STATE (started before, or stopped), HC_E_IO and others of the
 * system. */
HC_API hc_status hc_runtime_start(hc_runtime* runtime);

/* Driven mode: a descriptor that is readable when hc_runtime_turn has something to do, a deadline
 * included. Watch it level-triggered; never read, write or close it. Answers the descriptor (>= 0)
 * or a status: HC_E_STATE when the runtime has workers, HC_E_UNSUPPORTED where there is none. */
HC_API intptr_t hc_runtime_fd(hc_runtime* runtime);

/* Driven mode: one turn of the event loop on the calling thread, which by this becomes the
 * runtime's thread. Reads sockets, fires timers, calls inline callbacks, fills queues.
 * `timeout_ns`: how long to wait for something to do. What was sent since the last turn is written
 * first. After a turn: poll your queues, handle the events, and call hc_runtime_flush.
 * Errors: HC_E_STATE (it has workers; not started; another thread is in a turn), HC_E_DEADLOCK
 * (inside a turn), HC_E_CLOSED (stopped). */
HC_API hc_status hc_runtime_turn(hc_runtime* runtime, int64_t timeout_ns);

/* Driven mode, on the thread that turns: writes everything sent since the turn. Without it the
 * bytes leave with the next turn, for which the descriptor becomes readable. Inside a turn it does
 * nothing. Events that this makes are in the queues when it returns; the descriptor is readable
 * then, too. Errors: HC_E_STATE (it has workers; not the thread that turned last). */
HC_API hc_status hc_runtime_flush(hc_runtime* runtime);

/* Begins to end the runtime, and returns. Its servers close: exchanges that are not released get
 * their HC_EV_CLOSED; timers and jobs that have not run get their event with HC_E_CLOSED; jobs that
 * run are not waited for by this call but by the event. Then, as the last event that the runtime
 * makes by itself, HC_EV_STOPPED with `token` goes to `queue` (NULL: to nobody), and
 * hc_runtime_join succeeds. (What is asked for later, by hc_queue_wake say, is still answered.)
 * From then on every exchange's id is HC_E_GONE; what was handed out for one that nobody released
 * stays readable until the runtime's last handle is released.
 * In driven mode turns are needed to get there, and servers close once running jobs have ended;
 * then what runs on pools ends. To end politely use hc_server_drain first.
 * Errors: HC_E_STATE when it was called before; HC_E_INVALID for a queue of another runtime. */
HC_API hc_status hc_runtime_stop(hc_runtime* runtime, hc_queue* queue, uint64_t token);

/* Waits until the runtime has stopped and its threads have ended. Does not stop it.
 * Errors: HC_E_TIMEOUT; HC_E_DEADLOCK on a worker, in a job or on a pool of this runtime, and in
 * driven mode on the thread that turns while it has not stopped; HC_E_STATE when it was never
 * started and not stopped. */
HC_API hc_status hc_runtime_join(hc_runtime* runtime, int64_t timeout_ns);

/* What the runtime's servers counted, all together.
 *   format  HC_METRICS_PROMETHEUS (text exposition format 0.0.4) or HC_METRICS_JSON
 *   buf     room for `cap` bytes; may be NULL when cap is 0. Zero-terminated when there is room for
 *           that
 *   need    set to the length of the text (without a terminator); may be NULL
 * Errors: HC_E_LIMIT when `cap` is too small (nothing is written; take some more than `need`:
 * counters grow), HC_E_INVALID for an unknown format. */
HC_API hc_status hc_metrics(hc_runtime* runtime, int32_t format, char* buf, size_t cap,
                            size_t* need);
#define HC_METRICS_PROMETHEUS 1
#define HC_METRICS_JSON 2

/* ---- queue ----------------------------------------------------------------------------------- */

/* Events, gathered for a consumer: one thread (at a time), usually with an event loop of its own.
 * Workers hand over what one pass of theirs made in one go. The events of one exchange come in
 * order and to one queue; across exchanges nothing is promised.
 *
 * The room that events take is bounded: an exchange has at most one REQUEST, BODY_END, WRITABLE and
 * CLOSED outstanding, BODY only within its credit and "limits.exchange_buffer_bytes_max", SENT only
 * for sends that were accepted below the high watermark; timers and jobs are bounded by
 * "limits.operations_max"; wakes are merged.
 *
 * To sleep without losing a wake-up:
 *     for (;;) {
 *         hc_queue_poll(queue, events, cap, 0, &n);
 *         if (n > 0) { handle them; continue; }
 *         if (hc_queue_arm(queue) == HC_OK) sleep until the descriptor is readable;
 *     }
 */

/* Makes a queue.
 *   inflight_max  exchanges that were delivered to it and are not released; a request beyond goes
 *                 to another queue bound to its route, or is answered 503 with Retry-After. 0: only
 *                 the server's "limits.exchanges_max" bounds it. */
HC_API hc_status hc_queue_create(hc_runtime* runtime, uint32_t inflight_max, hc_queue** queue);
HC_API hc_status hc_queue_retain(hc_queue* queue);
/* Gives a reference back; the last one closes the queue. Requests for it, and those that wait in
 * it unpolled, are then answered 503; exchanges already polled stay yours to release. NULL is
 * HC_OK. */
HC_API hc_status hc_queue_release(hc_queue* queue);

/* A descriptor for an event loop; made at the first call, the queue's to close. Level-triggered:
 * readable from a wake-up of an armed queue until a poll has emptied it. Never read, write or close
 * it. Answers the descriptor (>= 0) or a status (HC_E_LIMIT and others of the system,
 * HC_E_UNSUPPORTED). */
HC_API intptr_t hc_queue_fd(hc_queue* queue);

/* Takes up to `cap` events into `out`, oldest first, and says in `*n` how many. Waits up to
 * `timeout_ns` for the first one. Time-outs are HC_OK with 0 events. Consumer only.
 * Errors: HC_E_DEADLOCK when it would wait on a worker, in a callback on one, or on the thread that
 * turns the queue's driven runtime; HC_E_STATE when another thread is in a poll of this queue. `*n`
 * is 0 then. */
HC_API hc_status hc_queue_poll(hc_queue* queue, hc_event* out, uint32_t cap, int64_t timeout_ns,
                               uint32_t* n);

/* Says that the consumer is about to sleep: the next event makes the descriptor readable and calls
 * the wake-up, once. Answers HC_OK; or HC_E_AGAIN when there are events already: then it is not
 * armed, and the consumer should poll. Consumer only. */
HC_API hc_status hc_queue_arm(hc_queue* queue);

/* A function to call when an event comes to the armed queue, beside the descriptor: on any thread,
 * never two calls without an arm between them; it must neither block nor call this library (set a
 * flag, wake a future, write to a pipe). `fn` NULL takes the former one away. A call of the former
 * one may still run when this returns; its `drop` tells when it is over. */
HC_API hc_status hc_queue_set_wakeup(hc_queue* queue, hc_fn fn, void* arg, hc_fn drop);

/* Any thread: puts an HC_EV_WAKE into the queue (or adds to the one that waits there), which ends a
 * poll and wakes an armed queue as every event does. */
HC_API hc_status hc_queue_wake(hc_queue* queue);

/* ---- timers and blocking work ---------------------------------------------------------------- */

/* Puts an HC_EV_TIMER with `token` into `queue` after at least `ns` nanoseconds, and at most some
 * milliseconds later. `*op` names it for hc_cancel; `op` may be NULL.
 * Errors: HC_E_LIMIT ("limits.operations_max"), HC_E_CLOSED (the runtime was stopped). */
HC_API hc_status hc_timer(hc_queue* queue, uint64_t ns, uint64_t token, hc_op* op);

/* Runs `fn(arg)` on a thread for blocking work, then puts an HC_EV_JOB with `token` into `queue`.
 * Threads start on first use, also in driven mode. `arg` stays the caller's: it is free again with
 * the event, or when hc_cancel has answered HC_OK.
 * Errors: HC_E_LIMIT ("limits.operations_max", "limits.blocking_queue_max"),
 * HC_E_CLOSED (stopped). */
HC_API hc_status hc_spawn_blocking(hc_queue* queue, hc_fn fn, void* arg, uint64_t token, hc_op* op);

/* Cancels a timer or a job that has not begun. HC_OK: it will not happen and no event will come.
 * Otherwise the event was or will be delivered: HC_E_GONE, it happened already (or there is no such
 * operation); HC_E_STATE, the job runs now. So each operation ends exactly once: by its event, or
 * by a cancel that answered HC_OK. */
HC_API hc_status hc_cancel(hc_op op);

/* ---- server ---------------------------------------------------------------------------------- */

/* Makes a server without routes and listeners; `config` NULL for defaults. */
HC_API hc_status hc_server_create(hc_runtime* runtime, const hc_config* config, hc_server** server,
                                  hc_error** error);
HC_API hc_status hc_server_retain(hc_server* server);
/* Gives a reference back; the last one closes listeners and resets what is left of the connections.
 * Does not wait. NULL is HC_OK. */
HC_API hc_status hc_server_release(hc_server* server);

/* Adds a route. Before the first hc_server_listen.
 *   method   "GET", ..., case-sensitive; NULL or "" for any method that has no route of its own.
 *            HEAD falls back to GET's route
 *   pattern  a path whose segments are literal ("/users"), a parameter ("/users/{id}": one segment,
 *            not empty) or, at the end, a rest ("/files/{path...}", may be empty); or "*": whatever
 *            matches nothing else
 *   route    your number for it, which events and heads carry; several routes may share one
 * Paths are matched as they came, without decoding or merging. What matches no route is answered
 * 404; no method of a path, 405 with Allow (RFC 9110, section 15.5.6).
 * Errors: HC_E_INVALID (not a pattern; more than 16 parameters), HC_E_STATE (there already, or
 * listening), HC_E_LIMIT ("limits.routes_max"). The error's detail is the pattern. */
HC_API hc_status hc_server_route(hc_server* server, const char* method, const char* pattern,
                                 uint32_t route, hc_error** error);

/* Delivers the requests of a route to a queue. Several queues on one route share its requests: each
 * worker has a preferred one and spills to the least loaded when that is full. Before the first
 * listen. Errors: HC_E_STATE (listening; the route is inline), HC_E_INVALID (a queue of another
 * runtime, or a second time the same). */
HC_API hc_status hc_server_bind_queue(hc_server* server, uint32_t route, hc_queue* queue);

/* How a route is handled by a function. It grows; set `size` to sizeof(hc_inline). */
typedef struct hc_inline {
    uint32_t size;
    /* Called with each event of an exchange, one at a time for one exchange, concurrently for those
     * of different workers, and on a pool for any. The event is valid during the call. On a worker
     * it should be quick: nothing else happens there meanwhile. It may call anything on this and
     * other exchanges, hc_release included. Events: REQUEST, BODY, BODY_END, WRITABLE, SENT,
     * CLOSED. */
    void (*on_event)(void* arg, const hc_event* event);
    void* arg;
    hc_fn drop;     /* once the server and its last exchange are gone */
    uint32_t flags; /* HC_INLINE_* */
} hc_inline;

#define HC_INLINE_BLOCKING 0x1u /* it may block: "server.execution" hybrid runs it on the pool */

/* Handles the requests of a route by a function. Where it runs is "server.execution":
 *   inline  on the worker that serves the connection. The default.
 *   pool    on one of "server.pool_threads" threads of the server's own, and so all its functions.
 *   hybrid  on the pool when `flags` has HC_INLINE_BLOCKING, else on the worker.
 * On a pool the function may block, and wait in hc_queue_poll; reading and writing go on meanwhile,
 * and a request comes to the pool only when its head is complete. What differs from a worker:
 *   - Calls are those of any other thread: checked, copied and handed to the worker.
 *   - The head stays as with a queue: until the exchange is released.
 *   - Body bytes are valid during the call and count as consumed when it returns, as on a worker.
 *   - "server.pool_queue_max" requests wait for a thread; one more is answered 503 with
 *     Retry-After, at once, while those before it are finished. One whose client leaves before a
 *     thread begins with it is dropped, and never seen.
 *   - hc_runtime_stop answers 503, or resets, what no thread has begun with. HC_EV_STOPPED comes
 *     when every call has returned. hc_server_drain lets all of it finish.
 * The pool's threads start when they are first needed. When more than 80% of them are busy, a
 * warning is logged (component "pool"; at most one in 10 s); hc_metrics counts them.
 * Before the first listen. Errors: HC_E_STATE (listening; the route is bound already), HC_E_INVALID
 * (`size`, `on_event`, `flags`). */
HC_API hc_status hc_server_bind_inline(hc_server* server, uint32_t route, const hc_inline* handler);

/* Binds and listens as "listen.*" of `config` says: "listen.address" ("127.0.0.1:8080", "[::]:0",
 * "unix:/run/x.sock") or "listen.fd". Connections are accepted as soon as the runtime runs. May be
 * called several times; listeners are numbered from 0 in the order of the calls that succeeded.
 * Every route must be bound. Errors: HC_E_ADDRESS_IN_USE, HC_E_PERMISSION, HC_E_INVALID (an address
 * that is none), HC_E_STATE (a route without binding; draining; the runtime has stopped), others of
 * the system. The error's detail is the address. */
HC_API hc_status hc_server_listen(hc_server* server, const hc_config* config, hc_error** error);

/* New certificates, and whatever else "tls.*" says, for the connections to come of a listener that
 * has TLS; those there are go on as they began. Files are read anew. Sessions may be taken up over
 * it, unless "tls.ticket_secrets" changed or another thing is asked of clients' certificates.
 * Errors: HC_E_NOT_FOUND (no such listener with TLS, or a file that does not exist), HC_E_INVALID
 * (settings that cannot be used, no certificate among them); the listener goes on as before. */
HC_API hc_status hc_server_reload_tls(hc_server* server, uint32_t listener, const hc_config* config,
                                      hc_error** error);

/* Before hc_server_listen: clients of listeners with "tls.ask" that ask for a host (by SNI) for
 * which the listener has no certificate, or that offer "acme-tls/1", wait while `queue` gets an
 * HC_EV_CERT_NEEDED. The name it shows is valid until it is answered. The handshake ends when
 * "limits.tls_handshake_timeout_ms" is over or the client leaves; hc_tls_answer then gives
 * HC_E_GONE.
 * Errors: HC_E_INVALID (a queue of another runtime), HC_E_STATE (the server listens already). */
HC_API hc_status hc_server_bind_certificates(hc_server* server, hc_queue* queue);

/* Any thread: a certificate with its chain, and its private key (each PEM, or one certificate in
 * DER), for the handshake that waits; both NULL refuse it, as hc_cancel does. It is for this
 * handshake only: for the next ones see hc_server_reload_tls. With HC_EVF_ACME it is the one that
 * RFC 8737 asks for; "acme-tls/1" is then agreed upon, and the handshake all of the connection.
 * Errors: HC_E_GONE (answered before, or the handshake has ended), HC_E_INVALID (they cannot be
 * read or do not fit; the handshake still waits). */
HC_API hc_status hc_tls_answer(hc_op op, const char* certificate, size_t certificate_n,
                               const char* key, size_t key_n, hc_error** error);

/* Where a listener listens ("127.0.0.1:49152": what port 0 became). buf, cap, need: as hc_metrics.
 * Errors: HC_E_LIMIT (cap too small), HC_E_NOT_FOUND (no such listener). */
HC_API hc_status hc_server_address(hc_server* server, uint32_t listener, char* buf, size_t cap,
                                   size_t* need);

/* Ends politely: stops accepting, lets exchanges finish ("Connection: close" on their answers),
 * closes idle connections at once; after `soft_ns` closes those that only stream; after `hard_ns`
 * resets the rest. Then puts an HC_EV_DRAINED with `token` into `queue` (NULL: no event); its data
 * says how many connections were reset. Returns at once. A second call may shorten the deadlines
 * and gets its own event. Errors: HC_E_INVALID (a queue of another runtime; soft_ns > hard_ns). */
HC_API hc_status hc_server_drain(hc_server* server, hc_queue* queue, uint64_t soft_ns,
                                 uint64_t hard_ns, uint64_t token);

/* ---- the life of an exchange
 *
 *   request side   open ---- BODY_END ----> ended
 *   answer side    none --- interim* --- hc_respond ---> open --- HC_FIN, hc_finish ---> finished
 *                                   `-- hc_upgrade ----> tunnel: raw bytes both ways
 *   whole          live --- both sides done ---------> closed (HC_OK)  --- hc_release ---> gone
 *                       `-- reset, abort, timeout ---> closed (why)    --- hc_release ---> gone
 *
 * Every exchange is released exactly once, by hc_release or by HC_RELEASE with the last send. Until
 * then it counts against the limits of its connection, its queue and its server, even when its peer
 * is long gone.
 *
 * Three ledgers, kept apart:
 *   credit      hc_recv(n) is cumulative permission to deliver n more body bytes. At first there is
 *               none.
 *   held        bytes delivered to a queue are held until hc_consume(n) or the release; when held
 *               and undelivered bytes reach "limits.exchange_buffer_bytes_max" the peer is read no
 *               further. Given to a function, the bytes of an event count as consumed when it
 *               returns.
 *   connection  bytes buffered for all exchanges of a connection; bounded by the library.
 *
 * With "decompression.enable" a body that was sent with Content-Encoding comes decoded, and the
 * head has neither that field nor Content-Length. One that is malformed, or that grows beyond
 * "limits.decoded_body_bytes_max" or "limits.decoded_ratio_max", ends the exchange (HC_E_PROTOCOL,
 * HC_E_LIMIT) with a 400 or a 413, or a reset once an answer was begun.
 *
 * Every function below may answer HC_E_GONE (no such exchange), HC_E_CLOSED (it has ended; only
 * hc_release, hc_head_get and hc_trailers_get work still), HC_E_STATE (not legal in this state).
 */

/* The head of the request. `*head` and all it points to are valid
 *   queue, pool: until the exchange is released;
 *   inline:  inside the callback of HC_EV_REQUEST until it returns; asked for outside of it, until
 *            the exchange is released. (The head moves when that callback returns: ask again.)
 * The first call for an exchange makes the table, later ones give the same pointer.
 * Errors: HC_E_AGAIN on another thread while the inline callback of HC_EV_REQUEST still runs. (When
 * another thread is the first to ask for the head of an inline exchange, `peer` and `local` are
 * empty.) */
HC_API hc_status hc_head_get(hc_exchange exchange, const hc_head** head);

/* A certificate that the client showed, in DER: 0 is its own, the others, up to
 * hc_head.ntls_chain, lead to a root. They were verified ("tls.client_root_files"). Of a client
 * whose session was taken up there is only its own. Valid until the exchange is released.
 * Errors: HC_E_NOT_FOUND, there is none (or another thread than the worker is the first to ask for
 * anything of an inline exchange). */
HC_API hc_status hc_tls_chain_get(hc_exchange exchange, uint32_t index, const void** der,
                                  size_t* n);

/* The trailer fields of the request's body (RFC 9110, section 6.5), those that may not stand there
 * left out; with Content-Length or Transfer-Encoding among them the request is refused. `*n` is 0
 * when there were none. Valid until the exchange is released. Before HC_EV_BODY_END there are
 * none. */
HC_API hc_status hc_trailers_get(hc_exchange exchange, const hc_header** trailers, size_t* n);

/* Permits `credit` more bytes of body. For all of it: UINT64_MAX (the sum saturates). A body
 * without end of credit still waits for hc_consume, which bounds it. With the first credit
 * "Expect: 100-continue" is answered (RFC 9110, section 10.1.1). */
HC_API hc_status hc_recv(hc_exchange exchange, uint64_t credit);

/* Gives back `bytes` of delivered body, oldest first: their memory must not be read any more, and
 * more is read from the peer. For a function's exchange it does nothing: bytes are consumed by the
 * call that gets them; copy what is wanted longer. HC_E_INVALID for more than is held. */
HC_API hc_status hc_consume(hc_exchange exchange, uint64_t bytes);

/* Flags of hc_respond, hc_send, hc_send_file and hc_send_sse. */
#define HC_FIN 0x1u     /* the answer ends with these bytes */
#define HC_INTERIM 0x2u /* hc_respond: a 1xx that comes before the answer */
#define HC_RELEASE                                                                                 \
    0x4u               /* with HC_FIN: releases the exchange when the call succeeds, as hc_release
                           does; no HC_EV_CLOSED comes */
#define HC_NOCOPY 0x8u /* the bytes are not copied: see hc_send */

/* Sends the head of the answer, and body bytes behind it.
 *   status   200 to 599; with HC_INTERIM 100 to 199, but 101 (hc_upgrade)
 *   headers  nheaders fields. The connection's own (Connection, Keep-Alive, Transfer-Encoding,
 *            Upgrade, ...) are left out, but Connection: close is obeyed. Date and Server are added
 *            unless given. Content-Length is made when the body is complete (HC_FIN), else obeyed
 *            when given; without one the body is chunked (HTTP/1.0: ends with the connection). RFC
 *            9112, section 6.
 *            With "compression.enable" an answer may go coded (RFC 9110, section 8.4), as the
 *            request accepts it: fields and length are then those of the coded body. Never one
 *            with Content-Encoding or Cache-Control: no-transform. docs/content-coding.md has the
 *            rules, and says where compression gives secrets away.
 *   body, n  all of the body with HC_FIN, else its beginning (n may be 0). Taken in any case: a
 *            response is never refused with HC_E_AGAIN. For HEAD, 204 and 304 it is counted, not
 *            sent.
 *   flags    HC_FIN, HC_RELEASE, HC_NOCOPY; or HC_INTERIM alone, without a body
 *   token    comes back in HC_EV_SENT with HC_NOCOPY; else unused
 * Errors: HC_E_INVALID (status, a field's name or value, with HC_FIN a Content-Length that
 * contradicts n, flags), HC_E_LIMIT (without HC_FIN: more bytes than Content-Length announces),
 * HC_E_STATE (answered already). An interim answer to HTTP/1.0, which knows none, is not sent, and
 * that is HC_OK. */
HC_API hc_status hc_respond(hc_exchange exchange, int32_t status, const hc_header* headers,
                            size_t nheaders, const void* body, size_t n, uint32_t flags,
                            uint64_t token);

/* Sends body bytes (behind hc_respond without HC_FIN), or raw bytes of a tunnel. All or nothing:
 * while fewer than "limits.write_high_watermark_bytes" wait to be written the bytes are taken
 * whole; otherwise nothing is taken, the answer is HC_E_AGAIN, and exactly one HC_EV_WRITABLE comes
 * when no more than "limits.write_low_watermark_bytes" wait. While all exchanges of an HTTP/2
 * connection together have "limits.h2_connection_output_bytes_max" waiting, one that has any is
 * refused, too.
 *   flags  HC_FIN, HC_RELEASE;
 *          HC_NOCOPY: the bytes stay in your memory and must not change until exactly one
 *          HC_EV_SENT with `token` gives them back (to the queue of the exchange or its inline
 *          callback). Only when the call answers HC_OK; otherwise they were never taken. Worth it
 *          from some KiB.
 * Errors: HC_E_AGAIN; HC_E_LIMIT (more than the announced Content-Length); HC_E_STATE (before
 * hc_respond, after the end); HC_E_INVALID (flags). */
HC_API hc_status hc_send(hc_exchange exchange, const void* bytes, size_t n, uint32_t flags,
                         uint64_t token);

/* Sends `length` bytes of a file from `offset`, as body bytes. The descriptor must stay open, and
 * is not moved, until HC_EV_SENT with `token` gives it back. When the file turns out to be shorter,
 * the exchange is reset (HC_EV_CLOSED: HC_E_IO). The range waits for the watermark as bytes do, but
 * counts for no more than 1 KiB of it, however long it is.
 * Errors: as hc_send; HC_E_INVALID for fd < 0 and for HC_NOCOPY. */
HC_API hc_status hc_send_file(hc_exchange exchange, intptr_t fd, uint64_t offset, uint64_t length,
                              uint32_t flags, uint64_t token);

/* Formats one server-sent event (HTML Living Standard, section 9.2) and sends it as hc_send does.
 * When nothing was answered yet it answers 200 first, with Content-Type: text/event-stream,
 * Cache-Control: no-store and X-Accel-Buffering: no; hc_respond may do so with other fields. From
 * the first event on, comments are sent while there are no events ("limits.sse_heartbeat_ms").
 *   event, id  zero-terminated, or NULL to leave the line out; without CR or LF, id without NUL
 *   data, n    its line breaks (LF, CRLF, CR) begin new data lines; NULL with n 0 for no data line
 *              at all
 *   retry_ms   reconnection time; < 0 to leave the line out
 *   flags      HC_FIN, HC_RELEASE
 * Errors: as hc_send; HC_E_INVALID for a line break in event or id. The token is unused. */
HC_API hc_status hc_send_sse(hc_exchange exchange, const char* event, const char* id,
                             const char* data, size_t n, int32_t retry_ms, uint32_t flags,
                             uint64_t token);

/* Accepts an Upgrade (status 101) or a CONNECT (2xx): from here on hc_send sends raw bytes and
 * HC_EV_BODY, within hc_recv, brings them; HC_EV_BODY_END is the peer's end, hc_finish ours. For
 * 101, Upgrade and Connection are written by the library with the protocol the request named (RFC
 * 9110, section 7.8). HTTP/2 has no 101: an extended CONNECT (RFC 8441), whose hc_head.protocol
 * says for what, is accepted with 2xx. It comes by the route that GET has for its path. Errors:
 * HC_E_INVALID (status, fields), HC_E_STATE (the request asks for none; answered already). */
HC_API hc_status hc_upgrade(hc_exchange exchange, int32_t status, const hc_header* headers,
                            size_t nheaders);

/* Promises the client the answer to a request that it has not made, a part of the page it is given,
 * say (server push; RFC 9113, section 8.4). The request has scheme and authority of the exchange's
 * own and comes as an exchange of its own (HC_HEADF_PUSHED), unless the client leaves before; the
 * client may reset it. Call it before what refers to the path is sent.
 *   method   HC_METHOD_GET or HC_METHOD_HEAD
 *   path, n  with its query: "/style.css?v=2"
 *   headers  nheaders fields of the request, none of the connection's or of a body's, not Host
 * Errors: HC_E_INVALID (method, path, a field), and others that no answer depends on:
 * HC_E_UNSUPPORTED (not HTTP/2, or the client wants none, as most do), HC_E_STATE (the answer has
 * ended, the exchange is a tunnel or pushed itself, the connection is about to end), HC_E_LIMIT
 * ("limits.h2_pushes_max", fewer that the client allows, or a request too long). What only the
 * worker can find out is not told on other threads: HC_OK, and nothing is promised. */
HC_API hc_status hc_push(hc_exchange exchange, int32_t method, const char* path, size_t n,
                         const hc_header* headers, size_t nheaders);

/* ---- WebSocket (RFC 6455; RFC 7692)
 *
 * A request for one comes like any other, and is opened by hc_ws_accept. From there on
 *   - messages come whole, as HC_EV_WS_MESSAGE. hc_recv permits bytes of messages: one is delivered
 *     while any credit is left, though it be larger; what it takes beyond is missing later. Given
 *     to a queue, messages are held until hc_consume(n) gives their bytes back, with 0 for an empty
 *     one; as with a body, no more are read when too much is held. A message is no larger than
 *     "limits.ws_message_bytes_max", else the peer is closed with 1009.
 *   - hc_ws_send and hc_ws_close are what sends; HC_EV_WRITABLE and HC_EV_SENT mean what they mean
 *     for hc_send, which answers HC_E_STATE here, as hc_send_file, hc_send_sse, hc_finish do.
 *   - pings are answered, silent peers are pinged and given up ("limits.ws_ping_interval_ms",
 *     "limits.ws_pong_timeout_ms"), a peer that breaks the rules is told which by its close code,
 *     and messages are compressed when both want it ("ws.deflate"), all without the program.
 *   - it ends by HC_EV_WS_CLOSED, then by HC_EV_CLOSED: HC_OK when both ends sent their Close,
 *     HC_E_RESET, HC_E_TIMEOUT, HC_E_PROTOCOL, HC_E_CLOSED when not. hc_release ends it with 1001.
 */

/* hc_ws_send's opcode and HC_EV_WS_MESSAGE's aux[0]. */
#define HC_WS_TEXT 1
#define HC_WS_BINARY 2
#define HC_WS_PING 9

/* Answers a request for a WebSocket: it becomes one.
 *   subprotocol  zero-terminated, one of those that the request offers (Sec-WebSocket-Protocol);
 *                NULL or "" for none
 *   headers      nheaders more fields of the answer, none of them Sec-WebSocket-*
 * Errors, of which hc_ws_refuse makes the right answer: HC_E_UNSUPPORTED (it asks for none, or for
 * another version than 13, or this build has none), HC_E_PROTOCOL (it asks against the rules),
 * HC_E_PERMISSION (its Origin is not one of "ws.origins"). Others: HC_E_INVALID (the subprotocol
 * was not offered; a field), HC_E_STATE (answered already), HC_E_AGAIN (as hc_head_get). */
HC_API hc_status hc_ws_accept(hc_exchange exchange, const char* subprotocol,
                              const hc_header* headers, size_t nheaders);

/* Answers a request that hc_ws_accept did not take, for the reason `why` that it gave: 426 (with
 * Sec-WebSocket-Version), 400 or 403; for any other, 400. The answer ends with it.
 *   flags  HC_RELEASE: releases the exchange when the call succeeds
 * Errors: as hc_respond. */
HC_API hc_status hc_ws_refuse(hc_exchange exchange, hc_status why, uint32_t flags);

/* Sends a message, or a ping of at most 125 bytes. Text has to be UTF-8, which is not checked. All
 * or nothing, as hc_send.
 *   flags  HC_NOCOPY, as hc_send
 * Errors: HC_E_AGAIN; HC_E_CLOSED (a Close was sent or received); HC_E_STATE (not a WebSocket);
 * HC_E_INVALID (opcode, flags, a long ping). */
HC_API hc_status hc_ws_send(hc_exchange exchange, int32_t opcode, const void* bytes, size_t n,
                            uint32_t flags, uint64_t token);

/* Sends a Close, behind what was sent before it. Messages come until the peer's Close, for which
 * "limits.ws_close_timeout_ms" are allowed; those without credit are dropped.
 *   code       1000 to 1003, 1007 to 1014, 3000 to 4999 (RFC 6455, section 7.4); or 0: none
 *   reason, n  UTF-8, at most 123 bytes, and none without a code
 * Errors: HC_E_INVALID; HC_E_CLOSED (a Close was sent or received); HC_E_STATE (not a
 * WebSocket). */
HC_API hc_status hc_ws_close(hc_exchange exchange, uint16_t code, const char* reason, size_t n);

/* ---- topics: one message for many
 *
 * WebSockets and event streams subscribe to topics by name; what is published goes to all who are
 * there, on all workers. It is encoded, and compressed, once. Each subscriber gets the messages of
 * a topic in the order in which they were published. To one that does not read
 * ("limits.write_high_watermark_bytes" wait) they are not sent, and counted in hc_metrics; with
 * "topics.slow" = close it is let go. Subscriptions end with their exchange. To an event stream a
 * message is an event that has only data. With "sse.replay_events" a topic keeps its last
 * messages and numbers them, as ids of events: an event stream whose request has a Last-Event-ID
 * gets what came behind it first, or all that is left when that is forgotten.
 */

/* Subscribes a WebSocket, or an answer that has begun and becomes an event stream by it. Twice is
 * as once. Errors: HC_E_INVALID (an empty or long name), HC_E_STATE (not answered), HC_E_CLOSED,
 * HC_E_LIMIT ("limits.topics_max", "limits.topic_subscriptions_max"), HC_E_UNSUPPORTED. */
HC_API hc_status hc_topic_subscribe(hc_exchange exchange, const char* topic, size_t n);
/* Errors: HC_E_NOT_FOUND (not subscribed; on another thread that is HC_OK). */
HC_API hc_status hc_topic_unsubscribe(hc_exchange exchange, const char* topic, size_t n);

/* Publishes `size` bytes (copied) on a topic, on any thread. Returns at once; nobody may be there.
 *   opcode  HC_WS_TEXT (UTF-8), or HC_WS_BINARY, which event streams do not get
 *   flags   0
 * Errors: HC_E_INVALID (name, opcode, flags), HC_E_LIMIT ("limits.topics_max"), HC_E_AGAIN (too
 * much waits for the workers, see "limits.topic_waiting_bytes_max"). */
HC_API hc_status hc_topic_publish(hc_server* server, const char* topic, size_t n, int32_t opcode,
                                  const void* bytes, size_t size, uint32_t flags);

/* Ends the answer, with trailer fields when it is chunked (RFC 9110, section 6.5; else they are
 * dropped). Errors: HC_E_STATE (before hc_respond; ended already; fewer bytes than announced were
 * sent: the exchange is reset); HC_E_INVALID (a field). */
HC_API hc_status hc_finish(hc_exchange exchange, const hc_header* trailers, size_t ntrailers);

/* Ends the exchange without order: on HTTP/1.1 the connection is reset, on HTTP/2 the stream alone,
 * with `code` as its error code (RFC 9113, section 7); 0 stands for CANCEL there. HC_EV_CLOSED with
 * HC_E_CANCELLED follows. */
HC_API hc_status hc_abort(hc_exchange exchange, uint64_t code);

/* Gives the exchange up. The id is HC_E_GONE from here on, and what was handed out for it must not
 * be read any more. A request that was not answered is answered 500; an answer that has not ended
 * is aborted; one that has is sent to its end.
 * Events made before may still be in the queue: know them by their id and let them be (SENT is true
 * still). */
HC_API hc_status hc_release(hc_exchange exchange);

#ifdef __cplusplus
}
#endif

#endif /* HTTPCORE_HTTPCORE_H */
