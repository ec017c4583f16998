#include "core/link/event_stream.hpp"

namespace hc::link {

EventStream* EventStream::of(Exchange& exchange) {
    if (Stage* stage = exchange.stage()) {
        const bool is_one = stage->kind == Kind::event_stream;
        return is_one ? static_cast<EventStream*>(stage) : nullptr;
    }
    if (exchange.closed() || exchange.released()) return nullptr;
    std::unique_ptr<EventStream> made(new EventStream(exchange));
    EventStream& stream = *made;
    exchange.set_stage(std::move(made));
    stream.arm();
    return &stream;
}

ErrorKind EventStream::begin(Exchange& exchange) {
    const http::Field fields[] = {
        {"content-type", "text/event-stream", http::FieldName::content_type},
        {"cache-control", "no-store", http::FieldName::cache_control},
        {"x-accel-buffering", "no"},
    };
    return exchange.respond(200, fields, {}, {});
}

void EventStream::on_request(Exchange& exchange, bool ended) {
    exchange.user().on_request(exchange, ended);
}
void EventStream::on_body(Exchange& exchange, std::string_view bytes) {
    exchange.user().on_body(exchange, bytes);
}
void EventStream::on_body_end(Exchange& exchange) { exchange.user().on_body_end(exchange); }
void EventStream::on_writable(Exchange& exchange) { exchange.user().on_writable(exchange); }

void EventStream::on_closed(Exchange& exchange, ErrorKind why) {
    go();
    if (!exchange.released()) exchange.user().on_closed(exchange, why);
}

void EventStream::on_release(Exchange&) { go(); }

void EventStream::go() {
    exchange_.worker().timers().cancel(*this);
    subscriptions.reset();
}

/// The client reconnects, to somebody else, with the id of the last event.
bool EventStream::on_going_away(Exchange& exchange) {
    go();
    return exchange.finish({}) == ErrorKind::ok;
}

void EventStream::arm() {
    const std::uint32_t ms = exchange_.context().limits.sse_heartbeat_ms;
    sent_ = exchange_.body_bytes_sent();
    if (ms == 0) return;
    exchange_.worker().timers().set(*this, exchange_.worker().now() + milliseconds(ms));
}

void EventStream::on_timer(runtime::Timer& timer) noexcept {
    static_cast<EventStream&>(timer).beat();
}

/// A comment, when nothing else was sent: else something on the way would take the connection for
/// dead, and so would we not notice that it is.
void EventStream::beat() {
    const bool quiet = exchange_.body_bytes_sent() == sent_;
    if (quiet && !exchange_.answer_finished() && !exchange_.over_watermark()) {
        exchange_.send_anyway(":\n\n");
    }
    arm();
}

} // namespace hc::link
