// Server push (RFC 9113, section 8.4): promises go out before what is sent of the answer that they
// belong to, and become requests like the client's own once they have left.
#include <algorithm>

#include "core/link/h2_driver.hpp"
#include "core/link/h2_shared.hpp"

namespace hc::link {

ErrorKind H2Stream::drive_promise(Exchange&, const Promise& promise) {
    return driver_.promise(*this, promise);
}

ErrorKind H2Driver::promise(const H2Stream& on, const Promise& promise) {
    if (!session_->may_promise()) return ErrorKind::unsupported;
    if (on.is_promised() || on.connect_) return ErrorKind::state;
    if (leaving_ != Leaving::no || session_->peer_is_leaving()) return ErrorKind::state;
    const std::uint32_t most =
        std::min(context_.limits.h2_pushes_max, session_->peer_streams_max());
    if (pushes_ >= most) return ErrorKind::limit;
    const http::HeadView& head = on.exchange_->head();
    session_->begin_request({.method = http::method_text(promise.method),
                             .scheme = head.text(head.scheme),
                             .authority = head.text(head.authority),
                             .path = promise.path,
                             .protocol = {}});
    for (const http::Field& field : promise.fields) session_->add(field.name(), field.value());
    if (session_->submit_promise(on) == nullptr) {
        return on.closed ? ErrorKind::closed : ErrorKind::no_memory;
    }
    ++pushes_;
    flush_later();
    return ErrorKind::ok;
}

} // namespace hc::link
