#include "core/proto/h2/session.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstddef>
#include <new>
#include <utility>

#include "core/proto/h2/callbacks.hpp"

namespace hc::h2 {

static_assert(sizeof(Pair) == sizeof(nghttp2_nv) && alignof(Pair) == alignof(nghttp2_nv));
static_assert(offsetof(Pair, name) == offsetof(nghttp2_nv, name));
static_assert(offsetof(Pair, value) == offsetof(nghttp2_nv, value));
static_assert(offsetof(Pair, name_size) == offsetof(nghttp2_nv, namelen));
static_assert(offsetof(Pair, value_size) == offsetof(nghttp2_nv, valuelen));
static_assert(offsetof(Pair, flags) == offsetof(nghttp2_nv, flags));

namespace {

/// Our heads may be as long as a program likes; it is bounded by what a program has in memory.
constexpr std::size_t head_block_max = 1 << 20;
/// nghttp2's own counting of the same things, by a clock of its own, must never be first.
constexpr std::uint64_t no_limit = std::uint64_t{1} << 40;

struct OptionFree {
    void operator()(nghttp2_option* option) const noexcept { nghttp2_option_del(option); }
};

} // namespace

std::string_view library_version() noexcept { return nghttp2_version(0)->version_str; }

Scratch::Scratch() {
    if (nghttp2_session_callbacks_new(&callbacks_) != 0) throw std::bad_alloc();
    Session::Callbacks::set(callbacks_);
}

Scratch::~Scratch() { nghttp2_session_callbacks_del(callbacks_); }

Session::Session(Role role, const ConnectionLimits& limits, Scratch& scratch, Party& party,
                 Instant now) noexcept
    : limits_(limits), scratch_(scratch), party_(party), guard_(limits, now),
      scan_(role == Role::server ? preface.size() : 0), now_(now), role_(role) {}

Session::~Session() { nghttp2_session_del(session_); }

std::unique_ptr<Session> Session::make(Role role, const ConnectionLimits& limits, Scratch& scratch,
                                       Party& party, Instant now) {
    std::unique_ptr<Session> session(new Session(role, limits, scratch, party, now));
    return session->open() ? std::move(session) : nullptr;
}

std::unique_ptr<Session> Session::server(const ConnectionLimits& limits, Scratch& scratch,
                                         Party& party, Instant now) {
    return make(Role::server, limits, scratch, party, now);
}

bool Session::open() {
    nghttp2_option* made = nullptr;
    if (nghttp2_option_new(&made) != 0) return false;
    const std::unique_ptr<nghttp2_option, OptionFree> option(made);
    nghttp2_option_set_no_auto_window_update(made, 1);
    nghttp2_option_set_builtin_recv_extension_type(made, NGHTTP2_PRIORITY_UPDATE);
    nghttp2_option_set_max_outbound_ack(made, limits_.h2_acks_max);
    nghttp2_option_set_max_continuations(made, limits_.h2_continuations_max);
    nghttp2_option_set_max_send_header_block_length(made, head_block_max);
    nghttp2_option_set_stream_reset_rate_limit(made, no_limit, no_limit);
    nghttp2_option_set_glitch_rate_limit(made, no_limit, no_limit);
    const auto make = is_client() ? &nghttp2_session_client_new2 : &nghttp2_session_server_new2;
    return make(&session_, scratch_.callbacks_, this, made) == 0 && submit_settings();
}

bool Session::submit_settings() noexcept {
    const nghttp2_settings_entry servers[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits_.h2_streams_max},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits_.header_bytes_max},
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    const nghttp2_settings_entry clients[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits_.header_bytes_max},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    shaken_at_ = now_;
    const std::span<const nghttp2_settings_entry> entries =
        is_client() ? std::span<const nghttp2_settings_entry>(clients) : servers;
    return nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, entries.data(), entries.size()) ==
           0;
}

// -- in -------------------------------------------------------------------------------------------

bool Session::receive(std::string_view slice, Instant now) {
    now_ = now;
    clear_events();
    if (failed_) return false;
    if (!scan_.walk(slice, [this](const FrameHead& frame) { return look_at(frame); })) {
        fail_with(guard_.spent() ? Code::enhance_your_calm : error_);
        return false;
    }
    if (kept_ != nullptr) {
        scratch_.heads.restore(*kept_);
        kept_.reset();
    }
    const auto taken = nghttp2_session_mem_recv2(
        session_, reinterpret_cast<const std::uint8_t*>(slice.data()), slice.size());
    if (scratch_.heads.open()) {
        kept_ = scratch_.heads.keep();
        scratch_.heads.drop(); // the memory is that of other sessions, too
    }
    if (guard_.spent()) {
        fail_with(Code::enhance_your_calm);
    } else if (taken < 0) {
        switch (taken) {
        case NGHTTP2_ERR_FLOODED:
        case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS:
            count(taken == NGHTTP2_ERR_FLOODED ? Glitch::ping : Glitch::continuation,
                  limits_.h2_glitches_max + 1);
            fail_with(Code::enhance_your_calm);
            break;
        case NGHTTP2_ERR_BAD_CLIENT_MAGIC: fail_with(Code::protocol_error); break;
        default: fail_with(error_); break;
        }
    }
    return !failed_;
}

namespace {

/// The first four bytes of PRIORITY, but for one bit, name the stream that it depends on.
bool depends_on_itself(const FrameHead& frame) noexcept {
    if (frame.payload.size() < 4) return false;
    std::uint32_t other = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        other = other << 8 | static_cast<unsigned char>(frame.payload[i]);
    }
    return static_cast<std::int32_t>(other & 0x7fffffff) == frame.stream;
}

} // namespace

/// Every frame is seen here first: those that do no work are counted. False ends the connection.
bool Session::look_at(const FrameHead& frame) noexcept {
    constexpr std::size_t work_min =
        256; // DATA with so many bytes is work that a peer has paid for
    const bool ack = (frame.flags & NGHTTP2_FLAG_ACK) != 0;
    switch (frame.type) {
    case NGHTTP2_DATA:
        if (is_behind_reset(frame) || !is_in_order(frame)) return false;
        if (frame.size >= work_min) guard_.earn();
        if (frame.size == 0 && (frame.flags & NGHTTP2_FLAG_END_STREAM) == 0) count(Glitch::empty);
        break;
    case NGHTTP2_HEADERS:
        if (is_behind_reset(frame) || !is_in_order(frame)) return false;
        if (frame.size == 0) count(Glitch::empty);
        if (leaving_) count(Glitch::ignored);
        break;
    case NGHTTP2_CONTINUATION: count(frame.size == 0 ? Glitch::empty : Glitch::continuation); break;
    case NGHTTP2_SETTINGS:
        if (!ack && std::exchange(settings_seen_, true)) count(Glitch::settings);
        break;
    case NGHTTP2_PING:
        if (!ack) count(Glitch::ping);
        break;
    case NGHTTP2_WINDOW_UPDATE:
        if (--window_updates_ < 0) {
            window_updates_ = 0;
            count(Glitch::window);
        }
        break;
    case NGHTTP2_RST_STREAM:
        reset_ = frame.stream;
        if (is_ours(frame.stream) && resets_due_ > 0) {
            --resets_due_; // nobody has to take what we begin
        } else {
            count(Glitch::reset_by_peer);
        }
        break;
    case NGHTTP2_PRIORITY:
        if (frame.stream == 0 || depends_on_itself(frame)) {
            error_ = Code::protocol_error;
            return false;
        }
        count(Glitch::priority);
        break;
    case NGHTTP2_PUSH_PROMISE:
        if (is_client()) { // our SETTINGS, which come before any request, allow none
            error_ = Code::protocol_error;
            return false;
        }
        count(Glitch::unknown);
        break;
    case NGHTTP2_PRIORITY_UPDATE: count(Glitch::priority); break;
    case NGHTTP2_GOAWAY:
        if (std::exchange(goaway_seen_, true)) count(Glitch::unknown);
        break;
    default: count(Glitch::unknown); break;
    }
    return !guard_.spent();
}

/// nghttp2 may not have read yet that the peer has reset the stream.
bool Session::is_behind_reset(const FrameHead& frame) noexcept {
    if (reset_ == 0 || frame.stream != reset_) return false;
    error_ = Code::stream_closed;
    return true;
}

/// What nghttp2 would pass over: frames for streams that the peer has ended itself.
bool Session::is_in_order(const FrameHead& frame) noexcept {
    if (frame.stream % 2 == 0) [[unlikely]]
        return is_not_ours(frame);
    if (frame.stream > past_.last() ||
        nghttp2_session_find_stream(session_, frame.stream) != nullptr) {
        return true;
    }
    switch (past_.end_of(frame.stream)) {
    case Past::End::by_us:
        if (frame.type == NGHTTP2_HEADERS) count(Glitch::ignored);
        return true;
    case Past::End::by_peer: error_ = Code::stream_closed; return false;
    case Past::End::never_begun: error_ = Code::protocol_error; return false;
    }
    return true;
}

/// A client sends no DATA on a stream that was promised, also when that is gone.
bool Session::is_not_ours(const FrameHead& frame) noexcept {
    const bool gone =
        frame.stream != 0 && nghttp2_session_find_stream(session_, frame.stream) == nullptr &&
        static_cast<std::uint32_t>(frame.stream) < nghttp2_session_get_next_stream_id(session_);
    if (frame.type != NGHTTP2_DATA || !gone) return true; // nghttp2 judges the rest
    error_ = Code::stream_closed;
    return false;
}

void Session::fail_with(Code code) noexcept {
    failed_ = true;
    terminate(code);
}

void Session::clear_events() noexcept {
    scratch_.events_.clear();
    scratch_.heads.clear();
}

void Session::give_back(Stream& stream, std::uint64_t n) {
    if (n == 0 || stream.closed || stream.remote_ended) return;
    const Duration trip = round_trip_ == Duration::zero() ? Duration{-1} : round_trip_;
    const std::int32_t grown =
        stream.window.give_back(n, now_, trip, limits_.h2_stream_window_bytes_max);
    if (grown != 0) {
        nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, stream.id, grown);
    }
    nghttp2_session_consume_stream(session_, stream.id, static_cast<std::size_t>(n));
}

void Session::give_back(std::uint64_t n) {
    if (n == 0) return;
    const Duration trip = round_trip_ == Duration::zero() ? Duration{-1} : round_trip_;
    const std::int32_t grown =
        window_.give_back(n, now_, trip, limits_.h2_connection_window_bytes_max);
    if (grown != 0) {
        nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, grown);
    }
    nghttp2_session_consume_connection(session_, static_cast<std::size_t>(n));
}

// -- out ------------------------------------------------------------------------------------------

bool Session::pull(Instant now) {
    now_ = now;
    if (guard_.spent() && !failed_) fail_with(Code::enhance_your_calm);
    in_pull_ = true;
    const std::uint8_t* bytes = nullptr;
    const auto n = nghttp2_session_mem_send2(session_, &bytes);
    in_pull_ = false;
    if (n < 0) {
        failed_ = broken_ = true;
        return false;
    }
    if (n == 0) return false;
    if (overflown_ != 0 && bytes[3] == NGHTTP2_GOAWAY) [[unlikely]] {
        write_reset(std::exchange(overflown_, 0), Code::flow_control_error);
    }
    party_.write({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(n)});
    return true;
}

/// nghttp2 ends a connection for a stream's fault without a word about the stream, which RFC 9113
/// wants told (section 6.9.1).
void Session::write_reset(std::int32_t stream, Code code) {
    const auto id = static_cast<std::uint32_t>(stream);
    const auto byte = [](std::uint32_t value, int shift) {
        return static_cast<char>(value >> shift & 0xff);
    };
    const char frame[] = {
        0, 0, 4, NGHTTP2_RST_STREAM,     0, byte(id, 24), byte(id, 16), byte(id, 8), byte(id, 0),
        0, 0, 0, static_cast<char>(code)};
    party_.write({frame, sizeof frame});
}

void Session::begin_head(std::string_view status) {
    scratch_.pairs_.clear();
    scratch_.pairs_.push_back(
        {":status", status.data(), 7, status.size(), NGHTTP2_NV_FLAG_NO_COPY_NAME});
}

void Session::add(std::string_view name, std::string_view value) {
    scratch_.pairs_.push_back(
        {name.data(), value.data(), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
}

bool Session::submit_head(Stream& stream, bool end) {
    nghttp2_data_provider2 provider{};
    provider.source.ptr = &stream;
    provider.read_callback = &Callbacks::read;
    stream.headed = true;
    if (end) stream.out_ended = true;
    std::vector<Pair>& pairs = scratch_.pairs_;
    return nghttp2_submit_response2(session_, stream.id, as_nghttp2(pairs.data()), pairs.size(),
                                    end ? nullptr : &provider) == 0;
}

bool Session::submit_interim(Stream& stream) {
    std::vector<Pair>& pairs = scratch_.pairs_;
    return nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, stream.id, nullptr,
                                  as_nghttp2(pairs.data()), pairs.size(), nullptr) == 0;
}

void Session::begin_request(const RequestLine& line) {
    scratch_.pairs_.clear();
    add(":method", line.method);
    if (!line.protocol.empty()) add(":protocol", line.protocol);
    if (!line.scheme.empty()) add(":scheme", line.scheme);
    add(":authority", line.authority);
    if (!line.path.empty()) add(":path", line.path);
}

Stream* Session::submit_promise(const Stream& on) {
    std::vector<Pair>& pairs = scratch_.pairs_;
    const std::int32_t id = nghttp2_submit_push_promise(
        session_, NGHTTP2_FLAG_NONE, on.id, as_nghttp2(pairs.data()), pairs.size(), nullptr);
    if (id < 0) return nullptr;
    Stream* stream = party_.make_stream();
    if (stream == nullptr) {
        nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_INTERNAL_ERROR);
        return nullptr;
    }
    stream->id = id;
    stream->remote_ended = true;
    streams_.push_back(*stream);
    nghttp2_session_set_stream_user_data(session_, id, stream);
    return stream;
}

void Session::resume(Stream& stream) noexcept {
    if (!stream.waiting || stream.closed) return;
    stream.waiting = false;
    nghttp2_session_resume_data(session_, stream.id);
}

void Session::reset(Stream& stream, std::uint32_t code) noexcept {
    if (stream.closed || stream.reset_sent) return;
    stream.reset_sent = true;
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, code);
}

void Session::announce_end() noexcept { nghttp2_submit_shutdown_notice(session_); }

void Session::refuse_streams() noexcept {
    leaving_ = true;
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                          nullptr, 0);
}

void Session::terminate(Code code) noexcept {
    nghttp2_session_terminate_session(session_, static_cast<std::uint32_t>(code));
}

void Session::ping() noexcept { nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr); }

// -- state ----------------------------------------------------------------------------------------

bool Session::over() const noexcept {
    return broken_ ||
           (nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0);
}

bool Session::has_output() const noexcept { return nghttp2_session_want_write(session_) != 0; }

std::size_t Session::queued_frames() const noexcept {
    return nghttp2_session_get_outbound_queue_size(session_);
}

bool Session::may_promise() const noexcept {
    return introduced_ &&
           nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_ENABLE_PUSH) != 0;
}

std::uint32_t Session::peer_streams_max() const noexcept {
    return nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

bool Session::is_stalled(const Stream& stream) const noexcept {
    if (!stream.headed && !is_client()) return false;
    if (stream.is_promised() && is_reserved(stream)) [[unlikely]]
        return true;
    return stream.has_output() &&
           (nghttp2_session_get_stream_remote_window_size(session_, stream.id) <= 0 ||
            nghttp2_session_get_remote_window_size(session_) <= 0);
}

/// The head of its answer has not left.
bool Session::is_reserved(const Stream& stream) const noexcept {
    nghttp2_stream* known = nghttp2_session_find_stream(session_, stream.id);
    return known != nullptr &&
           nghttp2_stream_get_state(known) == NGHTTP2_STREAM_STATE_RESERVED_LOCAL;
}

/// Whoever is sent DATA may well answer each frame with two WINDOW_UPDATEs.
void Session::note_sent(std::uint32_t frames) noexcept {
    constexpr std::int32_t most = 1 << 20;
    window_updates_ = std::min(most, window_updates_ + static_cast<std::int32_t>(2 * frames));
}

} // namespace hc::h2
