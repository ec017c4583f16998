// Every bound of the library, in one place, unit last. Each comment gives the answer to its excess.
// `hc_config` sets each of them as "limits.<name>"; 0 means "no limit" only where it says so.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hc {

/// Bounds of one connection and of the exchanges on it.
struct ConnectionLimits {
    // -- sizes ---------------------------------------------------------------------------------
    /// Request line and all header fields, together with their line ends. 431, then close.
    std::uint32_t header_bytes_max = 32 * 1024;
    /// Header fields in one head, and trailer fields behind one body. 431, then close.
    std::uint32_t header_count_max = 100;
    /// The request target alone. 414, then close.
    std::uint32_t target_bytes_max = 8 * 1024;
    /// A request's body; 0 for no limit. 413; the connection closes unless the body was small.
    std::uint64_t body_bytes_max = 0;
    /// Trailer section of a chunked body. 431 when nothing was answered yet, then close.
    std::uint32_t trailer_bytes_max = 8 * 1024;
    /// Chunk extensions of one body, all together. 400, then close.
    std::uint32_t chunk_extension_bytes_max = 4 * 1024;
    /// Body bytes that an exchange buffers for a handler that has not consumed them. Reading
    /// from the peer stops until some are consumed.
    std::uint32_t exchange_buffer_bytes_max = 256 * 1024;
    /// Body bytes read and thrown away after an early answer, to keep the connection. Close.
    std::uint32_t discard_bytes_max = 256 * 1024;
    /// What a coded request body becomes when it is decoded; 0 for no limit. 413 when nothing was
    /// answered yet, else reset.
    std::uint64_t decoded_body_bytes_max = 64 * 1024 * 1024;
    /// Decoded bytes for each coded one; 0 for no limit. The same.
    std::uint32_t decoded_ratio_max = 200;
    /// Decoded bytes of a body before that ratio counts.
    std::uint64_t decoded_ratio_from_bytes = 256 * 1024;
    /// Bytes waiting to be written at which `send` answers AGAIN ...
    std::uint32_t write_high_watermark_bytes = 256 * 1024;
    /// ... and to which they must fall before WRITABLE is reported.
    std::uint32_t write_low_watermark_bytes = 64 * 1024;
    /// Bytes read from one connection before the others get their turn.
    std::uint32_t read_turn_bytes_max = 256 * 1024;

    // -- counts ----------------------------------------------------------------------------------
    /// Requests on one connection; 0 for no limit. `Connection: close` on the last answer.
    std::uint64_t requests_per_connection_max = 0;

    // -- WebSocket -------------------------------------------------------------------------------
    /// A message as the program gets it, inflated and from all of its frames. Close 1009.
    std::uint64_t ws_message_bytes_max = 16 * 1024 * 1024;
    /// The payload of one frame; 0 for no limit but the message's. Close 1009.
    std::uint64_t ws_frame_bytes_max = 0;
    /// Frames of one message, which may be empty. Close 1009.
    std::uint32_t ws_fragments_max = 131'072;
    /// Pings and pongs that a peer sends within a second. Close 1008.
    std::uint32_t ws_controls_per_s_max = 1'000;

    // -- times; 0 means no limit -----------------------------------------------------------------
    /// Nothing came from the peer of a WebSocket for so long: it is sent a ping. 0: never.
    std::uint32_t ws_ping_interval_ms = 30'000;
    /// From a ping of ours to anything from the peer. Reset, with the code 1006.
    std::uint32_t ws_pong_timeout_ms = 20'000;
    /// Nothing was sent on an event stream for so long: a comment is. 0: never.
    std::uint32_t sse_heartbeat_ms = 15'000;
    /// From our Close, once all was written, to the peer's, and from both to the end of the
    /// connection. Close.
    std::uint32_t ws_close_timeout_ms = 5'000;
    /// From the first byte of a head (or from accept, for the first) to its end. 408, close.
    std::uint32_t header_timeout_ms = 15'000;
    /// Between two arrivals of body bytes that the handler waits for. 408 when nothing was
    /// answered yet, else close.
    std::uint32_t body_timeout_ms = 30'000;
    /// A connection between two requests. Close without a word.
    std::uint32_t idle_timeout_ms = 60'000;
    /// Bytes wait to be written and the peer takes none of them. Reset.
    std::uint32_t write_timeout_ms = 30'000;
    /// From the end of the head to the end of the answer. 503 when nothing was answered, else
    /// close.
    std::uint32_t request_timeout_ms = 0;
    /// From accept to the end of the TLS handshake. Close without a word.
    std::uint32_t tls_handshake_timeout_ms = 10'000;
    /// After our last byte, waiting for the peer to close, so that it reads the answer. Close; what
    /// the system has taken by then it still delivers.
    std::uint32_t linger_timeout_ms = 2'000;

    // -- HTTP/2 ----------------------------------------------------------------------------------
    /// Streams of one connection at once; one that was reset counts until its exchange is released.
    /// REFUSED_STREAM, and GOAWAY(ENHANCE_YOUR_CALM) to a peer that goes on.
    std::uint32_t h2_streams_max = 128;
    /// Promised answers (server push) of one connection at once, beside those streams; one counts
    /// until its exchange is released. `limit`.
    std::uint32_t h2_pushes_max = 32;
    /// What a stream's receive window may grow to; it begins with 64 KiB. The peer has to wait.
    std::uint32_t h2_stream_window_bytes_max = 4 * 1024 * 1024;
    /// The same of the connection's receive window.
    std::uint32_t h2_connection_window_bytes_max = 16 * 1024 * 1024;
    /// Body bytes that all exchanges of a connection hold for handlers that have not consumed them.
    /// The connection's window stays shut until there are fewer.
    std::uint32_t h2_connection_buffer_bytes_max = 4 * 1024 * 1024;
    /// Bytes that wait to be sent in all streams of a connection together. A stream in which any
    /// wait is then full: `send` answers AGAIN until there are half as many, or none in it.
    std::uint32_t h2_connection_output_bytes_max = 4 * 1024 * 1024;
    /// CONTINUATION frames of one head. GOAWAY(ENHANCE_YOUR_CALM), close.
    std::uint32_t h2_continuations_max = 8;
    /// Frames that do no work (empty, unknown, refused, PING, SETTINGS, PRIORITY ...) that a peer
    /// may send at once. GOAWAY(ENHANCE_YOUR_CALM), close ...
    std::uint32_t h2_glitches_max = 1'000;
    /// ... and how many of them are forgiven in a second.
    std::uint32_t h2_glitches_per_s = 100;
    /// Streams reset by the peer, or by us for what the peer did, at once. The same ...
    std::uint32_t h2_resets_max = 500;
    /// ... and how many of them are forgiven in a second.
    std::uint32_t h2_resets_per_s = 50;
    /// SETTINGS and PING frames whose acknowledgement waits to be sent. The same.
    std::uint32_t h2_acks_max = 1'000;
    /// A stream has bytes to send and the peer's window lets none of them go. RST_STREAM(CANCEL);
    /// 0 means no limit.
    std::uint32_t h2_stall_timeout_ms = 30'000;
    /// A connection from which nothing came for so long is sent a PING; 0 for none.
    std::uint32_t h2_ping_interval_ms = 0;
    /// From a PING of ours to its acknowledgement. Close; 0 means no limit.
    std::uint32_t h2_ping_timeout_ms = 10'000;
};

/// Bounds of a whole server.
struct ServerLimits {
    /// Connections open at once. 503 with Retry-After to those beyond, then close.
    std::uint32_t connections_max = 100'000;
    /// Connections open at once from one address (an IPv6 /64 counts as one); 0 for no limit. 503.
    std::uint32_t connections_per_peer_max = 0;
    /// TLS handshakes under way at once. Close without a word.
    std::uint32_t tls_handshakes_max = 10'000;
    /// Threads for handshakes with a key that takes long to sign with (RSA): they start with the
    /// first of these, and those beyond wait in line. 0: the workers do it, one by one.
    std::uint32_t tls_handshake_threads = 1;
    /// Exchanges in the hands of handlers at once. 503 with Retry-After.
    std::uint32_t exchanges_max = 1'000'000;
    /// Answers that are coded at once. Others go as they are.
    std::uint32_t encoders_max = 256;
    /// Requests that are decoded at once. 503 with Retry-After.
    std::uint32_t decoders_max = 64;
    /// Connections accepted in one loop turn before the others get theirs.
    std::uint32_t accepts_per_turn_max = 64;
    /// The backlog asked of the kernel.
    std::uint32_t backlog_max = 4'096;
    /// Seconds in the Retry-After of a 503 made here.
    std::uint32_t retry_after_s = 5;
    /// Routes of one server. `limit`.
    std::uint32_t routes_max = 65'536;
};

/// Bounds of a runtime.
struct RuntimeLimits {
    /// 10 bits of a handle, less the shared table.
    static constexpr std::uint32_t workers_max = 1'000;
    static constexpr std::uint32_t runtimes_max = 64;    // 6 bits of a handle
    static constexpr std::uint32_t slots_max = 1U << 20; // 20 bits of a handle
    /// Threads of the blocking pool; they start on first use and end when idle.
    std::uint32_t blocking_threads_max = 64;
    /// Jobs that wait for a thread of the pool. `limit`.
    std::uint32_t blocking_queue_max = 4'096;
    /// An idle thread of the pool ends after this.
    std::uint32_t blocking_idle_ms = 10'000;
    /// Timers and blocking jobs alive at once. `limit`.
    std::uint32_t operations_max = 1'000'000;
};

} // namespace hc
