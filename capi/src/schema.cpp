#include "capi/src/schema.hpp"

#include <algorithm>
#include <array>
#include <numeric>

#include "core/base/ascii.hpp"

namespace hc::capi {

namespace {

constexpr std::int64_t any32 = UINT32_MAX;
constexpr std::int64_t any64 = INT64_MAX;
constexpr std::int64_t day_ms = 86'400'000;

constexpr std::array<std::string_view, 5> level_names{"debug", "info", "warning", "error", "off"};
constexpr std::array<std::string_view, 3> backend_names{"auto", "epoll", "io_uring"};
constexpr std::array<std::string_view, 3> execution_names{"inline", "pool", "hybrid"};
constexpr std::array<std::string_view, 2> slow_names{"drop", "close"};
constexpr std::array<std::string_view, 2> version_names{"1.2", "1.3"};
constexpr std::array<std::string_view, 3> ask_names{"none", "optional", "required"};

template <class E>
Choice choice(std::span<const std::string_view> names, E& place) {
    return {names, &place,
            [](const void* at) { return static_cast<std::size_t>(*static_cast<const E*>(at)); },
            [](void* at, std::size_t index) { *static_cast<E*>(at) = static_cast<E>(index); }};
}

#define HC_PLACE(member) [](Settings& s) -> Place { return &s.member; }
#define HC_CHOICE(names, member) [](Settings& s) -> Place { return choice(names, s.member); }
#define HC_LINES(member) [](Settings& s) -> Place { return Lines{&s.member}; }
#define HC_CONNECTION(name) "limits." #name
// The only macros of this file: a key and the member of the same name must not drift apart.
#define HC_LIMIT(group, reads, name, unit, min, max, help)                                         \
    Option { "limits." #name, unit, reads, min, max, HC_PLACE(group.name), help }

constexpr std::array table{
    Option{"runtime.workers", "count", "runtime", 0, RuntimeLimits::workers_max,
           HC_PLACE(runtime.workers),
           "Threads that serve connections; 0: none, the program drives the runtime itself"},
    Option{"runtime.thread_name", "", "runtime", 0, 0, HC_PLACE(runtime.thread_name),
           "Workers are named by it and their number; the system may cut it"},
    Option{"runtime.io", "", "runtime", 0, 0, HC_CHOICE(backend_names, runtime.io),
           "What tells of readiness; auto: epoll; io_uring needs Linux 5.17 and its permission"},
    Option{"runtime.blocking_threads_max", "count", "runtime", 1, 4'096,
           HC_PLACE(runtime.limits.blocking_threads_max),
           "Threads for blocking jobs; they start on first use"},

    Option{"server.name", "", "server", 0, 0, HC_PLACE(server.server_name),
           "The Server field of every answer; empty: none is sent"},
    Option{"server.date", "", "server", 0, 0, HC_PLACE(server.date), "Send the Date field"},
    Option{"server.access_log", "", "server", 0, 0, HC_PLACE(server.access_log),
           "Log one line for each exchange, component \"access\", level info"},
    Option{"server.execution", "", "server", 0, 0, HC_CHOICE(execution_names, server.execution),
           "Where functions bound inline run: on the workers, on the threads of a pool, or on the "
           "workers but for those that are marked as blocking"},
    Option{"server.pool_threads", "count", "server", 1, 4'096, HC_PLACE(server.pool_threads),
           "Threads of the pool of \"server.execution\"; they start when they are first needed"},
    Option{"server.pool_queue_max", "count", "server", 0, any32, HC_PLACE(server.pool_queue_max),
           "Requests that wait for a thread of the pool; beyond: 503"},
    Option{"h1.half_close_is_gone", "", "server", 0, 0, HC_PLACE(server.half_close_is_gone),
           "HTTP/1: a client that ends its side behind a complete request counts as gone"},

    Option{"h2.enable", "", "server", 0, 0, HC_PLACE(server.h2),
           "HTTP/2 to clients that want it: by ALPN, in clear text by its preface"},
    Option{"ws.origins", "", "server", 0, 0, HC_PLACE(server.websocket.origins),
           "Pages that may open a WebSocket (\"https://example.com\", \"same\"); empty: all"},
    Option{"ws.deflate", "", "server", 0, 0, HC_PLACE(server.websocket.deflate.enabled),
           "WebSocket: compress messages (permessage-deflate) for those who offer it"},
    Option{"ws.deflate_context_takeover", "", "server", 0, 0,
           HC_PLACE(server.websocket.deflate.context_takeover),
           "WebSocket: compression goes on from message to message, at the price of memory"},
    Option{"ws.deflate_window_bits", "", "server", 9, 15,
           HC_PLACE(server.websocket.deflate.window_bits),
           "WebSocket: the window of compression is 2 to the power of this, in bytes"},
    Option{"ws.deflate_mem_level", "", "server", 1, 9, HC_PLACE(server.websocket.deflate.mem_level),
           "WebSocket: compressing takes 2 to the power of this plus 9 bytes beside the window"},
    Option{"ws.deflate_level", "", "server", 1, 9, HC_PLACE(server.websocket.deflate.level),
           "WebSocket: compression from 1, fast, to 9, small"},
    Option{"ws.deflate_bytes_min", "bytes", "server", 0, any32,
           HC_PLACE(server.websocket.deflate.bytes_min),
           "WebSocket: shorter messages are not compressed"},

    Option{"sse.replay_events", "count", "server", 0, any32, HC_PLACE(server.topics.log.events_max),
           "Messages that a topic keeps for event streams that come back; 0: none"},
    Option{"sse.replay_bytes", "bytes", "server", 0, any64, HC_PLACE(server.topics.log.bytes_max),
           "Their bytes, for each topic; beyond: the oldest are forgotten"},
    Option{"topics.slow", "", "server", 0, 0, HC_CHOICE(slow_names, server.topics.slow),
           "A subscriber that does not read: its messages are dropped, or it is closed"},

    Option{"listen.address", "", "listener", 0, 0, HC_PLACE(listen.address),
           "\"127.0.0.1:8080\", \"[::]:0\" or \"unix:/run/x.sock\""},
    Option{"listen.fd", "", "listener", -1, INT32_MAX, HC_PLACE(listen.inherited),
           "A listening descriptor made elsewhere, instead of an address; it stays open; -1: none"},
    Option{"listen.only_v6", "", "listener", 0, 0, HC_PLACE(listen.only_v6),
           "A listener on an IPv6 address takes no IPv4 connections"},
    Option{"listen.unix_mode", "", "listener", 0, 07777,
           [](Settings& s) -> Place { return Mode{&s.listen.unix_mode}; },
           "Permissions of a Unix socket's file; 0: the umask's"},
    Option{"listen.proxy_from", "", "listener", 0, 0, HC_PLACE(listen.proxy_from),
           "Peers (\"10.0.0.0/8\", \"unix\") that begin with a PROXY protocol header, v1 or v2"},

    Option{"tls.certificate_files", "", "listener", 0, 0, HC_PLACE(tls.certificate_files),
           "Certificates, each with its chain, in PEM, or without in DER; a client gets the first "
           "that is for the name it asks for, else the first. With one, connections are encrypted"},
    Option{"tls.key_files", "", "listener", 0, 0, HC_PLACE(tls.key_files),
           "The private keys of \"tls.certificate_files\", in the same order, in PEM or DER"},
    Option{"tls.certificate", "", "listener", 0, 0, HC_LINES(tls.certificate),
           "A certificate with its chain, in PEM, in the place of a file"},
    Option{"tls.key", "", "listener", 0, 0, HC_LINES(tls.key),
           "The private key of \"tls.certificate\", in PEM"},
    Option{"tls.self_signed", "", "listener", 0, 0, HC_PLACE(tls.self_signed),
           "For development: a certificate for these hosts is made, which nobody else trusts"},
    Option{"tls.ask", "", "listener", 0, 0, HC_PLACE(tls.ask),
           "A client that asks for a host for which there is no certificate here waits for "
           "HC_EV_CERT_NEEDED to be answered, up to \"limits.tls_handshake_timeout_ms\""},
    Option{"tls.client_certificates", "", "listener", 0, 0,
           HC_CHOICE(ask_names, tls.client_certificates),
           "Whether clients are asked for certificates; one that is shown must be trusted"},
    Option{"tls.client_root_files", "", "listener", 0, 0, HC_PLACE(tls.client_root_files),
           "Whose issues are trusted as certificates of clients, in PEM"},
    Option{"tls.ticket_secrets", "", "listener", 0, 0, HC_PLACE(tls.ticket_secrets),
           "What the keys of session tickets are made from, 64 hexadecimal digits each; the first "
           "encrypts, all decrypt. The same in all processes of a service; none: a random one"},
    Option{"tls.ticket_lifetime_s", "s", "listener", 1, 604'800, HC_PLACE(tls.ticket_lifetime_s),
           "For how long a session may be taken up; new keys are made as often"},
    Option{"tls.tickets_sent", "count", "listener", 0, 8, HC_PLACE(tls.tickets_sent),
           "Session tickets that a client gets in a handshake; 0: none, sessions are not taken up"},
    Option{"tls.key_log_file", "", "listener", 0, 0, HC_PLACE(tls.key_log_file),
           "For debugging: the secrets of connections are appended to this file, as Wireshark "
           "reads them; who can read it can read the connections. The environment's "
           "SSLKEYLOGFILE is not looked at"},
    Option{"tls.oldest_version", "", "listener", 0, 0, HC_CHOICE(version_names, tls.common.oldest),
           "The oldest version of TLS that is spoken"},
    Option{"tls.newest_version", "", "listener", 0, 0, HC_CHOICE(version_names, tls.common.newest),
           "The newest version of TLS that is spoken"},
    Option{"tls.ciphers", "", "listener", 0, 0, HC_PLACE(tls.common.ciphers),
           "Ciphers of TLS 1.2, as OpenSSL writes them"},
    Option{"tls.cipher_suites", "", "listener", 0, 0, HC_PLACE(tls.common.cipher_suites),
           "Cipher suites of TLS 1.3, as OpenSSL writes them"},
    Option{"tls.groups", "", "listener", 0, 0, HC_PLACE(tls.common.groups),
           "Key agreements, the preferred first, as OpenSSL writes them"},

    Option{"compression.enable", "", "server", 0, 0, HC_PLACE(coding.compress),
           "Answers are coded as clients accept it; read docs/content-coding.md on secrets first"},
    Option{"compression.codings", "", "server", 0, 0, HC_PLACE(coding.codings),
           "Codings of answers (\"zstd\", \"br\", \"gzip\"), the preferred first"},
    Option{"compression.types", "", "server", 0, 0, HC_PLACE(coding.types),
           "Media types that are coded: \"text/html\", \"text/*\", \"+json\", \"*/*\""},
    Option{"compression.min_bytes", "bytes", "server", 0, any64, HC_PLACE(coding.min_bytes),
           "Answers known to be smaller go as they are"},
    Option{"compression.gzip_level", "", "server", 1, 9, HC_PLACE(coding.encoder.gzip_level),
           "How much work gzip takes to be smaller"},
    Option{"compression.brotli_level", "", "server", 0, 11, HC_PLACE(coding.encoder.brotli_level),
           "How much work br takes to be smaller; more than 5 is for what is kept"},
    Option{"compression.zstd_level", "", "server", 1, 19, HC_PLACE(coding.encoder.zstd_level),
           "How much work zstd takes to be smaller; more than 8 is for what is kept"},
    Option{"compression.gzip_window_bits", "", "server", 9, 15,
           HC_PLACE(coding.encoder.gzip_window_bits),
           "How far back gzip finds repetitions, as a power of two: most of its memory"},
    Option{"compression.brotli_window_bits", "", "server", 10, 24,
           HC_PLACE(coding.encoder.brotli_window_bits), "The same of br"},
    Option{"compression.zstd_window_bits", "", "server", 10, 23,
           HC_PLACE(coding.encoder.zstd_window_bits), "The same of zstd"},
    Option{"decompression.enable", "", "server", 0, 0, HC_PLACE(coding.decompress),
           "Request bodies are decoded; an unknown Content-Encoding is 415"},

    Option{"limits.topics_max", "count", "server", 1, any32, HC_PLACE(server.topics.topics_max),
           "Topics of one server; beyond: HC_E_LIMIT"},
    Option{"limits.topic_subscriptions_max", "count", "server", 1, any32,
           HC_PLACE(server.topics.subscriptions_max),
           "Topics that one exchange has subscribed to; beyond: HC_E_LIMIT"},
    Option{"limits.topic_waiting_bytes_max", "bytes", "server", 0, any64,
           HC_PLACE(server.topics.waiting_bytes_max),
           "What was published on topics and waits for a worker; beyond: HC_E_AGAIN"},
    Option{"limits.topic_name_bytes_max", "bytes", "server", 1, 65'536,
           HC_PLACE(server.topics.name_bytes_max), "The name of a topic; beyond: HC_E_INVALID"},

    Option{"log.level", "", "log", 0, 0, HC_CHOICE(level_names, log_level),
           "The least level that is logged"},

    HC_LIMIT(server.connection, "server", header_bytes_max, "bytes", 256, 16 << 20,
             "Request line and header fields of one request; beyond: 431"),
    HC_LIMIT(server.connection, "server", header_count_max, "count", 1, 65'535,
             "Fields in one head or trailer section; beyond: 431"),
    HC_LIMIT(server.connection, "server", target_bytes_max, "bytes", 16, 16 << 20,
             "The request target; beyond: 414"),
    HC_LIMIT(server.connection, "server", body_bytes_max, "bytes", 0, any64,
             "A request's body; beyond: 413; 0: no limit"),
    HC_LIMIT(server.connection, "server", trailer_bytes_max, "bytes", 0, 16 << 20,
             "The trailer section of one body; beyond: 431"),
    HC_LIMIT(server.connection, "server", chunk_extension_bytes_max, "bytes", 0, 16 << 20,
             "Chunk extensions of one body; beyond: 400"),
    HC_LIMIT(server.connection, "server", exchange_buffer_bytes_max, "bytes", 4'096, 1 << 30,
             "Body bytes buffered for a handler; beyond: reading from the peer stops"),
    HC_LIMIT(server.connection, "server", discard_bytes_max, "bytes", 0, 1 << 30,
             "Body bytes thrown away behind an early answer; beyond: the connection closes"),
    HC_LIMIT(server.connection, "server", decoded_body_bytes_max, "bytes", 0, any64,
             "What a request's body is decoded to; beyond: 413; 0: no limit"),
    HC_LIMIT(server.connection, "server", decoded_ratio_max, "count", 0, any32,
             "Decoded bytes for each that came; beyond: 413; 0: no limit"),
    HC_LIMIT(server.connection, "server", decoded_ratio_from_bytes, "bytes", 0, any64,
             "Decoded bytes of a body before that ratio counts"),
    HC_LIMIT(server.connection, "server", write_high_watermark_bytes, "bytes", 1, 1 << 30,
             "Waiting output at which a send is refused until it has drained"),
    HC_LIMIT(server.connection, "server", write_low_watermark_bytes, "bytes", 0, 1 << 30,
             "Waiting output at which a refused sender is told; at most the high watermark"),
    HC_LIMIT(server.connection, "server", read_turn_bytes_max, "bytes", 4'096, 1 << 30,
             "Bytes read from one connection before others get their turn"),
    HC_LIMIT(server.connection, "server", requests_per_connection_max, "count", 0, any64,
             "Requests on one connection; then it closes; 0: no limit"),
    HC_LIMIT(server.connection, "server", header_timeout_ms, "ms", 0, day_ms,
             "From the first byte of a head to its end; beyond: 408; 0: no limit"),
    HC_LIMIT(server.connection, "server", body_timeout_ms, "ms", 0, day_ms,
             "Between two arrivals of body bytes; beyond: 408; 0: no limit"),
    HC_LIMIT(server.connection, "server", idle_timeout_ms, "ms", 0, day_ms,
             "A connection between two requests; beyond: it closes; 0: no limit"),
    HC_LIMIT(server.connection, "server", write_timeout_ms, "ms", 0, day_ms,
             "Output waits and the peer takes none; beyond: reset; 0: no limit"),
    HC_LIMIT(server.connection, "server", request_timeout_ms, "ms", 0, day_ms,
             "From the end of the head to the end of the answer; beyond: 503; 0: no limit"),
    HC_LIMIT(server.connection, "server", tls_handshake_timeout_ms, "ms", 0, day_ms,
             "From accept to the end of the TLS handshake; beyond: it closes; 0: no limit"),
    HC_LIMIT(server.connection, "server", linger_timeout_ms, "ms", 0, day_ms,
             "Behind the last byte, until the peer closes; beyond: it closes; 0: no limit"),

    HC_LIMIT(server.connection, "server", h2_streams_max, "count", 1, 100'000,
             "HTTP/2: streams of a connection at once; beyond: REFUSED_STREAM"),
    HC_LIMIT(server.connection, "server", h2_pushes_max, "count", 0, 100'000,
             "HTTP/2: promised answers of a connection at once; beyond: HC_E_LIMIT"),
    HC_LIMIT(server.connection, "server", h2_stream_window_bytes_max, "bytes", 65'535, 1 << 30,
             "HTTP/2: what a stream's receive window may grow to"),
    HC_LIMIT(server.connection, "server", h2_connection_window_bytes_max, "bytes", 65'535, 1 << 30,
             "HTTP/2: what a connection's receive window may grow to"),
    HC_LIMIT(
        server.connection, "server", h2_connection_buffer_bytes_max, "bytes", 4'096, 1 << 30,
        "HTTP/2: body bytes that handlers hold of a connection; beyond: its window stays shut"),
    HC_LIMIT(server.connection, "server", h2_connection_output_bytes_max, "bytes", 4'096, 1 << 30,
             "HTTP/2: output that waits in all streams of a connection; beyond: sends are refused "
             "where any waits"),
    HC_LIMIT(server.connection, "server", h2_continuations_max, "count", 1, 65'536,
             "HTTP/2: CONTINUATION frames of one head; beyond: the connection ends"),
    HC_LIMIT(
        server.connection, "server", h2_glitches_max, "count", 10, 1'000'000,
        "HTTP/2: frames at once that do no work; beyond: ENHANCE_YOUR_CALM, the connection ends"),
    HC_LIMIT(server.connection, "server", h2_glitches_per_s, "count", 0, 1'000'000,
             "HTTP/2: how many of these frames are forgiven in a second"),
    HC_LIMIT(server.connection, "server", h2_resets_max, "count", 1, 1'000'000,
             "HTTP/2: streams at once that the peer resets or makes us reset; beyond: the same"),
    HC_LIMIT(server.connection, "server", h2_resets_per_s, "count", 0, 1'000'000,
             "HTTP/2: how many of these resets are forgiven in a second"),
    HC_LIMIT(server.connection, "server", h2_acks_max, "count", 1, 1'000'000,
             "HTTP/2: acknowledgements that wait to be sent; beyond: the same"),
    HC_LIMIT(server.connection, "server", h2_stall_timeout_ms, "ms", 0, day_ms,
             "HTTP/2: a stream whose window the peer keeps shut; beyond: CANCEL; 0: no limit"),
    HC_LIMIT(server.connection, "server", h2_ping_interval_ms, "ms", 0, day_ms,
             "HTTP/2: silence of the peer until it is sent a PING; 0: none is sent"),
    HC_LIMIT(server.connection, "server", h2_ping_timeout_ms, "ms", 0, day_ms,
             "HTTP/2: from a PING to its answer; beyond: the connection ends; 0: no limit"),
    HC_LIMIT(server.connection, "server", ws_message_bytes_max, "bytes", 1, any64,
             "A message of a WebSocket, inflated; beyond: close 1009"),
    HC_LIMIT(server.connection, "server", ws_frame_bytes_max, "bytes", 0, any64,
             "One frame of a WebSocket; beyond: close 1009; 0: no limit but the message's"),
    HC_LIMIT(server.connection, "server", ws_fragments_max, "count", 1, any32,
             "Frames of one message of a WebSocket; beyond: close 1009"),
    HC_LIMIT(server.connection, "server", ws_controls_per_s_max, "count", 1, any32,
             "Pings and pongs of a WebSocket's peer in a second; beyond: close 1008"),
    HC_LIMIT(server.connection, "server", ws_ping_interval_ms, "ms", 0, day_ms,
             "Silence after which the peer of a WebSocket is sent a ping; 0: never"),
    HC_LIMIT(server.connection, "server", ws_pong_timeout_ms, "ms", 0, day_ms,
             "From such a ping to anything from the peer; beyond: reset; 0: no limit"),
    HC_LIMIT(server.connection, "server", ws_close_timeout_ms, "ms", 0, day_ms,
             "From a WebSocket's close to the peer's, and to its end; beyond: close; 0: no limit"),

    HC_LIMIT(server.connection, "server", sse_heartbeat_ms, "ms", 0, day_ms,
             "Silence on an event stream after which it is sent a comment; 0: never"),

    HC_LIMIT(server.limits, "server", connections_max, "count", 1, any32,
             "Connections at once; beyond: 503"),
    HC_LIMIT(server.limits, "server", connections_per_peer_max, "count", 0, any32,
             "Connections at once from one address; beyond: 503; 0: no limit"),
    HC_LIMIT(server.limits, "server", tls_handshakes_max, "count", 1, any32,
             "TLS handshakes under way at once; beyond: close"),
    HC_LIMIT(server.limits, "server", tls_handshake_threads, "count", 0, 64,
             "Threads for handshakes with RSA keys; 0: they run on the workers"),
    HC_LIMIT(server.limits, "server", exchanges_max, "count", 1, any32,
             "Exchanges at once; beyond: 503"),
    HC_LIMIT(server.limits, "server", encoders_max, "count", 0, 1 << 24,
             "Answers that are coded at once; others go as they are"),
    HC_LIMIT(server.limits, "server", decoders_max, "count", 0, 1 << 24,
             "Requests that are decoded at once; beyond: 503"),
    HC_LIMIT(server.limits, "server", accepts_per_turn_max, "count", 1, 65'536,
             "Connections accepted before others get their turn"),
    HC_LIMIT(server.limits, "server", backlog_max, "count", 1, INT32_MAX,
             "The backlog asked of the kernel"),
    HC_LIMIT(server.limits, "server", retry_after_s, "s", 0, any32,
             "Seconds in the Retry-After of a 503"),
    HC_LIMIT(server.limits, "server", routes_max, "count", 1, 1 << 24, "Routes of one server"),

    HC_LIMIT(runtime.limits, "runtime", blocking_queue_max, "count", 1, any32,
             "Jobs that wait for a thread"),
    HC_LIMIT(runtime.limits, "runtime", blocking_idle_ms, "ms", 0, day_ms,
             "An idle thread of the blocking pool ends after this"),
    HC_LIMIT(runtime.limits, "runtime", operations_max, "count", 1, 1 << 20,
             "Timers and jobs alive at once"),
};

#undef HC_LIMIT
#undef HC_CONNECTION
#undef HC_LINES
#undef HC_CHOICE
#undef HC_PLACE

template <class... F>
struct Overloaded : F... {
    using F::operator()...;
};

std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), 0U);
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t replaced = diagonal + (ascii::lower(a[i]) == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

std::unexpected<Error> bad_value(const Option& option, std::string_view text,
                                 std::string_view wanted) {
    // A value may be long or not printable: quote only what a person can use.
    std::string shown;
    for (char c : text.substr(0, 64)) shown += c >= ' ' && c < 0x7f ? c : '?';
    if (text.size() > 64) shown += "...";
    return fail(ErrorKind::invalid,
                std::string(option.key) + ": \"" + shown + "\" is not " + std::string(wanted));
}

std::unexpected<Error> bad_number(const Option& option, std::string_view text) {
    std::string wanted =
        "a number from " + std::to_string(option.min) + " to " + std::to_string(option.max);
    if (!option.unit.empty()) wanted += " (" + std::string(option.unit) + ")";
    return bad_value(option, text, wanted);
}

template <class T>
Result<void> set_number(const Option& option, std::string_view text, T& place) {
    const bool negative = text.starts_with('-');
    const auto digits = ascii::parse_decimal(text.substr(negative ? 1 : 0));
    if (!digits || *digits > static_cast<std::uint64_t>(INT64_MAX)) return bad_number(option, text);
    const auto magnitude = static_cast<std::int64_t>(*digits);
    const std::int64_t value = negative ? -magnitude : magnitude;
    if (value < option.min || value > option.max) return bad_number(option, text);
    place = static_cast<T>(value);
    return {};
}

Result<void> set_bool(const Option& option, std::string_view text, bool& place) {
    if (text != "true" && text != "1" && text != "false" && text != "0") {
        return bad_value(option, text, "\"true\" or \"false\"");
    }
    place = text == "true" || text == "1";
    return {};
}

Result<void> set_string(const Option& option, std::string_view text, std::string& place) {
    const auto control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; };
    if (std::ranges::any_of(text, control)) {
        return bad_value(option, text, "a text without control characters");
    }
    place = text;
    return {};
}

Result<void> set_list(const Option& option, std::string_view text,
                      std::vector<std::string>& place) {
    std::vector<std::string> items;
    while (!text.empty()) {
        const std::size_t comma = std::min(text.find(','), text.size());
        const std::string_view item = ascii::trim(text.substr(0, comma));
        if (!item.empty()) {
            std::string kept;
            if (auto ok = set_string(option, item, kept); !ok) return ok;
            items.push_back(std::move(kept));
        }
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
    place = std::move(items);
    return {};
}

Result<void> set_mode(const Option& option, std::string_view text, Mode place) {
    std::uint32_t bits = 0;
    bool good = !text.empty() && text.size() <= 5;
    for (char c : text) {
        good = good && c >= '0' && c <= '7';
        bits = bits << 3 | static_cast<std::uint32_t>(c - '0');
    }
    if (!good || bits > static_cast<std::uint32_t>(option.max)) {
        return bad_value(option, text, "octal digits, at most 7777");
    }
    *place.bits = bits;
    return {};
}

std::string listed(std::span<const std::string_view> names) {
    std::string text;
    for (const std::string_view name : names) {
        if (!text.empty()) text += ", ";
        text += name;
    }
    return text;
}

Result<void> set_choice(const Option& option, std::string_view text, const Choice& choice) {
    const auto found = std::ranges::find(choice.names, text);
    if (found == choice.names.end()) {
        return bad_value(option, text, "one of " + listed(choice.names));
    }
    choice.set(choice.place, static_cast<std::size_t>(found - choice.names.begin()));
    return {};
}

Result<void> set_lines(const Option& option, std::string_view text, Lines place) {
    if (text.find('\0') != text.npos) return bad_value(option, text, "a text");
    *place.text = text;
    return {};
}

std::string octal(std::uint32_t bits) {
    std::string digits;
    do {
        digits.insert(digits.begin(), static_cast<char>('0' + (bits & 7)));
        bits >>= 3;
    } while (bits != 0);
    return digits;
}

std::string joined(const std::vector<std::string>& items) {
    std::string text;
    for (const std::string& item : items) {
        if (!text.empty()) text += ',';
        text += item;
    }
    return text;
}

} // namespace

std::span<const Option> options() noexcept { return table; }

const Option* find_option(std::string_view key) noexcept {
    const auto* found = std::ranges::find(table, key, &Option::key);
    return found == table.end() ? nullptr : found;
}

std::string_view nearest_key(std::string_view key) {
    key = key.substr(0, 128); // the work is the product of two lengths
    return std::ranges::min_element(table, {},
                                    [&](const Option& o) { return distance(key, o.key); })
        ->key;
}

Result<void> set_option(Settings& settings, std::string_view key, std::string_view text) {
    const Option* option = find_option(key);
    if (option == nullptr) {
        return fail(ErrorKind::not_found,
                    "no such option; the nearest is \"" + std::string(nearest_key(key)) + "\"");
    }
    return std::visit(Overloaded{
                          [&](bool* p) { return set_bool(*option, text, *p); },
                          [&](std::uint32_t* p) { return set_number(*option, text, *p); },
                          [&](std::uint64_t* p) { return set_number(*option, text, *p); },
                          [&](std::intptr_t* p) { return set_number(*option, text, *p); },
                          [&](std::string* p) { return set_string(*option, text, *p); },
                          [&](std::vector<std::string>* p) { return set_list(*option, text, *p); },
                          [&](Mode p) { return set_mode(*option, text, p); },
                          [&](Lines p) { return set_lines(*option, text, p); },
                          [&](const Choice& p) { return set_choice(*option, text, p); },
                      },
                      option->place(settings));
}

std::string_view type_name(const Option& option) {
    Settings settings;
    using View = std::string_view;
    return std::visit(Overloaded{
                          [](bool*) -> View { return "bool"; },
                          [](std::uint32_t*) -> View { return "integer"; },
                          [](std::uint64_t*) -> View { return "integer"; },
                          [](std::intptr_t*) -> View { return "integer"; },
                          [](std::string*) -> View { return "string"; },
                          [](std::vector<std::string>*) -> View { return "list"; },
                          [](Mode) -> View { return "mode"; },
                          [](Lines) -> View { return "text"; },
                          [](const Choice&) -> View { return "choice"; },
                      },
                      option.place(settings));
}

std::span<const std::string_view> choices(const Option& option) {
    Settings settings;
    const Place place = option.place(settings);
    const auto* choice = std::get_if<Choice>(&place);
    return choice == nullptr ? std::span<const std::string_view>() : choice->names;
}

std::string text_of(const Option& option, Settings& settings) {
    return std::visit(Overloaded{
                          [](bool* p) -> std::string { return *p ? "true" : "false"; },
                          [](std::uint32_t* p) { return std::to_string(*p); },
                          [](std::uint64_t* p) { return std::to_string(*p); },
                          [](std::intptr_t* p) { return std::to_string(*p); },
                          [](std::string* p) { return *p; },
                          [](std::vector<std::string>* p) { return joined(*p); },
                          [](Mode p) { return octal(*p.bits); },
                          [](Lines p) { return *p.text; },
                          [](const Choice& p) { return std::string(p.names[p.get(p.place)]); },
                      },
                      option.place(settings));
}

} // namespace hc::capi
