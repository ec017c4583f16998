// The sending half of H1Driver: what the exchange asks of it.
#include "core/base/short_text.hpp"
#include "core/link/h1_driver.hpp"

namespace hc::link {

namespace {

// A body up to this size is written behind its head in place; a larger one is appended.
constexpr std::size_t in_place_bytes_max = 16 * 1024;

} // namespace

/// The rest of the request's body will not be read to its end: it is too long, or the client still
/// waits to be asked for it.
bool H1Driver::rest_is_unwelcome() const noexcept {
    if (request_read_) return false;
    const h1::Framing& framing = parser_.framing();
    if (framing.body == h1::BodyKind::none) return false;
    return continue_wanted_ || (framing.body == h1::BodyKind::length &&
                                framing.content_length > context_.limits.discard_bytes_max);
}

std::string_view H1Driver::date() const noexcept {
    return context_.send_date ? context_.worker.http_date() : std::string_view{};
}

/// Bytes will wait to be written; the time for that starts with the first of them.
void H1Driver::output_begins() {
    if (transport_->queued() > 0) return;
    output_at_ = context_.worker.now();
    if (!in_process_) rearm(); // else who called process() does
}

/// The common answer, checked and written in one go. False: nothing was done.
bool H1Driver::respond_plainly(const http::HeadView& head, const Answer& answer) {
    if (!answer.flags.fin || answer.lent != nullptr || answer.body.size() > in_place_bytes_max ||
        head.version != http::Version::http_1_1 || head.method == http::Method::head ||
        head.method == http::Method::connect) {
        return false;
    }
    const bool close = close_after_ || context_.draining || rest_is_unwelcome();
    h1::AnswerMemo& memo = context_.answers;
    const std::string_view server = context_.server_name;
    const bool held = memo.holds(answer.status, answer.fields);
    char* const begin = transport_->reserve(memo.bound(held, answer.fields, answer.body, server));
    char* const end =
        memo.write(begin, held, answer.status, answer.fields, answer.body, close, date(), server);
    if (end == nullptr) {
        transport_->commit(0);
        return false;
    }
    output_begins();
    transport_->commit(static_cast<std::size_t>(end - begin));
    context_.counters.bytes_sent.add(static_cast<std::uint64_t>(end - begin));
    close_after_ = close;
    continue_wanted_ = false;
    body_suppressed_ = false;
    answer_body_ = h1::BodyKind::length;
    body_left_ = 0;
    note_answered();
    return true;
}

ErrorKind H1Driver::drive_respond(Exchange& exchange, const Answer& answer) {
    const http::HeadView& head = exchange.head();
    return respond_plainly(head, answer) ? ErrorKind::ok : respond_by_plan(head, answer);
}

/// Any answer: what it is to look like is decided first.
ErrorKind H1Driver::respond_by_plan(const http::HeadView& head, const Answer& answer) {
    auto facts = h1::examine(answer.fields);
    if (!facts) return facts.error().kind;
    const std::uint64_t size = answer.body_size();
    // What the client of a refused CONNECT has sent for its tunnel by then is no request.
    const bool keep_alive = !close_after_ && !context_.draining && !rest_is_unwelcome() &&
                            head.method != http::Method::connect;
    const h1::RequestFacts request{
        .version = head.version, .method = head.method, .keep_alive = keep_alive};
    auto plan =
        h1::plan_answer(request, answer.status, *facts,
                        answer.flags.fin ? std::optional<std::uint64_t>(size) : std::nullopt);
    if (!plan) return plan.error().kind;
    if (!plan->body_suppressed && plan->body == h1::BodyKind::length &&
        size > plan->content_length) {
        return ErrorKind::limit;
    }

    output_begins();
    const bool in_place = answer.lent == nullptr && plan->body == h1::BodyKind::length &&
                          !plan->body_suppressed && size <= in_place_bytes_max;
    char* begin =
        transport_->reserve(h1::response_head_bound(answer.status, *facts, context_.server_name) +
                            (in_place ? size : 0));
    char* end = h1::write_response_head(begin, answer.status, answer.fields, *facts, *plan, date(),
                                        context_.server_name);
    if (in_place) end = put(end, answer.body);
    transport_->commit(static_cast<std::size_t>(end - begin));
    context_.counters.bytes_sent.add(static_cast<std::uint64_t>(end - begin));

    close_after_ |= plan->close;
    continue_wanted_ = false;
    answer_body_ = plan->body;
    body_suppressed_ = plan->body_suppressed;
    body_left_ = plan->body == h1::BodyKind::length ? plan->content_length : 0;
    if (in_place) {
        body_left_ -= size;
    } else if (size > 0) {
        write_body(answer.lent, answer.body);
    }
    if (answer.flags.fin) end_answer({});
    return ErrorKind::ok;
}

/// Body bytes in the answer's framing. The caller has checked that they fit.
void H1Driver::write_body(Chain* lent, std::string_view bytes) {
    const std::uint64_t size = lent != nullptr ? lent->size() : bytes.size();
    if (body_suppressed_) {
        if (lent != nullptr) lent->consume(size);
        return;
    }
    if (size == 0) {
        if (lent != nullptr) lent->consume(0);
        return;
    }
    if (answer_body_ == h1::BodyKind::length) body_left_ -= size;
    const bool chunked = answer_body_ == h1::BodyKind::chunked;
    if (chunked) {
        char* begin = transport_->reserve(h1::chunk_head_bound);
        transport_->commit(static_cast<std::size_t>(h1::write_chunk_head(begin, size) - begin));
    }
    if (lent != nullptr) {
        transport_->send(std::move(*lent));
    } else {
        transport_->send(bytes);
    }
    if (chunked) transport_->send("\r\n");
    context_.counters.bytes_sent.add(size);
}

void H1Driver::end_answer(std::span<const http::Field> trailers) {
    if (phase_ == Phase::tunnel) {
        transport_->shutdown();
    } else if (answer_body_ == h1::BodyKind::chunked && !body_suppressed_) {
        char* begin = transport_->reserve(h1::last_chunk_bound(trailers));
        transport_->commit(static_cast<std::size_t>(h1::write_last_chunk(begin, trailers) - begin));
    }
    note_answered();
}

void H1Driver::note_answered() {
    answered_ = true;
    if (!request_read_ && stash_ == nullptr && body_is_unwanted()) {
        transport_->resume_reading();
        input_at_ = context_.worker.now(); // nobody waited for the peer before
    }
    // Inside process() its loop settles; inside any other call of the user the pass's end does.
    if (!in_process_) advance_later();
}

ErrorKind H1Driver::drive_interim(Exchange& exchange, int status,
                                  std::span<const http::Field> fields) {
    auto facts = h1::examine(fields);
    if (!facts) return facts.error().kind;
    if (exchange.head().version == http::Version::http_1_0) return ErrorKind::ok; // knows none
    if (status == 100) continue_wanted_ = false;
    output_begins();
    char* begin = transport_->reserve(h1::interim_head_bound(*facts, {}));
    transport_->commit(
        static_cast<std::size_t>(h1::write_interim_head(begin, status, fields, {}) - begin));
    return ErrorKind::ok;
}

ErrorKind H1Driver::drive_upgrade(Exchange& exchange, int status,
                                  std::span<const http::Field> fields) {
    const h1::Framing& framing = parser_.framing();
    if (!framing.upgrade || phase_ != Phase::open || framing.body != h1::BodyKind::none) {
        return ErrorKind::state;
    }
    if (framing.connect ? status < 200 || status > 299 : status != 101) return ErrorKind::invalid;
    auto facts = h1::examine(fields);
    if (!facts) return facts.error().kind;
    const http::HeadView& head = exchange.head();
    std::string_view protocol;
    if (!framing.connect) {
        protocol = head.text(head.protocol);
        for (const http::Field& field : fields) {
            if (http::lookup_field(field.name()) == http::FieldName::upgrade)
                protocol = field.value();
        }
    }
    output_begins();
    char* begin = transport_->reserve(h1::interim_head_bound(*facts, protocol));
    transport_->commit(
        static_cast<std::size_t>(h1::write_interim_head(begin, status, fields, protocol) - begin));
    phase_ = Phase::tunnel;
    close_after_ = true;
    request_read_ = input_ended_;
    body_suppressed_ = false;
    answer_body_ = h1::BodyKind::until_close;
    if (!in_process_) advance_later();
    return ErrorKind::ok;
}

ErrorKind H1Driver::drive_send(Exchange&, Chain* lent, std::string_view bytes) {
    const std::uint64_t size = lent != nullptr ? lent->size() : bytes.size();
    if (answer_body_ == h1::BodyKind::none && !body_suppressed_ && size > 0)
        return ErrorKind::limit;
    if (answer_body_ == h1::BodyKind::length && !body_suppressed_ && size > body_left_) {
        return ErrorKind::limit;
    }
    output_begins();
    write_body(lent, bytes);
    return ErrorKind::ok;
}

std::size_t H1Driver::drive_send_at_once(Exchange&,
                                         std::span<const sys::ConstBuffer> pieces) noexcept {
    if (phase_ != Phase::tunnel || answered_) return 0;
    const std::size_t taken = transport_->send_at_once(pieces);
    context_.counters.bytes_sent.add(taken);
    return taken;
}

bool H1Driver::drive_suffices(const Exchange&, std::uint64_t size) const noexcept {
    return answer_body_ != h1::BodyKind::length || body_suppressed_ || size >= body_left_;
}

ErrorKind H1Driver::drive_finish(Exchange& exchange, std::span<const http::Field> trailers) {
    if (!drive_suffices(exchange, 0)) {
        // The peer waits for bytes that will not come: only a reset tells it so.
        vanish(true);
        return ErrorKind::state;
    }
    auto facts = h1::examine(trailers);
    if (!facts) return facts.error().kind;
    output_begins();
    end_answer(trailers);
    return ErrorKind::ok;
}

void H1Driver::drive_abort(Exchange& exchange, std::uint64_t) {
    if (&exchange != exchange_) return;
    lose_exchange(ErrorKind::cancelled);
    vanish(true);
}

void H1Driver::drive_leave(Exchange& exchange) {
    if (&exchange != exchange_) return;
    lose_exchange(ErrorKind::cancelled);
    vanish(false);
}

void H1Driver::drive_body_room(Exchange& exchange) {
    if (&exchange != exchange_) return;
    if (continue_wanted_ && exchange.granted() && !exchange.answer_begun()) {
        continue_wanted_ = false;
        output_begins();
        transport_->send("HTTP/1.1 100 Continue\r\n\r\n");
    }
    if (!request_read_) {
        if (stash_ == nullptr && exchange.has_room()) transport_->resume_reading();
        if (!in_process_) {
            input_at_ = context_.worker.now(); // the peer's time starts when it may send
            rearm();
        }
    }
}

void H1Driver::drive_released(Exchange& exchange) {
    const bool common = answered_ && request_read_ && in_process_; // the loop there settles
    if (&exchange == exchange_ && !common) go_on_without(exchange);
}

/// The user has let go of the exchange under way.
void H1Driver::go_on_without(const Exchange& exchange) {
    if (!answered_) return give_up(exchange);
    if (phase_ == Phase::tunnel) return linger(); // the peer's end is waited for, but not for ever
    if (!request_read_ && stash_ == nullptr) transport_->resume_reading();
    if (!in_process_) settle();
}

/// It is not answered. A client that got nothing yet is told; one in the middle of an answer is cut
/// off.
void H1Driver::give_up(const Exchange& exchange) {
    if (phase_ == Phase::tunnel) return linger();
    const bool begun = exchange.answer_begun();
    lose_exchange(ErrorKind::cancelled);
    if (begun) return vanish(true);
    answer_simply(500, 0);
    linger();
}

std::uint64_t H1Driver::drive_queued(const Exchange&) const noexcept {
    return transport_->queued_memory();
}

void H1Driver::on_written() {
    output_at_ = context_.worker.now();
    if (exchange_ != nullptr || phase_ != Phase::open) after_write();
    rearm();
}

void H1Driver::after_write() {
    if (exchange_ != nullptr) exchange_->on_written();
    if (exchange_ != nullptr) settle();
    if (phase_ == Phase::lingering && input_ended_ && transport_->queued() == 0) vanish(false);
}

} // namespace hc::link
