// The time limits of H2Driver and its streams.
#include "core/link/h2_driver.hpp"
#include "core/link/h2_shared.hpp"

namespace hc::link {

namespace {

Instant after(Instant at, std::uint32_t timeout_ms) noexcept {
    return timeout_ms == 0 ? Instant::never() : at + milliseconds(timeout_ms);
}

} // namespace

/// What time limit of the connection is next.
H2Driver::Due H2Driver::due() noexcept {
    const ConnectionLimits& limits = context_.limits;
    Due due{Instant::never(), Due::none};
    const auto by = [&due](Instant at, Due::Limit limit) {
        if (at < due.at) due = {at, limit};
    };
    if (transport_->queued() > 0) {
        by(after(output_at_, limits.write_timeout_ms), Due::write);
    } else if (phase_ == Phase::lingering) {
        by(after(output_at_, limits.linger_timeout_ms), Due::lingering);
    }
    if (phase_ != Phase::open) return due;
    if (!session_->introduced() || session_->in_head()) {
        by(after(head_at_, limits.header_timeout_ms), Due::header);
    } else if (live_ == 0) {
        by(after(idle_at_, limits.idle_timeout_ms), Due::idle);
    }
    if (leaving_ == Leaving::announced) {
        by(after(leaving_at_, limits.linger_timeout_ms), Due::leaving);
    }
    if (limits.h2_ping_interval_ms != 0 && session_->introduced()) {
        by(pinged_ ? after(ping_at_, limits.h2_ping_timeout_ms)
                   : after(input_at_, limits.h2_ping_interval_ms),
           Due::ping);
    }
    session_->streams().for_each(
        [&](h2::Stream& stream) { by(due_of(static_cast<H2Stream&>(stream)).at, Due::streams); });
    return due;
}

/// The same of a stream.
H2Driver::StreamDue H2Driver::due_of(const H2Stream& stream) const noexcept {
    const ConnectionLimits& limits = context_.limits;
    StreamDue due{Instant::never(), StreamDue::none};
    const auto by = [&due](Instant at, StreamDue::Limit limit) {
        if (at < due.at) due = {at, limit};
    };
    if (stream.closed) return due;
    if (session_->is_stalled(stream)) {
        by(after(stream.moved_at, limits.h2_stall_timeout_ms), StreamDue::stall);
    }
    if (stream.end_sent && !stream.reset_sent && !stream.unwanted_at_.is_never()) {
        by(after(stream.unwanted_at_, limits.linger_timeout_ms), StreamDue::rest);
    }
    if (stream.exchange_ == nullptr || stream.told_ || stream.tunnel_) return due;
    if (!stream.answered_) {
        by(after(stream.exchange_->started(), limits.request_timeout_ms), StreamDue::request);
    }
    if (!stream.request_read_ && stream.held_ == 0 && stream.exchange_->wants_body()) {
        by(after(stream.input_at_, limits.body_timeout_ms), StreamDue::body);
    }
    return due;
}

void H2Driver::arm(Instant at) noexcept {
    if (phase_ != Phase::gone) context_.worker.timers().set(*this, at);
}

void H2Driver::on_timer(runtime::Timer& timer) noexcept { static_cast<H2Driver&>(timer).expire(); }

void H2Driver::expire() {
    const Due next = due();
    if (next.at > context_.worker.now()) {
        context_.worker.timers().set(*this, next.at);
        return;
    }
    switch (next.limit) {
    case Due::none: return;
    case Due::write:
        context_.counters.timeouts.add();
        each_stream([this](H2Stream& stream) { lose(stream, ErrorKind::timeout); });
        return vanish(true);
    case Due::lingering:
        // In order: the kernel may still be sending what it took, to a peer that is slow to read.
        return vanish(false);
    case Due::header:
        context_.counters.timeouts.add();
        lose_all(ErrorKind::timeout);
        session_->terminate(session_->introduced() ? h2::Code::protocol_error
                                                   : h2::Code::settings_timeout);
        break;
    case Due::idle: session_->terminate(h2::Code::no_error); break;
    case Due::leaving: stop_accepting(); break;
    case Due::ping: expire_ping(); break;
    case Due::streams: expire_streams(); break;
    }
    if (phase_ == Phase::gone) return;
    flush();
    if (phase_ != Phase::gone) arm(context_.worker.now() + context_.shortest_timeout);
}

void H2Driver::expire_ping() {
    if (pinged_) {
        context_.counters.timeouts.add();
        each_stream([this](H2Stream& stream) { lose(stream, ErrorKind::timeout); });
        return vanish(true);
    }
    pinged_ = true;
    ping_at_ = context_.worker.now();
    session_->ping();
}

void H2Driver::expire_streams() {
    const Instant now = context_.worker.now();
    each_stream([this, now](H2Stream& stream) {
        if (phase_ == Phase::gone) return;
        const StreamDue next = due_of(stream);
        if (next.at <= now) expire_stream(stream, next.limit);
    });
}

void H2Driver::expire_stream(H2Stream& stream, StreamDue::Limit limit) {
    if (limit != StreamDue::rest) context_.counters.timeouts.add();
    switch (limit) {
    case StreamDue::none: return;
    case StreamDue::rest: return session_->reset(stream, h2::Code::no_error);
    case StreamDue::request: return drop(stream, ErrorKind::timeout, 503, context_.retry_after_s);
    case StreamDue::body: return drop(stream, ErrorKind::timeout, 408, 0);
    case StreamDue::stall:
        context_.counters.h2_stalls.add();
        session_->reset(stream, h2::Code::cancel);
        return lose(stream, ErrorKind::timeout);
    }
}

} // namespace hc::link
