// What is a client's alone in a session: its requests, and what the server says of them.
#include <nghttp2/nghttp2.h>

#include "core/proto/h2/callbacks.hpp"

namespace hc::h2 {

std::unique_ptr<Session> Session::client(const ConnectionLimits& limits, Scratch& scratch,
                                         Party& party, Instant now) {
    return make(Role::client, limits, scratch, party, now);
}

bool Session::may_connect() const noexcept {
    return nghttp2_session_get_remote_settings(session_,
                                               NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) != 0;
}

/// nghttp2 would let a request that is one too many wait; whoever makes it may know another
/// connection.
Submitted Session::submit_request(Stream& stream, bool end) {
    std::vector<Pair>& pairs = scratch_.pairs_;
    if (failed_ || leaving_ || goaway_seen_) return Submitted::leaving;
    if (pairs.size() > 1 && std::string_view(pairs[1].name, pairs[1].name_size) == ":protocol" &&
        !may_connect()) {
        return Submitted::unsupported;
    }
    if (requests_open_ >= peer_streams_max()) return Submitted::too_many;
    nghttp2_data_provider2 provider{};
    provider.source.ptr = &stream;
    provider.read_callback = &Callbacks::read;
    const std::int32_t id =
        nghttp2_submit_request2(session_, nullptr, as_nghttp2(pairs.data()), pairs.size(),
                                end ? nullptr : &provider, &stream);
    if (id == NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE) return Submitted::leaving;
    if (id < 0) return Submitted::no_memory;
    stream.id = id;
    if (end) stream.out_ended = true;
    streams_.push_back(stream);
    ++requests_open_;
    return Submitted::ok;
}

/// The head of an answer has begun, or trailers have.
int Session::Callbacks::begin_answer(nghttp2_session* session, const nghttp2_frame* frame,
                                     Session& self) {
    Stream* stream = stream_of(session, frame->hd.stream_id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    self.in_head_ = stream;
    self.scratch_.heads.begin(stream->headed ? Heads::Kind::trailers : Heads::Kind::answer,
                              self.limits_);
    return 0;
}

/// It is complete.
void Session::Callbacks::answer_received(Session& self, Stream& stream, std::uint32_t number,
                                         bool ended) {
    if (stream.headed) {
        self.record({.kind = Event::Kind::trailers, .number = number, .stream = &stream});
        if (ended) self.record({.kind = Event::Kind::end, .stream = &stream});
        return;
    }
    const int status = self.scratch_.heads.at(number).view.status;
    if (status >= 100 && status < 200) {
        self.count(Glitch::ignored); // a few are of use, many are none
        self.record({.kind = Event::Kind::interim, .number = number, .stream = &stream});
        return;
    }
    stream.headed = true;
    self.guard_.earn();
    self.record({.kind = Event::Kind::head, .number = number, .stream = &stream});
}

/// From here on the server knows the stream.
void Session::Callbacks::request_sent(Session& self, std::int32_t id) {
    self.past_.begin(id);
    ++self.resets_due_;
}

/// The server takes no more requests; those that it has not begun with are closed next.
void Session::Callbacks::leave_received(Session& self, const nghttp2_goaway& goaway) {
    self.record({.kind = Event::Kind::leaving, .number = goaway.error_code});
}

} // namespace hc::h2
