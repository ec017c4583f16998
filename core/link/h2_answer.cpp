// The sending half of H2Driver: what the exchanges ask of it, and how it gets on its way.
#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "core/base/short_text.hpp"
#include "core/http/status.hpp"
#include "core/link/h2_driver.hpp"
#include "core/link/h2_shared.hpp"

namespace hc::link {

namespace {

/// While more than so many frames wait behind a full transport, nothing is read that would add to
/// them.
constexpr std::size_t waiting_frames_max = 256;

using StatusText = std::array<char, 3>;
StatusText text_of(int status) noexcept {
    return {static_cast<char>('0' + status / 100), static_cast<char>('0' + status / 10 % 10),
            static_cast<char>('0' + status % 10)};
}
std::string_view view(const StatusText& text) noexcept { return {text.data(), text.size()}; }

} // namespace

// -- on its way -----------------------------------------------------------------------------------

char* H2Driver::reserve(std::size_t n) { return transport_->reserve(n); }

void H2Driver::commit(std::size_t n) noexcept {
    written_ += n;
    transport_->commit(n);
}

void H2Driver::write(std::string_view bytes) {
    written_ += bytes.size();
    transport_->send(bytes);
}

void H2Driver::write(Chain&& bytes) {
    written_ += bytes.size();
    transport_->send(std::move(bytes));
}

/// Hands over what waits, up to what the transport is to hold at once.
void H2Driver::pull() {
    const Instant now = context_.worker.now();
    const std::uint64_t high = context_.limits.write_high_watermark_bytes;
    const std::uint64_t before = written_;
    if (transport_->queued() == 0) output_at_ = now;
    while (transport_->queued_memory() < high && session_->pull(now)) {}
    context_.counters.bytes_sent.add(written_ - before);
}

void H2Driver::flush() {
    while (phase_ == Phase::open) {
        if (opening_) [[unlikely]]
            open_tunnels();
        pull();
        if (!session_->events().empty()) {
            act();
        } else if (!tell_crowd()) {
            break;
        }
    }
    if (phase_ == Phase::open) {
        settle_written();
        pause_or_resume();
        count_glitches();
        finish_if_over();
    }
    bury();
}

/// There is more in a stream's `out`.
void H2Driver::note_output(std::uint64_t more) noexcept {
    session_->put_waiting(more);
    if (crowded_ || session_->waiting_bytes() < context_.limits.h2_connection_output_bytes_max) {
        return;
    }
    crowded_ = crowd_changed_ = true;
    flush_later();
}

/// Too much waits in all streams together, or that is over: other threads and those who wait for
/// room are told. False when there is nothing to tell.
bool H2Driver::tell_crowd() {
    const std::uint64_t few = context_.limits.h2_connection_output_bytes_max / 2;
    if (crowded_ && session_->waiting_bytes() <= few) {
        crowded_ = false;
        crowd_changed_ = true;
    }
    if (!std::exchange(crowd_changed_, false)) return false;
    each_stream([this](H2Stream& stream) {
        if (phase_ != Phase::open || stream.exchange_ == nullptr || stream.told_) return;
        stream.exchange_->on_written();
    });
    return true;
}

/// At the end of the pass, unless the call under way ends with it.
void H2Driver::flush_later() noexcept {
    if (!in_data_ && phase_ != Phase::gone && !is_deferred()) context_.worker.defer(*this);
}

void H2Driver::run_deferred() {
    flush();
    if (phase_ != Phase::gone) rearm();
}

/// A peer that does not read what it causes to be sent is not read from either.
void H2Driver::pause_or_resume() noexcept {
    const bool full = transport_->queued_memory() >= context_.limits.write_high_watermark_bytes &&
                      session_->queued_frames() > waiting_frames_max;
    if (full) {
        transport_->pause_reading();
    } else {
        transport_->resume_reading();
    }
}

void H2Driver::on_written() {
    output_at_ = context_.worker.now();
    settle_written();
    flush();
    if (phase_ == Phase::lingering && input_ended_ && transport_->queued() == 0) vanish(false);
    if (phase_ != Phase::gone) rearm();
}

// -- heads ----------------------------------------------------------------------------------------

std::string_view H2Driver::date() const noexcept {
    return context_.send_date ? context_.worker.http_date() : std::string_view{};
}

/// The user's own fields: those of the connection are none of HTTP/2's, and the length is told by
/// whoever knows it.
void H2Driver::add_fields(bool plain, std::span<const http::Field> fields) {
    for (const http::Field& field : fields) {
        if (!plain) {
            const http::FieldName name = http::lookup_field(field.name());
            if (http::is_of_connection(name) || name == http::FieldName::content_length) continue;
        }
        session_->add(field.name(), field.value());
    }
}

ErrorKind H2Driver::respond(H2Stream& stream, const Answer& answer) {
    auto facts = h1::examine(answer.fields);
    if (!facts) return facts.error().kind;
    const std::uint64_t size = answer.body_size();
    const http::HeadView& head = stream.exchange_->head();
    auto plan =
        h1::plan_answer({.method = head.method}, answer.status, *facts,
                        answer.flags.fin ? std::optional<std::uint64_t>(size) : std::nullopt);
    if (!plan) return plan.error().kind;
    const bool length = plan->body == h1::BodyKind::length;
    if (!plan->body_suppressed && length && size > plan->content_length) return ErrorKind::limit;

    const StatusText status = text_of(answer.status);
    std::array<char, digits_max> digits;
    session_->begin_head(view(status));
    if (const std::string_view now = date(); !facts->has_date && !now.empty()) {
        session_->add("date", now);
    }
    if (!facts->has_server && !context_.server_name.empty()) {
        session_->add("server", context_.server_name);
    }
    add_fields(facts->plain, answer.fields);
    if (plan->announce_length) {
        char* const end = put_number(digits.data(), plan->content_length);
        session_->add("content-length",
                      {digits.data(), static_cast<std::size_t>(end - digits.data())});
    }
    stream.continue_wanted_ = false;
    stream.body_suppressed_ = plan->body_suppressed;
    stream.length_known_ = plan->body != h1::BodyKind::chunked && !plan->body_suppressed;
    stream.body_left_ = length ? plan->content_length : 0;
    if (stream.is_promised()) stream.moved_at = context_.worker.now(); // its head may have to wait
    const bool nothing = answer.flags.fin && (plan->body_suppressed || size == 0);
    if (!session_->submit_head(stream, nothing)) return ErrorKind::no_memory;
    stream.answered_ = answer.flags.fin;
    stream.keep_output(answer.lent, answer.body, answer.flags.fin);
    if (answer.flags.fin) stream.out_ended = true;
    flush_later();
    return ErrorKind::ok;
}

/// An answer of the library's own, on a stream without an exchange.
void H2Driver::answer_simply(H2Stream& stream, int status, std::uint32_t retry_after_s) {
    const StatusText code = text_of(status);
    const std::string_view reason = http::reason_phrase(status);
    std::array<char, digits_max> after;
    std::array<char, digits_max> length;
    session_->begin_head(view(code));
    if (!date().empty()) session_->add("date", date());
    if (!context_.server_name.empty()) session_->add("server", context_.server_name);
    if (retry_after_s > 0) {
        char* const end = put_number(after.data(), retry_after_s);
        session_->add("retry-after", {after.data(), static_cast<std::size_t>(end - after.data())});
    }
    char* const end = put_number(length.data(), reason.size() + 1);
    session_->add("content-type", "text/plain; charset=utf-8");
    session_->add("content-length", {length.data(), static_cast<std::size_t>(end - length.data())});
    stream.answered_ = true;
    stream.moved_at = context_.worker.now();
    if (session_->submit_head(stream, stream.head_request_) && !stream.head_request_) {
        stream.out.append(reason);
        stream.out.append("\n");
        note_output(reason.size() + 1);
        stream.out_ended = true;
    }
    context_.counters.responses[static_cast<std::size_t>(status / 100)].add();
    flush_later();
}

void H2Driver::refuse(H2Stream& stream, int status) {
    context_.counters.protocol_errors.add();
    answer_simply(stream, status, 0);
}

ErrorKind H2Driver::interim(H2Stream& stream, int status, std::span<const http::Field> fields) {
    auto facts = h1::examine(fields);
    if (!facts) return facts.error().kind;
    if (status == 100) stream.continue_wanted_ = false;
    // nghttp2 holds back the second head of a promised stream while as many streams are open as the
    // peer allows, of which this would then be one.
    if (stream.is_promised()) return ErrorKind::ok;
    const StatusText code = text_of(status);
    session_->begin_head(view(code));
    add_fields(facts->plain && !facts->has_content_length, fields);
    session_->submit_interim(stream);
    flush_later();
    return ErrorKind::ok;
}

ErrorKind H2Driver::upgrade(H2Stream& stream, int status, std::span<const http::Field> fields) {
    if (!stream.connect_) return ErrorKind::state;
    if (status < 200 || status > 299) return ErrorKind::invalid; // HTTP/2 has no 101
    auto facts = h1::examine(fields);
    if (!facts) return facts.error().kind;
    const StatusText code = text_of(status);
    session_->begin_head(view(code));
    if (const std::string_view now = date(); !facts->has_date && !now.empty()) {
        session_->add("date", now);
    }
    if (!facts->has_server && !context_.server_name.empty()) {
        session_->add("server", context_.server_name);
    }
    add_fields(facts->plain && !facts->has_content_length, fields);
    if (!session_->submit_head(stream, false)) return ErrorKind::no_memory;
    stream.tunnel_ = true;
    stream.opening_ = opening_ = true;
    flush_later();
    return ErrorKind::ok;
}

/// The answer is complete, and its end follows what waits.
void H2Driver::end_answer(H2Stream& stream, std::span<const http::Field> trailers) {
    if (!trailers.empty() && !stream.body_suppressed_ && !stream.tunnel_) {
        auto kept = std::make_unique<h2::Stream::Trailers>();
        for (const http::Field& field : trailers) {
            if (http::may_be_trailer(http::lookup_field(field.name()))) {
                kept->emplace_back(field.name(), field.value());
            }
        }
        if (!kept->empty()) stream.trailers = std::move(kept);
    }
    stream.answered_ = true;
    stream.out_ended = true;
    session_->resume(stream);
    flush_later();
}

// -- what exchanges ask ---------------------------------------------------------------------------

const Transport& H2Stream::transport() const noexcept { return *driver_.transport_; }
const ConnectionLimits& H2Stream::limits() const noexcept { return driver_.context_.limits; }

ErrorKind H2Stream::drive_respond(Exchange&, const Answer& answer) {
    return driver_.respond(*this, answer);
}

ErrorKind H2Stream::drive_interim(Exchange&, int status, std::span<const http::Field> fields) {
    return driver_.interim(*this, status, fields);
}

ErrorKind H2Stream::drive_upgrade(Exchange&, int status, std::span<const http::Field> fields) {
    return driver_.upgrade(*this, status, fields);
}

/// Body bytes, which the caller has checked to fit.
void H2Stream::keep_output(Chain* lent, std::string_view bytes, bool last) {
    const std::uint64_t size = lent != nullptr ? lent->size() : bytes.size();
    if (body_suppressed_ || size == 0) {
        if (lent != nullptr) lent->consume(size);
        return;
    }
    if (length_known_) body_left_ -= size;
    if (!has_output()) moved_at = driver_.context_.worker.now();
    const std::uint64_t before = out.memory_size();
    if (lent != nullptr) {
        out.append(std::move(*lent));
    } else if (last && size <= small_max && !has_output()) {
        return keep_small(bytes);
    } else {
        out.append(bytes);
    }
    driver_.note_output(out.memory_size() - before);
}

ErrorKind H2Stream::drive_send(Exchange&, Chain* lent, std::string_view bytes) {
    const std::uint64_t size = lent != nullptr ? lent->size() : bytes.size();
    if (length_known_ && !tunnel_ && size > body_left_) return ErrorKind::limit;
    keep_output(lent, bytes, false);
    driver_.session_->resume(*this);
    driver_.flush_later();
    return ErrorKind::ok;
}

bool H2Stream::drive_suffices(const Exchange&, std::uint64_t size) const noexcept {
    return !length_known_ || tunnel_ || size >= body_left_;
}

ErrorKind H2Stream::drive_finish(Exchange& exchange, std::span<const http::Field> fields) {
    if (!drive_suffices(exchange, 0)) {
        // The peer waits for bytes that will not come: only a reset tells it so.
        driver_.session_->reset(*this, h2::Code::internal_error);
        driver_.lose(*this, ErrorKind::cancelled);
        driver_.flush_later();
        return ErrorKind::state;
    }
    auto facts = h1::examine(fields);
    if (!facts) return facts.error().kind;
    driver_.end_answer(*this, fields);
    return ErrorKind::ok;
}

void H2Stream::drive_abort(Exchange&, std::uint64_t code) {
    const bool fits = code != 0 && code <= UINT32_MAX;
    driver_.session_->reset(*this, fits ? static_cast<std::uint32_t>(code)
                                        : static_cast<std::uint32_t>(h2::Code::cancel));
    driver_.lose(*this, ErrorKind::cancelled);
    driver_.flush_later();
}

void H2Stream::drive_body_room(Exchange& exchange) {
    if (told_) return;
    if (continue_wanted_ && exchange.granted() && !exchange.answer_begun()) {
        driver_.interim(*this, 100, {});
    }
    if (!request_read_) {
        input_at_ = driver_.context_.worker.now(); // the peer's time starts when it may send
        driver_.rearm();
    }
    driver_.account(*this);
    driver_.flush_later();
}

void H2Stream::drive_released(Exchange&) { driver_.released(*this); }

std::uint64_t H2Stream::drive_queued(const Exchange&) const noexcept {
    if (told_) return 0;
    const std::uint64_t own = out.memory_size() + small_size - small_taken;
    // Where nothing waits something may always be added, so that every stream gets on.
    if (!driver_.crowded_ || own == 0) [[likely]]
        return own;
    return std::max<std::uint64_t>(own, driver_.context_.limits.write_high_watermark_bytes);
}

} // namespace hc::link
