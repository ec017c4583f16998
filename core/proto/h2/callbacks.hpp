// nghttp2's callbacks of a session. Private to it.
#pragma once

#include <nghttp2/nghttp2.h>

#include "core/proto/h2/session.hpp"

namespace hc::h2 {

/// They record. None of them calls nghttp2 for more than a stream's data, but for trailers, which
/// nghttp2 wants to be submitted where the last bytes are read.
struct Session::Callbacks {
    static void set(nghttp2_session_callbacks* callbacks) noexcept;

    static int begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* user);
    static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user);
    static int header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                      std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                      std::uint8_t flags, void* user);
    static int invalid_header(nghttp2_session*, const nghttp2_frame* frame,
                              const std::uint8_t* name, std::size_t name_size,
                              const std::uint8_t* value, std::size_t value_size, std::uint8_t flags,
                              void* user);
    static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user);
    static int invalid_frame(nghttp2_session*, const nghttp2_frame* frame, int error, void* user);
    static int data(nghttp2_session*, std::uint8_t flags, std::int32_t id,
                    const std::uint8_t* bytes, std::size_t size, void* user);
    static int stream_closed(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user);
    static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user);
    static int frame_not_sent(nghttp2_session*, const nghttp2_frame* frame, int error, void* user);
    static nghttp2_ssize read(nghttp2_session*, std::int32_t id, std::uint8_t* buffer,
                              std::size_t size, std::uint32_t* flags, nghttp2_data_source* source,
                              void* user);
    static int send_data(nghttp2_session*, nghttp2_frame* frame, const std::uint8_t* head,
                         std::size_t size, nghttp2_data_source* source, void* user);

private:
    static Stream* stream_of(nghttp2_session* session, std::int32_t id) noexcept {
        return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
    }
    static int go_on(const Session& self) noexcept {
        return self.guard_.spent() ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
    }
    static void headers_received(Session& self, const nghttp2_frame& frame);
    static void promise_sent(nghttp2_session* session, Session& self,
                             const nghttp2_push_promise& promise);
    // a client's, in client.cpp
    static int begin_answer(nghttp2_session* session, const nghttp2_frame* frame, Session& self);
    static void answer_received(Session& self, Stream& stream, std::uint32_t number, bool ended);
    static void request_sent(Session& self, std::int32_t id);
    static void leave_received(Session& self, const nghttp2_goaway& goaway);
    static void send_trailers(nghttp2_session* session, Stream& stream);
};

inline nghttp2_nv* as_nghttp2(Pair* pairs) noexcept { return reinterpret_cast<nghttp2_nv*>(pairs); }

} // namespace hc::h2
