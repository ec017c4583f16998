#include "core/proto/h2/callbacks.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace hc::h2 {

namespace {

Session& self_of(void* user) noexcept { return *static_cast<Session*>(user); }
std::string_view text(const std::uint8_t* bytes, std::size_t size) noexcept {
    return {reinterpret_cast<const char*>(bytes), size};
}

constexpr std::size_t frame_head_size = 9;
/// A piece of a body up to this size is copied behind its frame's head; a longer one is moved.
constexpr std::size_t copied_max = 4 * 1024;

/// No exception passes through nghttp2: what runs out of memory fails.
template <auto Call>
struct Caught;
template <class Result, class... Args, Result (*Call)(Args...)>
struct Caught<Call> {
    static Result call(Args... args) noexcept {
        try {
            return Call(args...);
        } catch (const std::bad_alloc&) {
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        }
    }
};

} // namespace

void Session::Callbacks::set(nghttp2_session_callbacks* callbacks) noexcept {
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, &Caught<&begin_frame>::call);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks,
                                                            &Caught<&begin_headers>::call);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, &Caught<&header>::call);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks,
                                                             &Caught<&invalid_header>::call);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &Caught<&frame_received>::call);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks,
                                                                 &Caught<&invalid_frame>::call);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &Caught<&data>::call);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks,
                                                           &Caught<&stream_closed>::call);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, &Caught<&frame_sent>::call);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks,
                                                             &Caught<&frame_not_sent>::call);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, &Caught<&send_data>::call);
}

// -- in -------------------------------------------------------------------------------------------

/// HEADERS once more: what came before in the slice may have begun or ended its stream.
int Session::Callbacks::begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* user) {
    if (head->type != NGHTTP2_HEADERS) return 0;
    const FrameHead frame{.size = static_cast<std::uint32_t>(head->length),
                          .type = head->type,
                          .stream = head->stream_id};
    return self_of(user).is_in_order(frame) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

int Session::Callbacks::begin_headers(nghttp2_session* session, const nghttp2_frame* frame,
                                      void* user) {
    Session& self = self_of(user);
    self.drop_head();
    if (self.is_client()) return begin_answer(session, frame, self);
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        self.in_head_ = stream_of(session, frame->hd.stream_id);
        self.scratch_.heads.begin(Heads::Kind::trailers, self.limits_);
        return 0;
    }
    Stream* stream = self.party_.make_stream();
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    stream->id = frame->hd.stream_id;
    self.past_.begin(stream->id);
    self.streams_.push_back(*stream);
    self.in_head_ = stream;
    nghttp2_session_set_stream_user_data(session, stream->id, stream);
    self.scratch_.heads.begin(Heads::Kind::request, self.limits_);
    return 0;
}

int Session::Callbacks::header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name,
                               std::size_t name_size, const std::uint8_t* value,
                               std::size_t value_size, std::uint8_t, void* user) {
    Session& self = self_of(user);
    Heads& heads = self.scratch_.heads;
    const std::size_t most = self.limits_.header_bytes_max;
    const std::size_t before = heads.list_size() / most;
    heads.add(text(name, name_size), text(value, value_size));
    // Each time that it is as long again as it may be.
    if (heads.list_size() / most != before) [[unlikely]] {
        self.count(Glitch::large_head, 10);
        return go_on(self);
    }
    return 0;
}

/// nghttp2 would leave the field out. A message with such a field is malformed (RFC 9113, section
/// 8.2.1).
int Session::Callbacks::invalid_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t*,
                                       std::size_t, const std::uint8_t*, std::size_t, std::uint8_t,
                                       void* user) {
    Session& self = self_of(user);
    self.drop_head();
    self.count(Glitch::bad_field);
    if (self.guard_.spent()) return NGHTTP2_ERR_CALLBACK_FAILURE;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

void Session::Callbacks::headers_received(Session& self, const nghttp2_frame& frame) {
    Heads& heads = self.scratch_.heads;
    if (!heads.open() || self.in_head_ == nullptr) return;
    Stream& stream = *self.in_head_;
    const bool ended = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    const bool request = heads.kind() == Heads::Kind::request;
    const std::uint32_t number = heads.finish(ended);
    self.in_head_ = nullptr;
    if (self.is_client()) {
        if (ended) stream.remote_ended = true;
        return answer_received(self, stream, number, ended);
    }
    if (request) self.guard_.earn();
    self.record({.kind = request ? Event::Kind::head : Event::Kind::trailers,
                 .number = number,
                 .stream = &stream});
    if (!ended) return;
    stream.remote_ended = true;
    if (!request) self.record({.kind = Event::Kind::end, .stream = &stream});
}

int Session::Callbacks::frame_received(nghttp2_session* session, const nghttp2_frame* frame,
                                       void* user) {
    Session& self = self_of(user);
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS: headers_received(self, *frame); break;
    case NGHTTP2_DATA:
        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) {
            if (frame->data.padlen > 0 && frame->data.padlen == frame->hd.length) {
                self.count(Glitch::empty);
            }
            break;
        }
        if (Stream* stream = stream_of(session, frame->hd.stream_id)) {
            stream->remote_ended = true;
            self.record({.kind = Event::Kind::end, .stream = stream});
        }
        break;
    case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
            self.introduced_ = true;
        } else if (self.round_trip_ == Duration::zero()) {
            constexpr Duration shortest = std::chrono::milliseconds(1);
            self.round_trip_ = std::max(shortest, self.now_ - self.shaken_at_);
            self.record({.kind = Event::Kind::shook});
        }
        break;
    case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) self.record({.kind = Event::Kind::pong});
        break;
    case NGHTTP2_GOAWAY:
        if (self.is_client()) leave_received(self, frame->goaway);
        break;
    default: break;
    }
    return 0;
}

/// A frame that nghttp2 answers with a reset of its stream or with the end of the connection.
int Session::Callbacks::invalid_frame(nghttp2_session* session, const nghttp2_frame* frame,
                                      int error, void* user) {
    Session& self = self_of(user);
    if (frame->hd.type == NGHTTP2_HEADERS) self.drop_head();
    // Where there is a stream it is counted when the reset goes (stream_closed).
    const std::int32_t id = frame->hd.stream_id;
    if (stream_of(session, id) == nullptr) {
        self.count(Glitch::ignored);
        if (id > self.past_.last() && !self.is_ours(id)) { // refused
            self.past_.begin(id);
            self.past_.cut(id);
        }
    } else if (frame->hd.type == NGHTTP2_WINDOW_UPDATE && error == NGHTTP2_ERR_FLOW_CONTROL) {
        self.overflown_ = id;
    }
    return go_on(self);
}

int Session::Callbacks::data(nghttp2_session* session, std::uint8_t, std::int32_t id,
                             const std::uint8_t* bytes, std::size_t size, void* user) {
    Session& self = self_of(user);
    Stream* stream = stream_of(session, id);
    if (stream == nullptr) {
        nghttp2_session_consume_connection(session, size);
    } else if (size > 0) {
        self.record({.kind = Event::Kind::data, .stream = stream, .data = text(bytes, size)});
    }
    return 0;
}

int Session::Callbacks::stream_closed(nghttp2_session* session, std::int32_t id, std::uint32_t code,
                                      void* user) {
    Session& self = self_of(user);
    Stream* stream = stream_of(session, id);
    if (stream == nullptr) return 0;
    if (self.in_head_ == stream) self.drop_head();
    stream->closed = true;
    const bool by_us = self.in_pull_;
    const bool known = id <= self.past_.last() || !self.is_client();
    if (by_us && !stream->remote_ended && known) self.past_.cut(id);
    if (by_us && code != NGHTTP2_NO_ERROR && !stream->reset_sent) self.count(Glitch::reset_by_us);
    if (self.is_client()) --self.requests_open_;
    self.record({.kind = Event::Kind::closed,
                 .by_us = by_us,
                 .untouched = self.is_client() && (!known || code == NGHTTP2_REFUSED_STREAM),
                 .number = code,
                 .stream = stream});
    return 0;
}

// -- out ------------------------------------------------------------------------------------------

int Session::Callbacks::frame_sent(nghttp2_session* session, const nghttp2_frame* frame,
                                   void* user) {
    Session& self = self_of(user);
    if (frame->hd.type > NGHTTP2_HEADERS) { // neither DATA nor HEADERS
        if (frame->hd.type == NGHTTP2_PUSH_PROMISE) {
            promise_sent(session, self, frame->push_promise);
        }
        const bool error = frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != 0;
        self.failed_ = self.failed_ || error;
        return 0;
    }
    if (frame->hd.type == NGHTTP2_DATA) {
        self.note_sent(1);
    } else if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        request_sent(self, frame->hd.stream_id);
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    if (Stream* stream = stream_of(session, frame->hd.stream_id)) {
        stream->end_sent = true;
        // Else it is closed now, which says the same.
        if (!stream->remote_ended) self.record({.kind = Event::Kind::sent, .stream = stream});
    }
    return 0;
}

/// From here on the promised request is one as the peer's own are.
void Session::Callbacks::promise_sent(nghttp2_session* session, Session& self,
                                      const nghttp2_push_promise& promise) {
    Stream* stream = stream_of(session, promise.promised_stream_id);
    if (stream == nullptr) return;
    ++self.resets_due_;
    Heads& heads = self.scratch_.heads;
    heads.begin(Heads::Kind::request, self.limits_);
    for (std::size_t i = 0; i < promise.nvlen; ++i) {
        const nghttp2_nv& field = promise.nva[i];
        heads.add(text(field.name, field.namelen), text(field.value, field.valuelen));
    }
    const std::uint32_t number = heads.finish(true);
    heads.at(number).view.promised = true;
    self.record({.kind = Event::Kind::head, .number = number, .stream = stream});
}

int Session::Callbacks::frame_not_sent(nghttp2_session* session, const nghttp2_frame* frame,
                                       int error, void*) {
    if (frame->hd.type == NGHTTP2_PUSH_PROMISE) {
        // Its stream is closed next, without a word to the peer, which never knew of it.
        Stream* stream = stream_of(session, frame->push_promise.promised_stream_id);
        if (stream != nullptr) stream->reset_sent = true;
        return 0;
    }
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        Stream* stream = stream_of(session, frame->hd.stream_id);
        if (stream != nullptr) stream->reset_sent = true;
        return 0; // as with a promise
    }
    const bool gone = error == NGHTTP2_ERR_STREAM_CLOSED || error == NGHTTP2_ERR_STREAM_CLOSING;
    if (frame->hd.type == NGHTTP2_HEADERS && !gone) {
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                  NGHTTP2_INTERNAL_ERROR);
    }
    return 0;
}

void Session::Callbacks::send_trailers(nghttp2_session* session, Stream& stream) {
    std::vector<nghttp2_nv> fields;
    fields.reserve(stream.trailers->size());
    for (auto& [name, value] : *stream.trailers) {
        fields.push_back({reinterpret_cast<std::uint8_t*>(name.data()),
                          reinterpret_cast<std::uint8_t*>(value.data()), name.size(), value.size(),
                          NGHTTP2_NV_FLAG_NONE});
    }
    nghttp2_submit_trailer(session, stream.id, fields.data(), fields.size());
}

nghttp2_ssize Session::Callbacks::read(nghttp2_session* session, std::int32_t, std::uint8_t* buffer,
                                       std::size_t size, std::uint32_t* flags,
                                       nghttp2_data_source* source, void* user) {
    Session& self = self_of(user);
    Stream& stream = *static_cast<Stream*>(source->ptr);
    if (!stream.has_output() && !stream.out_ended) {
        stream.waiting = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    std::size_t n = 0;
    if (stream.small_size > stream.small_taken) {
        n = std::min<std::size_t>(size, stream.small_size - stream.small_taken);
        std::memcpy(buffer, stream.small.data() + stream.small_taken, n);
        stream.small_taken = static_cast<std::uint16_t>(stream.small_taken + n);
        stream.moved_at = self.now_;
    } else {
        n = static_cast<std::size_t>(std::min<std::uint64_t>(size, stream.out.size()));
        if (n > 0) *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    }
    // What is not copied leaves `out` in send_data().
    const std::size_t leaving = (*flags & NGHTTP2_DATA_FLAG_NO_COPY) != 0 ? n : 0;
    if (stream.output_size() == leaving && stream.out_ended) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (stream.trailers != nullptr) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            send_trailers(session, stream);
        }
    }
    return static_cast<nghttp2_ssize>(n);
}

int Session::Callbacks::send_data(nghttp2_session*, nghttp2_frame*, const std::uint8_t* head,
                                  std::size_t size, nghttp2_data_source* source, void* user) {
    Session& self = self_of(user);
    Stream& stream = *static_cast<Stream*>(source->ptr);
    const Chunk* front = stream.out.head();
    const std::uint64_t before = stream.out.memory_size();
    if (size <= copied_max && front->kind != Chunk::Kind::file && front->size >= size) {
        char* out = self.party_.reserve(frame_head_size + size);
        std::memcpy(out, head, frame_head_size);
        std::memcpy(out + frame_head_size, front->data, size);
        self.party_.commit(frame_head_size + size);
        stream.out.consume(size);
    } else {
        Chain piece;
        piece.append_block(text(head, frame_head_size));
        piece.append(stream.out.take(size));
        self.party_.write(std::move(piece));
    }
    self.waiting_bytes_ -= before - stream.out.memory_size();
    stream.moved_at = self.now_;
    if (!stream.moved && !stream.out_ended) {
        stream.moved = true;
        self.record({.kind = Event::Kind::moved, .stream = &stream});
    }
    return 0;
}

} // namespace hc::h2
