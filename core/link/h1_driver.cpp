#include "core/link/h1_driver.hpp"

#include <algorithm>

#include "hc_build.h"

#if HC_WITH_HTTP2
#include "core/link/h2_driver.hpp"
#endif

namespace hc::link {

// -- life -----------------------------------------------------------------------------------------

H1Driver::H1Driver(ConnectionContext& context, std::unique_ptr<Transport> transport)
    : Timer(&H1Driver::on_timer), context_(context), transport_(std::move(transport)),
      parser_(h1::Role::server, context.limits, context.scratch), input_at_(context.worker.now()),
      output_at_(input_at_), secure_(transport_->secure()) {}

H1Driver::~H1Driver() = default;

H1Driver& H1Driver::start(ConnectionContext& context, std::unique_ptr<Transport> transport) {
    auto* driver = new H1Driver(context, std::move(transport));
    driver->transport_->set_user(*driver);
    driver->close_after_ = context.draining;
    context.connections.push_back(*driver);
    context.counters.connections_open.add();
    driver->rearm();
    return *driver;
}

void H1Driver::refuse(ConnectionContext& context, std::unique_ptr<Transport> transport) {
    H1Driver& driver = start(context, std::move(transport));
    driver.answer_simply(503, context.retry_after_s);
    driver.linger();
}

/// The end of the connection; the object follows at the end of the pass.
void H1Driver::vanish(bool reset) {
    if (phase_ == Phase::gone) return;
    phase_ = Phase::gone;
    lose_exchange(ErrorKind::closed);
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

void H1Driver::drain() noexcept {
    close_after_ = true;
    // An answer that is out ends its connection now, also where the request goes on.
    if (exchange_ != nullptr && answered_) advance_later();
    if (!waits_for_request()) return;
    if (requests_ == 0) {
        // It was accepted, so its first request may be on its way; it gets as long as any peer that
        // we are about to leave.
        input_at_ = context_.worker.now();
        rearm();
        return;
    }
    if (transport_->queued() > 0) {
        linger();
    } else {
        vanish(false);
    }
}

void H1Driver::hurry() noexcept {
    if (exchange_ != nullptr && exchange_->going_away()) return;
    if (phase_ == Phase::tunnel) {
        linger();
    } else if (waits_for_request()) {
        vanish(false);
    }
}

/// Between two requests (or before the first), with nothing of the next one seen.
bool H1Driver::waits_for_request() const noexcept {
    return phase_ == Phase::open && exchange_ == nullptr && !in_head_ && stash_ == nullptr;
}

void H1Driver::kill() noexcept { vanish(true); }

/// Our side is done: what is queued is written, then comes our end, then we wait for the peer's.
void H1Driver::linger() {
    if (phase_ == Phase::lingering || phase_ == Phase::gone) return;
    phase_ = Phase::lingering;
    lose_exchange(ErrorKind::closed);
    // Not dropped in here: a handler on the stack may still look at what was lent to it.
    if (stash_ != nullptr) advance_later();
    discarded_ = 0;
    output_at_ = context_.worker.now();
    if (input_ended_ && transport_->queued() == 0) {
        vanish(false);
        return;
    }
    transport_->shutdown();
    transport_->resume_reading();
    rearm();
}

// -- the end of an exchange -----------------------------------------------------------------------

[[gnu::always_inline]] inline void H1Driver::finish_exchange() {
    Exchange& exchange = *exchange_;
    exchange_ = nullptr;
    exchange.complete();
    exchange.detach();
    head_request_ = false;
    input_at_ = context_.worker.now(); // idle from now on
    if (phase_ == Phase::gone) return;
    if (close_after_ || phase_ == Phase::tunnel) {
        linger();
    } else if (!in_process_) {
        if (stash_ != nullptr || transport_->reading_paused()) {
            advance_later();
        } else {
            rearm();
        }
    } else if (stash_ == nullptr) {
        // The loop in process() goes on by itself, but its input may be used up: then nobody else
        // ends a pause that was for this exchange's sake.
        transport_->resume_reading();
    }
}

/// Ends the exchange under way when both of its sides are done and its user let go.
[[gnu::always_inline]] inline void H1Driver::settle_inline() {
    if (exchange_ == nullptr || !answered_) return;
    // A tunnel lasts until both ends have ended it.
    if (!request_read_ && (!close_after_ || phase_ == Phase::tunnel)) return;
    if (!exchange_->released() && transport_->queued() == 0) {
        exchange_->complete(); // the user may release it in here, which may finish it already
    }
    if (exchange_ != nullptr && exchange_->released()) finish_exchange();
}

void H1Driver::settle() { settle_inline(); }

// -- input ----------------------------------------------------------------------------------------

void H1Driver::begin_exchange() {
    const h1::Framing& framing = parser_.framing();
    ++requests_;
    context_.counters.requests.add();
    in_head_ = request_read_ = answered_ = false;
    discarding_ = false;
    discarded_ = 0;
    head_request_ = parser_.head().method == http::Method::head;
    continue_wanted_ = framing.expect_continue;
    const std::uint64_t most = context_.limits.requests_per_connection_max;
    if (!framing.keep_alive || context_.draining || (most != 0 && requests_ >= most)) {
        close_after_ = true;
    }
    exchange_ = Exchange::create(context_, *this);
    if (exchange_ == nullptr) [[unlikely]]
        return refuse_overload();
    request_read_ = parser_.end_with_head();
    exchange_->begin(parser_.head(), secure_, framing.body == h1::BodyKind::none);
    settle_inline();
}

bool H1Driver::step(std::string_view& input) {
    switch (parser_.next(input)) {
    case h1::Event::need_input: in_head_ = parser_.in_head(); return false;
    case h1::Event::head: begin_exchange(); return true;
    case h1::Event::body: take_body(parser_.body()); return true;
    case h1::Event::end: end_request(); return true;
    case h1::Event::error: refuse_request(parser_.refusal()); return false;
    }
    return false;
}

/// Parses until the input is used up or the request under way has to be answered first; gives what
/// is left.
std::string_view H1Driver::process(std::string_view input) {
    in_process_ = true;
    while (phase_ == Phase::open && !(exchange_ != nullptr && request_read_) &&
           !(input.empty() && parser_.idle()) && step(input)) {}
    in_process_ = false;
    if (phase_ == Phase::tunnel && !input.empty()) take_body(input);
    return phase_ == Phase::open ? input : std::string_view{};
}

void H1Driver::on_data(std::string_view slice) {
    // A head's time starts with its first byte, the first head's when the connection is accepted.
    if (!in_head_) {
        if (requests_ > 0) {
            input_at_ = context_.worker.now();
        } else if (!secure_ && context_.h2_enabled && sniff(slice)) {
            return;
        }
    }
    context_.counters.bytes_received.add(slice.size());
    if (phase_ == Phase::open && stash_ == nullptr) [[likely]] {
        if (const std::string_view rest = process(slice); !rest.empty()) stash(rest);
        rearm();
    } else {
        on_more_data(slice);
    }
}

void H1Driver::on_more_data(std::string_view slice) {
    switch (phase_) {
    case Phase::open: stash(slice); break;
    case Phase::tunnel:
        if (stash_ == nullptr) {
            take_body(slice);
        } else {
            stash(slice); // behind what waits
        }
        break;
    case Phase::lingering:
        discarded_ += slice.size();
        if (discarded_ > context_.limits.discard_bytes_max) vanish(true);
        break;
    case Phase::gone: return;
    }
    rearm();
}

#if HC_WITH_HTTP2

/// The first bytes of a connection: true when they are, or may become, HTTP/2's preface.
bool H1Driver::sniff(std::string_view slice) {
    if (phase_ != Phase::open || exchange_ != nullptr || stash_ != nullptr) return false;
    const std::string_view rest = h2::preface.substr(sniffed_);
    const std::size_t size = std::min(rest.size(), slice.size());
    if (slice.substr(0, size) == rest.substr(0, size)) {
        if (size == rest.size()) {
            hand_over(slice);
        } else {
            sniffed_ = static_cast<std::uint8_t>(sniffed_ + size);
            rearm();
        }
        return true;
    }
    if (const std::size_t sniffed = std::exchange(sniffed_, 0); sniffed > 0) {
        const std::string_view begin = h2::preface.substr(0, sniffed);
        context_.counters.bytes_received.add(begin.size());
        process(begin); // not a whole head
    }
    return false;
}

/// It is HTTP/2: this driver is done.
void H1Driver::hand_over(std::string_view slice) {
    phase_ = Phase::gone;
    context_.worker.timers().cancel(*this);
    cancel_deferred();
    ConnectionNode::unlink();
    context_.counters.connections_open.sub();
    context_.worker.retire(std::unique_ptr<runtime::Retired>(this));
    H2Driver& driver = H2Driver::start(context_, std::move(transport_));
    if (sniffed_ > 0) driver.feed(h2::preface.substr(0, sniffed_));
    driver.feed(slice);
}

#else

bool H1Driver::sniff(std::string_view) { return false; }

#endif

/// No exchange can be made.
void H1Driver::refuse_overload() {
    context_.counters.requests_refused.add();
    answer_simply(503, context_.retry_after_s);
    linger();
}

void H1Driver::take_body(std::string_view bytes) {
    if (body_is_unwanted()) {
        // It is read only to keep the connection. What was left out once has no continuation.
        discarding_ = true;
        discarded_ += bytes.size();
        if (discarded_ > context_.limits.discard_bytes_max) close_after_ = true;
        // With the connection's end decided, the rest can wait until the user lets go.
        if (close_after_ && phase_ == Phase::open) transport_->pause_reading();
    } else {
        exchange_->push_body(bytes);
        if (exchange_ != nullptr && exchange_->over_buffer() && !body_is_unwanted()) {
            transport_->pause_reading();
        }
    }
    settle();
}

/// Nobody will look at what comes of the body: the user let go, or has answered in full and asked
/// for no more.
bool H1Driver::body_is_unwanted() const noexcept {
    return discarding_ || exchange_ == nullptr || exchange_->released() || exchange_->closed() ||
           (answered_ && phase_ == Phase::open && !exchange_->wants_body());
}

void H1Driver::end_request() {
    request_read_ = true;
    if (exchange_ != nullptr && !discarding_ && !exchange_->request_ended()) {
        exchange_->end_body(parser_.trailers());
    }
    settle();
}

void H1Driver::stash(std::string_view input) {
    if (stash_ == nullptr) stash_ = std::make_unique<Chain>();
    stash_->append(input);
    transport_->pause_reading();
}

void H1Driver::advance_later() {
    if (phase_ != Phase::gone && !is_deferred()) context_.worker.defer(*this);
}

void H1Driver::run_deferred() {
    settle();
    advance();
}

/// Goes on with what waited behind a request that is done now.
void H1Driver::advance() {
    while (stash_ != nullptr && (phase_ == Phase::open || phase_ == Phase::tunnel) &&
           !(phase_ == Phase::open && exchange_ != nullptr && request_read_)) {
        std::string_view input{stash_->head()->data, stash_->head()->size};
        const std::size_t before = input.size();
        if (phase_ == Phase::tunnel) {
            take_body(input);
            input = {};
        } else {
            input = process(input);
        }
        if (phase_ == Phase::lingering || phase_ == Phase::gone) break;
        stash_->consume(before - input.size());
        if (stash_->empty()) stash_.reset();
    }
    if (phase_ == Phase::gone) return;
    if (phase_ == Phase::lingering) stash_.reset();
    if (phase_ == Phase::tunnel && input_ended_ && !exchange_->request_ended()) {
        // The peer's end came before the upgrade did.
        exchange_->end_body({});
        settle();
        if (phase_ == Phase::gone) return;
    }
    if (stash_ == nullptr && (exchange_ == nullptr || !exchange_->over_buffer())) {
        transport_->resume_reading();
    }
    rearm();
}

void H1Driver::on_end() {
    input_ended_ = true;
    switch (phase_) {
    case Phase::lingering:
        if (transport_->queued() > 0) break; // it still reads: on_written() ends it
        vanish(false);
        return;
    case Phase::gone: return;
    case Phase::tunnel:
        request_read_ = true;
        if (stash_ != nullptr) { // comes first
            advance_later();
            break;
        }
        exchange_->end_body({});
        settle();
        break;
    case Phase::open:
        if (exchange_ == nullptr) {
            if (transport_->queued() > 0) {
                linger();
            } else {
                vanish(false);
            }
            return;
        }
        if (context_.half_close_is_gone || !(request_read_ || answered_)) {
            // An orderly end would make the beginning of an answer look whole.
            const bool cut = exchange_->answer_begun() && (!answered_ || transport_->queued() > 0);
            lose_exchange(ErrorKind::reset);
            // What is queued now are the answers before it, which are whole.
            if (!cut && transport_->queued() > 0) return linger();
            return vanish(cut);
        }
        if (!request_read_ && !body_is_unwanted()) {
            // Answered already, and the peer gets all of that; but its body has no end.
            lose_exchange(ErrorKind::reset);
            linger();
            return;
        }
        close_after_ = true;
        settle();
        break;
    }
    rearm();
}

void H1Driver::on_closed(ErrorKind why) {
    // A file that failed was not of an exchange that has sent nothing yet.
    const bool earlier = why == ErrorKind::io && exchange_ && !exchange_->answer_begun();
    lose_exchange(earlier ? ErrorKind::closed : why);
    vanish(false);
}

// -- other ends -----------------------------------------------------------------------------------

void H1Driver::lose_exchange(ErrorKind why) {
    if (exchange_ == nullptr) return;
    Exchange& exchange = *exchange_;
    exchange_ = nullptr;
    exchange.fail(why);
    exchange.detach();
}

/// The peer broke the protocol: it is told so when that is still possible.
void H1Driver::refuse_request(const h1::Refusal& refusal) {
    context_.counters.protocol_errors.add();
    const bool silent = exchange_ != nullptr && exchange_->answer_begun();
    const bool complete = silent && answered_;
    lose_exchange(ErrorKind::protocol);
    if (silent && !complete) {
        vanish(true);
        return;
    }
    if (!silent && refusal.status != 0) answer_simply(refusal.status, 0);
    linger();
}

/// A complete answer of our own; lingering follows.
void H1Driver::answer_simply(int status, std::uint32_t retry_after_s) {
    if (phase_ == Phase::gone) return;
    char* out = transport_->reserve(h1::simple_answer_bound);
    const std::size_t n = h1::write_simple_answer(out, status, date(), context_.server_name,
                                                  head_request_, retry_after_s);
    transport_->commit(n);
    context_.counters.bytes_sent.add(n);
    context_.counters.responses[static_cast<std::size_t>(status / 100)].add();
    output_at_ = context_.worker.now();
}

// -- time -----------------------------------------------------------------------------------------

namespace {

Instant after(Instant at, std::uint32_t timeout_ms) noexcept {
    return timeout_ms == 0 ? Instant::never() : at + milliseconds(timeout_ms);
}

} // namespace

/// What time limit is next, and what it is a limit of.
H1Driver::Due H1Driver::due() const noexcept {
    if (transport_->queued() == 0) return due_once_written();
    const ConnectionLimits& limits = context_.limits;
    const Due write{after(output_at_, limits.write_timeout_ms), Due::write};
    if (exchange_ == nullptr || answered_ || phase_ == Phase::tunnel) return write;
    const Instant whole = after(exchange_->started(), limits.request_timeout_ms);
    return whole < write.at ? Due{whole, Due::request} : write;
}

H1Driver::Due H1Driver::due_once_written() const noexcept {
    const ConnectionLimits& limits = context_.limits;
    if (phase_ == Phase::lingering) {
        return {after(output_at_, limits.linger_timeout_ms), Due::lingering};
    }
    if (exchange_ == nullptr) {
        if (requests_ == 0 && !in_head_ && close_after_ && limits.linger_timeout_ms != 0) {
            return {after(input_at_, limits.linger_timeout_ms), Due::idle};
        }
        if (in_head_ || requests_ == 0) {
            return {after(input_at_, limits.header_timeout_ms), Due::header};
        }
        // An answer may be written long after its handler let go of it.
        return {after(std::max(input_at_, output_at_), limits.idle_timeout_ms), Due::idle};
    }
    if (phase_ == Phase::tunnel) return {Instant::never(), Due::request};
    Due due{Instant::never(), Due::request};
    if (!answered_) due.at = after(exchange_->started(), limits.request_timeout_ms);
    const bool reading = !request_read_ && !transport_->reading_paused() &&
                         (body_is_unwanted() || exchange_->wants_body());
    if (reading) {
        const Instant body = after(input_at_, limits.body_timeout_ms);
        if (body < due.at) due = {body, Due::body};
    }
    return due;
}

void H1Driver::arm(Instant at) noexcept {
    if (phase_ != Phase::gone) context_.worker.timers().set(*this, at);
}

void H1Driver::on_timer(runtime::Timer& timer) noexcept { static_cast<H1Driver&>(timer).expire(); }

void H1Driver::expire() {
    const Due due = this->due();
    if (due.at > context_.worker.now()) {
        context_.worker.timers().set(*this, due.at);
        return;
    }
    if (due.limit != Due::idle && due.limit != Due::lingering) context_.counters.timeouts.add();
    const bool begun = exchange_ != nullptr && exchange_->answer_begun();
    switch (due.limit) {
    case Due::write:
        lose_exchange(ErrorKind::timeout);
        vanish(true);
        return;
    case Due::lingering:
        // In order: the kernel may still be sending what it took, to a peer that is slow to read.
        vanish(false);
        return;
    case Due::idle: vanish(false); return;
    case Due::header:
        answer_simply(408, 0);
        linger();
        return;
    case Due::body:
    case Due::request:
        lose_exchange(ErrorKind::timeout);
        if (begun) {
            vanish(true);
        } else {
            answer_simply(due.limit == Due::body ? 408 : 503,
                          due.limit == Due::body ? 0 : context_.retry_after_s);
            linger();
        }
        return;
    }
}

} // namespace hc::link
