// Session: one HTTP/2 connection, a server's or a client's, as bytes in and bytes out (RFC 9113).
// Around nghttp2, which does framing, HPACK, flow control and the checks of messages; no socket, no
// clock.
//
//   receive(slice) -> events() -> the driver acts -> pull() until it has nothing -> events() ...
//
// Callbacks of nghttp2 record and nothing else. What they have recorded is acted on when nghttp2
// has returned: everything may be called then, and nothing of it calls back. Events point to the
// streams of the session, to heads in memory that all sessions of a worker share, and into the
// slice: they are void once another session receives, or when the slice is. So is a stream behind
// its `closed`, which is the last there is of it.
//
// A connection error of nghttp2's finding is told to the peer by nghttp2; what receive() itself
// ends (a flood) it tells in the same way. In both cases over() is true once that was pulled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/base/chain.hpp"
#include "core/base/limits.hpp"
#include "core/base/time.hpp"
#include "core/proto/h2/frames.hpp"
#include "core/proto/h2/guard.hpp"
#include "core/proto/h2/head.hpp"
#include "core/proto/h2/past.hpp"
#include "core/proto/h2/stream.hpp"

struct nghttp2_session;
struct nghttp2_session_callbacks;
struct nghttp2_option;

namespace hc::h2 {

/// Error codes (RFC 9113, section 7).
enum class Code : std::uint32_t {
    no_error = 0,
    protocol_error = 1,
    internal_error = 2,
    flow_control_error = 3,
    settings_timeout = 4,
    stream_closed = 5,
    frame_size_error = 6,
    refused_stream = 7,
    cancel = 8,
    compression_error = 9,
    connect_error = 10,
    enhance_your_calm = 11,
    inadequate_security = 12,
    http_1_1_required = 13,
};

/// The connection's first bytes from a client.
constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// nghttp2's, as "1.70.0".
std::string_view library_version() noexcept;

struct Event {
    enum class Kind : std::uint8_t {
        head, // a request, or the final head of an answer: `number` in Heads; on a stream that a
              // server has promised its promise has left
        trailers, // `number` in Heads; `end` follows
        data,     // body bytes
        end,      // the peer has ended its side
        sent,     // our END_STREAM was handed over, and the peer's is yet to come
        moved,    // bytes left `out`, and there may be more to come
        closed,   // nghttp2 has forgotten the stream; `number`: an error code
        shook,    // the peer has acknowledged our SETTINGS
        pong,     // ... our PING
        interim,  // to a client: a 1xx, `number` in Heads
        leaving,  // to a client: the server takes no more requests; `number`: an error code
    };
    Kind kind;
    bool by_us = false; // closed: at our side's doing
    bool untouched =
        false; // closed, to a client: the server has done nothing for the request, which
               // may be made anew elsewhere (RFC 9113, section 8.7)
    std::uint32_t number = 0;
    Stream* stream = nullptr; // for shook and pong there is none
    std::string_view data;
};

/// A field of a head that is about to be sent. Laid out as nghttp2's.
struct [[gnu::may_alias]] Pair {
    const char* name;
    const char* value;
    std::size_t name_size;
    std::size_t value_size;
    std::uint8_t flags;
};

/// What a request is for. Of each request but CONNECT all but `protocol` are given; of CONNECT only
/// method and authority, unless it is extended by a protocol (RFC 8441).
struct RequestLine {
    std::string_view method;
    std::string_view scheme;
    std::string_view authority;
    std::string_view path;
    std::string_view protocol;
};

/// What became of a request that a client submits.
enum class Submitted : std::uint8_t {
    ok,
    too_many,    // the server allows no more streams now: again when one is closed
    leaving,     // one of both sides has announced its end, or numbers are used up: elsewhere
    unsupported, // an extended CONNECT, and the server's SETTINGS have not allowed it (yet)
    no_memory,
};

/// What all sessions of a worker share. Made once; not to be moved.
class Scratch {
public:
    Scratch();
    ~Scratch();
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    Heads heads;

private:
    friend class Session;
    std::vector<Event> events_;
    std::vector<Pair> pairs_;
    nghttp2_session_callbacks* callbacks_ = nullptr;
};

/// Where a session gets its streams from and where its bytes go.
class Party {
public:
    /// A stream that a server's peer begins, or one that it promises; nullptr when there is no
    /// memory. Only `id` is set behind it.
    virtual Stream* make_stream() noexcept = 0;
    /// Room for `n` bytes of output in one piece, to be written and committed at once.
    virtual char* reserve(std::size_t n) = 0;
    virtual void commit(std::size_t n) noexcept = 0;
    virtual void write(std::string_view bytes) = 0;
    virtual void write(Chain&& bytes) = 0;

protected:
    ~Party() = default;
};

class Session {
public:
    /// Sends our SETTINGS. nullptr when there is no memory. All arguments outlive the session.
    static std::unique_ptr<Session> server(const ConnectionLimits& limits, Scratch& scratch,
                                           Party& party, Instant now);
    /// The same for a client: it takes no promises. Before the server's SETTINGS have come 100
    /// streams may be begun.
    static std::unique_ptr<Session> client(const ConnectionLimits& limits, Scratch& scratch,
                                           Party& party, Instant now);
    /// Streams are not told.
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // -- in --------------------------------------------------------------------------------------
    /// Reads all of `slice`. False: the connection is broken beyond what the peer can be told about
    /// streams; a GOAWAY waits to be pulled, and of the events none is to be acted on.
    bool receive(std::string_view slice, Instant now);
    std::span<const Event> events() const noexcept { return scratch_.events_; }
    void clear_events() noexcept;
    Head& head(std::uint32_t number) noexcept { return scratch_.heads.at(number); }
    /// `n` bytes of a stream's body are used or dropped: the peer may send as many more on it.
    void give_back(Stream& stream, std::uint64_t n);
    /// The same of the connection.
    void give_back(std::uint64_t n);

    // -- out -------------------------------------------------------------------------------------
    /// Writes the next frame, or a piece of it. False: there is none.
    bool pull(Instant now);
    /// Heads: begun, then field by field, then submitted. Texts are copied by submit.
    void begin_head(std::string_view status);
    void add(std::string_view name, std::string_view value);
    /// The final head. Unless `end`, the stream's `out` follows, until `out_ended`.
    bool submit_head(Stream& stream, bool end);
    /// An interim head.
    bool submit_interim(Stream& stream);
    /// The head of a request: begun with this, then as any other.
    void begin_request(const RequestLine& line);
    /// A client's request, on a stream of its own making whose `id` is set by this. Unless `end`,
    /// the stream's `out` follows. The last there is of it is a `closed`, also when it never left.
    Submitted submit_request(Stream& stream, bool end);
    /// A server promises the answer to a request on a stream of the peer's (RFC 9113, section 8.4),
    /// before whatever is submitted for that from here on. A `head` on the new stream follows when
    /// the promise has left, a `closed` alone when it never will. nullptr: `on` is closed, or there
    /// is no memory.
    Stream* submit_promise(const Stream& on);
    /// There is more in `out`, or it has ended.
    void resume(Stream& stream) noexcept;
    void reset(Stream& stream, Code code) noexcept {
        reset(stream, static_cast<std::uint32_t>(code));
    }
    void reset(Stream& stream, std::uint32_t code) noexcept;
    /// A server announces the end; streams are still accepted.
    void announce_end() noexcept;
    /// What was accepted by now is served, and nothing else.
    void refuse_streams() noexcept;
    /// The end, at once: streams that are open are lost.
    void terminate(Code code) noexcept;
    void ping() noexcept;

    // -- state -----------------------------------------------------------------------------------
    /// All is said: nothing is to be read or written any more.
    bool over() const noexcept;
    bool has_output() const noexcept;
    /// Bytes in memory that wait in `out` of all streams. Whoever puts some there, or drops some,
    /// says so.
    std::uint64_t waiting_bytes() const noexcept { return waiting_bytes_; }
    void put_waiting(std::uint64_t n) noexcept { waiting_bytes_ += n; }
    void drop_output(Stream& stream) noexcept {
        waiting_bytes_ -= stream.out.memory_size();
        stream.out.clear();
    }
    /// Frames that wait, without DATA.
    std::size_t queued_frames() const noexcept;
    /// The peer's preface and SETTINGS have come.
    bool introduced() const noexcept { return introduced_; }
    /// A head has begun and is not complete.
    bool in_head() const noexcept { return kept_ != nullptr; }
    /// nghttp2 or receive() has ended it for what the peer did.
    bool failed() const noexcept { return failed_; }
    bool calmed() const noexcept { return guard_.spent(); }
    Guard& guard() noexcept { return guard_; }
    IntrusiveList<Stream, StreamNode>& streams() noexcept { return streams_; }
    /// The peer lets nothing of what waits in the stream go: by its windows or, when it was
    /// promised and not begun, by the number of streams that may be open.
    bool is_stalled(const Stream& stream) const noexcept;
    /// The peer's SETTINGS have come and allow promises.
    bool may_promise() const noexcept;
    /// The peer's SETTINGS allow an extended CONNECT (RFC 8441).
    bool may_connect() const noexcept;
    /// A client's streams that are not closed.
    std::uint32_t requests_open() const noexcept { return requests_open_; }
    /// How many streams of ours the peer lets be open at once.
    std::uint32_t peer_streams_max() const noexcept;
    /// The peer begins no more streams, and takes none.
    bool peer_is_leaving() const noexcept { return goaway_seen_; }

private:
    struct Callbacks; // nghttp2's, in callbacks.cpp
    friend class Scratch;

    enum class Role : std::uint8_t { server, client };

    Session(Role role, const ConnectionLimits& limits, Scratch& scratch, Party& party,
            Instant now) noexcept;
    static std::unique_ptr<Session> make(Role role, const ConnectionLimits& limits,
                                         Scratch& scratch, Party& party, Instant now);
    bool open();
    bool is_client() const noexcept { return role_ == Role::client; }
    /// Of a stream's number: our side begins such.
    bool is_ours(std::int32_t id) const noexcept { return (id % 2 != 0) == is_client(); }
    bool submit_settings() noexcept;
    void fail_with(Code code) noexcept;
    bool look_at(const FrameHead& frame) noexcept;
    bool is_in_order(const FrameHead& frame) noexcept;
    bool is_reserved(const Stream& stream) const noexcept;
    bool is_not_ours(const FrameHead& frame) noexcept;
    bool is_behind_reset(const FrameHead& frame) noexcept;
    void record(Event event) { scratch_.events_.push_back(event); }
    void count(Glitch what, std::uint32_t weight = 1) noexcept { guard_.count(what, now_, weight); }
    void write_reset(std::int32_t stream, Code code);
    void note_sent(std::uint32_t frames) noexcept;
    void drop_head() noexcept {
        in_head_ = nullptr;
        kept_.reset();
        if (scratch_.heads.open()) scratch_.heads.drop();
    }

    const ConnectionLimits& limits_;
    Scratch& scratch_;
    Party& party_;
    nghttp2_session* session_ = nullptr;
    IntrusiveList<Stream, StreamNode> streams_;
    std::unique_ptr<Heads::Kept> kept_;
    Stream* in_head_ = nullptr; // whose head is being read
    Guard guard_;
    Past past_;
    FrameScan scan_;
    Code error_ = Code::internal_error; // what was found out of order
    Window window_{65'535};
    std::uint64_t waiting_bytes_ = 0;
    Instant now_;
    Instant shaken_at_;                      // when our SETTINGS went
    Duration round_trip_ = Duration::zero(); // zero: not known
    std::int32_t window_updates_ = 0;        // that what was sent gives reason for
    std::uint32_t resets_due_ = 0;    // streams that we have begun, each of which may be reset
    std::uint32_t requests_open_ = 0; // a client's
    const Role role_;
    bool in_pull_ = false;
    std::int32_t reset_ = 0;     // the stream that the peer has reset last
    std::int32_t overflown_ = 0; // the stream whose window the peer has made too large
    bool goaway_seen_ = false;
    bool settings_seen_ = false;
    bool leaving_ = false; // no more streams are accepted
    bool introduced_ = false;
    bool failed_ = false;
    bool broken_ = false; // memory ran out in the middle of something
};

} // namespace hc::h2
