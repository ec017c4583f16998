// How streams and connections of H2Driver end.
#include <utility>

#include "core/link/h2_driver.hpp"
#include "core/link/h2_shared.hpp"

namespace hc::link {

// -- streams --------------------------------------------------------------------------------------

/// The last byte of its answer has left.
bool H2Driver::is_handed_over(const H2Stream& stream) const noexcept {
    return transport_->queued() == 0 || stream.end_at_ + transport_->queued() <= written_;
}

/// Ends the exchange when both of its sides are done: at once when its user has let go, else when
/// the answer was handed over.
void H2Driver::settle(H2Stream& stream) {
    if (stream.exchange_ == nullptr || stream.told_ || !stream.is_done()) return;
    Exchange& exchange = *stream.exchange_;
    if (!exchange.released() && !is_handed_over(stream)) {
        if (!stream.H2EndingNode::linked()) ending_.push_back(stream);
        return;
    }
    stream.H2EndingNode::unlink();
    stream.told_ = stream.settling_ = true;
    exchange.complete(); // the user may release it in here
    stream.settling_ = false;
    if (stream.exchange_ != nullptr && exchange.released()) let_go(stream);
}

void H2Driver::settle_written() {
    while (!ending_.empty() && is_handed_over(ending_.front())) {
        H2Stream& stream = ending_.front();
        stream.H2EndingNode::unlink();
        settle(stream);
        if (phase_ == Phase::gone) return;
    }
}

/// The exchange ends for another reason. It counts until its user has let go.
void H2Driver::lose(H2Stream& stream, ErrorKind why) {
    if (stream.exchange_ == nullptr || std::exchange(stream.told_, true)) return;
    stream.H2EndingNode::unlink();
    Exchange& exchange = *stream.exchange_;
    const bool released = exchange.released();
    stream.early_.reset();
    account(stream);
    // What is to be sent in order still is.
    if (!stream.out_ended || stream.reset_sent || stream.closed) session_->drop_output(stream);
    exchange.fail(why); // the user may release it in here
    if (released) let_go(stream);
}

/// Nothing is between the two any more.
void H2Driver::let_go(H2Stream& stream) {
    Exchange* exchange = std::exchange(stream.exchange_, nullptr);
    if (exchange == nullptr) return;
    stream.early_.reset();
    account(stream);
    exchange->detach();
    retire_if_gone(stream);
}

/// Its user has let go of it.
void H2Driver::released(H2Stream& stream) {
    if (stream.settling_) return; // settle() goes on
    if (stream.told_) return let_go(stream);
    account(stream);
    if (stream.tunnel_) {
        // In order: the peer gets all of it, and its own end is not waited for.
        if (!stream.answered_) end_answer(stream, {});
        end_unwanted(stream);
    } else if (!stream.answered_) {
        give_up(stream);
    } else {
        end_unwanted(stream);
        settle(stream);
    }
    flush_later();
}

/// It is not answered. A client that got nothing yet is told; one in the middle of an answer is cut
/// off.
void H2Driver::give_up(H2Stream& stream) {
    const bool begun = stream.exchange_->answer_begun();
    lose(stream, ErrorKind::cancelled);
    if (begun) {
        session_->reset(stream, h2::Code::internal_error);
    } else {
        answer_simply(stream, 500, 0);
    }
}

/// The same at our side's wish: `status` when nothing was answered yet.
void H2Driver::drop(H2Stream& stream, ErrorKind why, int status, std::uint32_t retry_after_s) {
    const bool begun = stream.headed;
    lose(stream, why);
    if (begun || stream.closed) {
        session_->reset(stream, h2::Code::cancel);
        flush_later();
    } else {
        answer_simply(stream, status, retry_after_s);
    }
}

/// The answer is out and nobody wants the rest of the request: the client may stop (RFC 9113,
/// section 8.1). Most are about to end it anyway, and some take even such a reset for an error: so
/// there is a little time for it.
void H2Driver::end_unwanted(H2Stream& stream) {
    if (!stream.end_sent || stream.remote_ended || stream.closed || !stream.body_is_unwanted()) {
        return;
    }
    if (stream.unwanted_at_.is_never()) stream.unwanted_at_ = context_.worker.now();
    if (stream.rest_is_long() || context_.limits.linger_timeout_ms == 0) {
        session_->reset(stream, h2::Code::no_error);
        flush_later();
    }
}

void H2Driver::stream_closed(H2Stream& stream, bool by_us) {
    session_->drop_output(stream); // nothing of it can be sent any more
    const bool whole = stream.end_sent && (stream.request_read_ || stream.body_is_unwanted());
    if (!whole) {
        // What the peer did wrong nghttp2 has answered.
        lose(stream, by_us ? ErrorKind::protocol : ErrorKind::reset);
    } else if (!stream.told_) {
        if (stream.end_at_ == 0) stream.end_at_ = written_;
        settle(stream);
    }
    retire_if_gone(stream);
}

void H2Driver::retire_if_gone(H2Stream& stream) {
    if (stream.exchange_ != nullptr || !stream.closed || std::exchange(stream.dead_, true)) return;
    stream.h2::StreamNode::unlink();
    stream.H2EndingNode::unlink();
    dead_.push_back(stream);
    if (stream.is_promised()) --pushes_;
    if (--live_ == 0) idle_at_ = context_.worker.now();
    flush_later();
}

/// Not where it ended: whoever ended it may be a call of its own.
void H2Driver::bury() {
    while (H2Stream* stream = dead_.pop_front()) shared_->back(*stream);
}

// -- the connection -------------------------------------------------------------------------------

void H2Driver::drain() noexcept {
    if (phase_ != Phase::open || leaving_ != Leaving::no) return;
    leaving_ = Leaving::announced;
    leaving_at_ = context_.worker.now();
    session_->announce_end();
    session_->ping(); // its answer tells that the announcement was read
    flush_later();
    rearm();
}

/// The second step: what was accepted by now is served, and then it is over.
void H2Driver::stop_accepting() noexcept {
    leaving_ = Leaving::last;
    session_->refuse_streams();
    flush_later();
}

void H2Driver::hurry() noexcept {
    if (phase_ != Phase::open) return;
    drain();
    each_stream([this](H2Stream& stream) {
        if (stream.exchange_ == nullptr || stream.told_) return;
        if (stream.exchange_->going_away() || !stream.tunnel_) return;
        stream.out_ended = stream.answered_ = true;
        session_->resume(stream);
        lose(stream, ErrorKind::closed);
        end_unwanted(stream);
    });
    if (live_ == 0 && leaving_ == Leaving::announced) stop_accepting();
    flush_later();
}

void H2Driver::lose_all(ErrorKind why) {
    each_stream([this, why](H2Stream& stream) {
        if (!stream.is_done()) lose(stream, why);
    });
}

/// All is said on both sides, or one of them has broken off.
void H2Driver::finish_if_over() {
    const bool over = session_->over();
    bool idle = input_ended_;
    if (idle && !over) {
        each_stream([&idle](H2Stream& stream) { idle = idle && (stream.closed || stream.told_); });
    }
    if (!over && !idle) return;
    if (session_->failed()) context_.counters.protocol_errors.add();
    if (session_->calmed()) context_.counters.h2_calmed.add();
    linger();
}

/// Our side is done: what is queued is written, then comes our end, then we wait for the peer's.
void H2Driver::linger() {
    if (phase_ != Phase::open) return;
    phase_ = Phase::lingering;
    count_glitches();
    lose_all(session_->failed() ? ErrorKind::protocol : ErrorKind::closed);
    if (phase_ == Phase::gone) return;
    discarded_ = 0;
    output_at_ = context_.worker.now();
    if (input_ended_ && transport_->queued() == 0) return vanish(false);
    transport_->shutdown();
    transport_->resume_reading();
    rearm();
}

void H2Driver::on_end() {
    input_ended_ = true;
    if (phase_ == Phase::lingering && transport_->queued() == 0) return vanish(false);
    if (phase_ != Phase::open) return;
    each_stream([this](H2Stream& stream) {
        const bool asked_for = stream.remote_ended && !stream.is_promised();
        if (stream.closed || (asked_for && !context_.half_close_is_gone)) return;
        session_->reset(stream, h2::Code::cancel);
        lose(stream, ErrorKind::reset);
    });
    if (phase_ == Phase::gone) return;
    flush();
    if (phase_ != Phase::gone) rearm();
}

void H2Driver::on_closed(ErrorKind why) {
    each_stream([this, why](H2Stream& stream) { lose(stream, why); });
    vanish(false);
}

/// The end of the connection; the object follows at the end of the pass.
void H2Driver::vanish(bool reset) {
    if (phase_ == Phase::gone) return;
    phase_ = Phase::gone;
    if (session_ != nullptr) {
        count_glitches();
        each_stream([this](H2Stream& stream) {
            lose(stream, ErrorKind::closed);
            let_go(stream);
        });
    }
    context_.worker.timers().cancel(*this);
    cancel_deferred();
    if (reset) {
        transport_->abort();
    } else {
        transport_->close();
    }
    ConnectionNode::unlink();
    context_.counters.connections_open.sub();
    context_.dispatcher.disconnected(transport_->peer());
    context_.worker.retire(std::unique_ptr<runtime::Retired>(this));
}

void H2Driver::count_glitches() noexcept {
    if (!session_->guard().any()) return;
    const auto counts = session_->guard().take_counts();
    for (std::size_t i = 0; i < counts.size(); ++i) context_.counters.h2_glitches[i].add(counts[i]);
}

} // namespace hc::link
