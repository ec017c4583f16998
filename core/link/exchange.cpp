#include "core/link/exchange.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "core/link/coding.hpp"
#include "core/link/context.hpp"

namespace hc::link {

// -- life -----------------------------------------------------------------------------------------

namespace {
constexpr http::RouteMatch no_match{.values = {}};
} // namespace

// Inlined by force: it is part of every request, and small for most.
[[gnu::always_inline]] inline Exchange::~Exchange() {
    delete attachment.load(std::memory_order_relaxed);
    if (Extras* const extras = extras_here()) [[unlikely]]
        delete extras;
    if (match_ != &no_match) delete match_;
}

inline RequestCoding* Exchange::request_coding() const noexcept {
    const Extras* const extras = extras_here();
    return extras == nullptr ? nullptr : extras->request.get();
}

inline ResponseCoding* Exchange::response_coding() const noexcept {
    const Extras* const extras = extras_here();
    return extras == nullptr ? nullptr : extras->response.get();
}

Exchange* Exchange::create(ConnectionContext& context, ExchangeDriver& driver) {
    void* memory = context.exchange_memory();
    if (memory == nullptr) return nullptr;
    auto* exchange = new (memory) Exchange(context, driver);
    exchange->id_ = context.worker.slots().insert(exchange);
    if (exchange->id_ == 0) {
        destroy(*exchange);
        context.exchange_memory_back(memory);
        return nullptr;
    }
    context.exchanges.push_back(*exchange);
    context.counters.requests_active.add();
    return exchange;
}

Exchange::Exchange(ConnectionContext& context, ExchangeDriver& driver) noexcept
    : context_(context), driver_(&driver), match_(&no_match), started_(context.worker.now()) {}

runtime::Worker& Exchange::worker() const noexcept { return context_.worker; }

[[gnu::noinline, gnu::cold]] void Exchange::destroy(Exchange& exchange) noexcept {
    exchange.~Exchange();
}

[[gnu::always_inline]] inline void Exchange::drop_last_hold() noexcept {
    if (--holds_ > 0) return;
    ConnectionContext& context = context_;
    context.counters.requests_active.sub();
    this->~Exchange();
    context.exchange_memory_back(this);
}

void Exchange::drop_hold() noexcept { drop_last_hold(); }

void Exchange::release() {
    if (released_) return;
    if (Stage* const stage = this->stage()) [[unlikely]]
        stage->on_release(*this);
    released_ = true;
    // A pinned exchange is freed later: its last pin posts a Recycle, which drops this hold.
    if (!context_.worker.slots().remove(id_)) ++holds_;
    cancel_deferred();
    // Inside a call its bytes may be what the user was lent for it.
    if (!in_call_) body_.clear();
    next_chunk_ = nullptr;
    if (driver_ != nullptr) driver_->drive_released(*this);
    if (close_reason_ != ErrorKind::ok) report_closed(close_reason_); // for the log only
    drop_hold();
}

void Exchange::detach() noexcept {
    if (driver_ == nullptr) return;
    driver_ = nullptr;
    drop_last_hold();
}

/// What the last unpin of a released exchange sends to the worker.
class Exchange::Recycle final : public runtime::Message {
public:
    explicit Recycle(std::uint64_t id) noexcept : slot_(Handle::unpack(id).slot) {}
    void run(runtime::Worker& worker) override {
        static_cast<Exchange*>(worker.slots().recycle(slot_))->drop_hold();
    }

private:
    std::uint32_t slot_;
};

PinnedExchange::~PinnedExchange() {
    if (exchange_ == nullptr || !worker_.slots().unpin(id_)) return;
    worker_.post(std::make_unique<Exchange::Recycle>(id_));
}

// -- calls to the user ----------------------------------------------------------------------------

/// Keeps the exchange in memory while the user, and with it any call, may let go of it.
class Exchange::Hold {
public:
    explicit Hold(Exchange& exchange) noexcept : exchange_(exchange) { ++exchange_.holds_; }
    ~Hold() { exchange_.drop_hold(); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

private:
    Exchange& exchange_;
};

/// Within the user's own call that may end the exchange: on_closed comes later, not inside it.
class Exchange::Quiet {
public:
    explicit Quiet(Exchange& exchange) noexcept
        : hold_(exchange), exchange_(exchange), before_(exchange.in_call_) {
        exchange_.in_call_ = true;
    }
    ~Quiet() { exchange_.in_call_ = before_; }
    Quiet(const Quiet&) = delete;
    Quiet& operator=(const Quiet&) = delete;

private:
    Hold hold_;
    Exchange& exchange_;
    bool before_;
};

inline ExchangeUser& Exchange::called() const noexcept {
    if (extras_here() == nullptr) [[likely]]
        return *user_;
    return called_before_user();
}

template <class Call>
void Exchange::call_user(Call&& call) {
    in_call_ = true;
    call(called());
    in_call_ = false;
}

void Exchange::begin(const http::HeadView& lent, bool secure, bool ended) {
    if (context_.decodes && !ended && begin_coded(lent, secure)) [[unlikely]]
        return;
    const Hold hold(*this);
    http::RouteMatch match;
    head_ = &lent;
    match_ = &match;
    secure_ = secure;
    request_ended_ = end_reported_ = ended;
    context_.dispatcher.dispatch(*this, match);
    if (user_ != nullptr && !released_) {
        call_user([&](ExchangeUser& user) { user.on_request(*this, ended); });
    }
    match_ = &no_match;                             // what was lent is not ours to keep
    if (released_ && !context_.keeps_heads) return; // and nobody will look at the head
    keep_head(lent, match);
}

/// The same for a request whose body is to be decoded, or would have to be; false when it is not.
bool Exchange::begin_coded(const http::HeadView& lent, bool secure) {
    const RequestJudgement judgement(*context_.coder, lent);
    if (judgement.outcome() == RequestJudgement::Outcome::plain) return false;
    const Hold hold(*this);
    http::RouteMatch match;
    head_ = &judgement.head();
    match_ = &match;
    secure_ = secure;
    context_.dispatcher.dispatch(*this, match);
    if (user_ != nullptr && !released_ && judge_request(judgement)) {
        call_user([&](ExchangeUser& user) { user.on_request(*this, false); });
    }
    match_ = &no_match;
    if (!released_ || context_.keeps_heads) keep_head(judgement.head(), match);
    return true;
}

/// What was lent to begin() is wanted longer.
void Exchange::keep_head(const http::HeadView& lent, const http::RouteMatch& match) {
    owned_head_ = http::OwnedHead(lent);
    head_ = &owned_head_.view();
    if (released_) return;
    if (match.param_count > 0) match_ = new http::RouteMatch(match);
    settled_.store(true, std::memory_order_release);
    if (close_reason_ != ErrorKind::ok) report_closed(close_reason_);
}

void Exchange::push_body(std::string_view bytes) {
    const Hold hold(*this);
    if (released_ || closed_) return;
    if (request_coding() != nullptr) [[unlikely]]
        return request_coding()->push(bytes);
    push_decoded(bytes);
}

/// The same once it is decoded; the caller holds the exchange.
void Exchange::push_decoded(std::string_view bytes) {
    pushed_ += bytes.size();
    // The common way: the user takes bytes as they come and nothing waits before these.
    if (!called().keeps_body() && body_.empty() && !in_call_) {
        const auto allowed = std::min<std::uint64_t>(credit_ - delivered_, bytes.size());
        if (allowed > 0) {
            delivered_ += allowed;
            consumed_ += allowed;
            call_user([&](ExchangeUser& user) { user.on_body(*this, bytes.substr(0, allowed)); });
            if (released_ || closed_) return;
            bytes.remove_prefix(allowed);
        }
    }
    if (bytes.empty()) return;
    body_.append(bytes);
    pump();
}

bool Exchange::over_decoded() const noexcept {
    return !released_ && !closed_ && body_.size() >= context_.limits.exchange_buffer_bytes_max;
}

bool Exchange::over_buffer() const noexcept {
    const bool undecoded =
        request_coding() != nullptr && request_coding()->waits() && !released_ && !closed_;
    return undecoded || over_decoded();
}

void Exchange::end_body(const http::HeadView& trailers) {
    const Hold hold(*this);
    request_ended_ = true;
    if (released_ || closed_) return;
    if (trailers.field_count > 0) extras().trailers = http::OwnedHead(trailers);
    if (request_coding() != nullptr) [[unlikely]] {
        request_ended_ = false; // what is to be decoded comes first
        return request_coding()->end();
    }
    pump();
}

bool Exchange::has_room() const noexcept {
    if (request_coding() != nullptr && request_coding()->waits()) return false;
    return body_.size() <= context_.limits.exchange_buffer_bytes_max / 2;
}

/// Delivers what is there and allowed, then the end.
void Exchange::pump() {
    if (in_call_) {
        pump_later();
        return;
    }
    while (!released_ && !closed_ && delivered_ < pushed_ && delivered_ < credit_) {
        if (next_chunk_ == nullptr) {
            next_chunk_ = body_.head();
            next_offset_ = 0;
        } else if (next_offset_ == next_chunk_->size) {
            next_chunk_ = next_chunk_->next;
            next_offset_ = 0;
        }
        const std::uint64_t n = std::min(next_chunk_->size - next_offset_, credit_ - delivered_);
        const std::string_view bytes{next_chunk_->data + next_offset_, n};
        delivered_ += n;
        next_offset_ += n;
        call_user([&](ExchangeUser& user) { user.on_body(*this, bytes); });
        if (!released_ && !closed_ && !called().keeps_body()) consume(n);
    }
    if (released_ || closed_ || end_reported_ || !request_ended_ || delivered_ < pushed_) return;
    end_reported_ = true;
    call_user([&](ExchangeUser& user) { user.on_body_end(*this); });
}

void Exchange::pump_later() {
    if (!is_deferred()) context_.worker.defer(*this);
}

void Exchange::run_deferred() {
    const Hold hold(*this);
    if (extras_here() != nullptr) run_coding();
    if (close_reason_ != ErrorKind::ok && !closed_) {
        report_closed(close_reason_);
    } else {
        pump();
        if (!released_ && !closed_) on_written();
        if (std::exchange(wake_wanted_, false) && !released_ && !closed_) {
            call_user([&](ExchangeUser&) { stage()->on_wake(*this); });
        }
    }
}

/// For the log and the counters.
inline void Exchange::report_finished() noexcept {
    if (!std::exchange(finished_reported_, true)) context_.dispatcher.finished(*this);
}

void Exchange::report_closed(ErrorKind why) {
    if (closed_) return;
    closed_ = true;
    close_reason_ = why;
    report_finished();
    if (!released_ && user_ != nullptr) {
        call_user([&](ExchangeUser& user) { user.on_closed(*this, why); });
    }
}

void Exchange::complete() {
    if (closed_ || close_reason_ != ErrorKind::ok) return;
    if (released_) [[likely]] { // no user to call
        closed_ = true;
        return report_finished();
    }
    const Hold hold(*this);
    report_closed(ErrorKind::ok);
}

void Exchange::fail(ErrorKind why) {
    const Hold hold(*this);
    if (response_coding() != nullptr) response_coding()->drop();
    if (closed_ || close_reason_ != ErrorKind::ok) return;
    close_reason_ = why;
    if (in_call_ && !released_) {
        pump_later();
    } else {
        report_closed(why); // when released, for the log only
    }
}

void Exchange::on_written() {
    const Hold hold(*this);
    if (response_coding() != nullptr && response_coding()->is_due()) {
        pump_later();
    }
    publish_queued();
    if (released_ || closed_) return;
    const std::uint64_t queued = queued_.load(std::memory_order_relaxed);
    if (writable_wanted_ && queued <= context_.limits.write_low_watermark_bytes && !in_call_ &&
        answer_ != AnswerSide::finished) {
        writable_wanted_ = false;
        call_user([&](ExchangeUser& user) { user.on_writable(*this); });
    }
}

void Exchange::publish_queued() noexcept {
    queued_.store(driver_ == nullptr ? 0 : driver_->drive_queued(*this), std::memory_order_relaxed);
}

// -- calls of the user ----------------------------------------------------------------------------

/// What every sending call asks first.
ErrorKind Exchange::before_send() noexcept {
    if (released_) return ErrorKind::gone;
    if (closed_ || close_reason_ != ErrorKind::ok || driver_ == nullptr) return ErrorKind::closed;
    return ErrorKind::ok;
}

ErrorKind Exchange::after_answer(ErrorKind result, bool fin, SendFlags flags) {
    if (result != ErrorKind::ok) return result;
    if (fin) answer_ = AnswerSide::finished;
    if (flags.release) release();
    return ErrorKind::ok;
}

ErrorKind Exchange::respond(const Answer& answer) {
    if (auto bad = before_send(); bad != ErrorKind::ok) return bad;
    if (answer_ != AnswerSide::none) return ErrorKind::state;
    if (answer.status < 200 || answer.status > 999) return ErrorKind::invalid;
    if (context_.coder != nullptr) [[unlikely]]
        return respond_coded(answer);
    const std::uint64_t size = answer.body_size();
    if (auto result = driver_->drive_respond(*this, answer); result != ErrorKind::ok) return result;
    answer_ = AnswerSide::open;
    status_ = static_cast<std::uint16_t>(answer.status);
    body_sent_ += size;
    return after_answer(ErrorKind::ok, answer.flags.fin, answer.flags);
}

ErrorKind Exchange::interim(int status, std::span<const http::Field> fields) {
    if (auto bad = before_send(); bad != ErrorKind::ok) return bad;
    if (answer_ != AnswerSide::none) return ErrorKind::state;
    if (status < 100 || status > 199 || status == 101) return ErrorKind::invalid;
    return driver_->drive_interim(*this, status, fields);
}

ErrorKind Exchange::upgrade(int status, std::span<const http::Field> fields) {
    if (auto bad = before_send(); bad != ErrorKind::ok) return bad;
    if (answer_ != AnswerSide::none) return ErrorKind::state;
    const auto result = driver_->drive_upgrade(*this, status, fields);
    if (result != ErrorKind::ok) return result;
    answer_ = AnswerSide::open;
    tunnel_ = true;
    // The request had no body; the tunnel's bytes take its place.
    request_ended_ = end_reported_ = false;
    status_ = static_cast<std::uint16_t>(status);
    return ErrorKind::ok;
}

ErrorKind Exchange::send(std::string_view bytes, SendFlags flags) {
    if (auto bad = before_send(); bad != ErrorKind::ok) return bad;
    if (answer_ != AnswerSide::open) return ErrorKind::state;
    publish_queued();
    if (queued_.load(std::memory_order_relaxed) >= context_.limits.write_high_watermark_bytes) {
        want_writable();
        return ErrorKind::again;
    }
    if (flags.fin && !driver_->drive_suffices(*this, bytes.size())) return finish({});
    if (auto result = driver_->drive_send(*this, nullptr, bytes); result != ErrorKind::ok) {
        return result;
    }
    body_sent_ += bytes.size();
    if (flags.fin) return after_answer(finish({}), false, flags);
    return after_answer(ErrorKind::ok, false, flags);
}

ErrorKind Exchange::send(Chain& bytes, SendFlags flags) {
    if (auto bad = before_send(); bad != ErrorKind::ok) return bad;
    publish_queued();
    if (queued_.load(std::memory_order_relaxed) >= context_.limits.write_high_watermark_bytes) {
        if (answer_ != AnswerSide::open) return ErrorKind::state;
        want_writable();
        return ErrorKind::again;
    }
    return send_accepted(bytes, flags);
}

ErrorKind Exchange::send_accepted(Chain& bytes, SendFlags flags) {
    if (auto bad = before_send(); bad != ErrorKind::ok) return bad;
    if (answer_ != AnswerSide::open) return ErrorKind::state;
    const std::uint64_t size = bytes.size();
    // Too few bytes are not taken at all: what is lent stays its lender's when the call fails.
    if (flags.fin && !driver_->drive_suffices(*this, size)) return finish({});
    if (auto result = driver_->drive_send(*this, &bytes, {}); result != ErrorKind::ok)
        return result;
    body_sent_ += size;
    publish_queued();
    if (flags.fin) return after_answer(finish({}), false, flags);
    return after_answer(ErrorKind::ok, false, flags);
}

ErrorKind Exchange::finish(std::span<const http::Field> trailers) {
    if (auto bad = before_send(); bad != ErrorKind::ok) return bad;
    if (answer_ != AnswerSide::open) return ErrorKind::state;
    const Quiet quiet(*this);
    const auto result = driver_->drive_finish(*this, trailers);
    return after_answer(result, true, {});
}

ErrorKind Exchange::abort(std::uint64_t code) {
    if (auto bad = before_send(); bad != ErrorKind::ok) return bad;
    const Quiet quiet(*this);
    driver_->drive_abort(*this, code);
    return ErrorKind::ok;
}

void Exchange::leave() {
    if (before_send() != ErrorKind::ok) return;
    const Quiet quiet(*this);
    driver_->drive_leave(*this);
}

ErrorKind Exchange::grant(std::uint64_t credit) {
    const Hold hold(*this);
    if (released_) return ErrorKind::gone;
    if (closed_) return ErrorKind::closed;
    credit_ = credit > UINT64_MAX - credit_ ? UINT64_MAX : credit_ + credit;
    if (driver_ != nullptr) driver_->drive_body_room(*this);
    // Never from inside the user's own call: it may hold a lock that on_body wants.
    if (called().keeps_body()) {
        pump();
    } else if (delivered_ < pushed_ || (request_ended_ && !end_reported_)) {
        pump_later();
    }
    return ErrorKind::ok;
}

ErrorKind Exchange::consume(std::uint64_t bytes) {
    if (released_) return ErrorKind::gone;
    if (bytes > delivered_ - consumed_) return ErrorKind::invalid;
    consumed_ += bytes;
    body_.consume(bytes);
    if (consumed_ == delivered_) {
        // The cursor may stand at the end of a chunk that is gone now, or in one that moved up.
        next_chunk_ = nullptr;
    } else if (next_chunk_ == body_.head()) {
        next_offset_ = delivered_ - consumed_;
    }
    if (request_coding() != nullptr && request_coding()->waits()) {
        pump_later(); // reading goes on once that is decoded
    }
    if (driver_ != nullptr && !closed_) driver_->drive_body_room(*this);
    return ErrorKind::ok;
}

void Exchange::refuse_overload() {
    context_.counters.requests_refused.add();
    const std::string seconds = std::to_string(context_.retry_after_s);
    const http::Field fields[] = {
        {"retry-after", seconds, http::FieldName::retry_after},
        {"content-type", "text/plain; charset=utf-8", http::FieldName::content_type},
    };
    if (respond(503, fields, "Service Unavailable\n", {.fin = true, .release = true}) !=
        ErrorKind::ok) {
        release();
    }
}

// -- stages ---------------------------------------------------------------------------------------

void Exchange::set_stage(std::unique_ptr<Stage> stage) noexcept {
    extras().stage = std::move(stage);
}

const http::HeadView& Exchange::trailers() const noexcept {
    const Extras* const extras = extras_.load(std::memory_order_acquire);
    return extras == nullptr ? http::OwnedHead::none : extras->trailers.view();
}

Stage* Exchange::stage() const noexcept {
    const Extras* const extras = extras_here();
    return extras == nullptr ? nullptr : extras->stage.get();
}

bool Exchange::going_away() {
    Stage* const stage = this->stage();
    return stage != nullptr && !released_ && stage->on_going_away(*this);
}

void Exchange::wake_stage() {
    wake_wanted_ = true;
    pump_later();
}

ErrorKind Exchange::may_send() {
    if (auto bad = before_send(); bad != ErrorKind::ok) return bad;
    if (answer_ != AnswerSide::open) return ErrorKind::state;
    if (!over_watermark()) return ErrorKind::ok;
    want_writable();
    return ErrorKind::again;
}

bool Exchange::over_watermark() noexcept {
    publish_queued();
    return queued_.load(std::memory_order_relaxed) >= context_.limits.write_high_watermark_bytes;
}

ErrorKind Exchange::send_anyway(std::string_view bytes) {
    if (auto bad = before_send(); bad != ErrorKind::ok) return bad;
    if (answer_ != AnswerSide::open) return ErrorKind::state;
    const ErrorKind result = driver_->drive_send(*this, nullptr, bytes);
    if (result == ErrorKind::ok) body_sent_ += bytes.size();
    return result;
}

// -- senders on other threads ---------------------------------------------------------------------

bool Exchange::accept_remote(std::uint64_t bytes) noexcept {
    // In this order: bytes that are no longer arriving have been queued, and are seen there.
    const std::uint64_t arriving = arriving_.load(std::memory_order_acquire);
    const std::uint64_t ahead = arriving + queued_.load(std::memory_order_relaxed);
    if (ahead >= context_.limits.write_high_watermark_bytes) return false;
    arriving_.fetch_add(bytes, std::memory_order_relaxed);
    return true;
}

ErrorKind Exchange::send_arrived(Chain& bytes, SendFlags flags) {
    const Hold hold(*this);
    const std::uint64_t size = bytes.memory_size(); // as it was accepted: a file counts for little
    const ErrorKind result = send_accepted(bytes, flags);
    // Counted twice for a moment rather than not at all.
    arriving_.fetch_sub(size, std::memory_order_release);
    return result;
}

void Exchange::want_writable() {
    writable_wanted_ = true;
    // Reached already: then no further write would report it.
    if (driver_ != nullptr &&
        driver_->drive_queued(*this) <= context_.limits.write_low_watermark_bytes) {
        pump_later();
    }
}

} // namespace hc::link
