// What an exchange does beside the usual where content coding is on.
#include <string>

#include "core/http/status.hpp"
#include "core/link/coder.hpp"
#include "core/link/coding.hpp"
#include "core/link/context.hpp"
#include "core/link/exchange.hpp"

namespace hc::link {

Exchange::Extras& Exchange::extras() {
    // Other threads may look for trailers meanwhile.
    if (extras_here() == nullptr) extras_.store(new Extras, std::memory_order_release);
    return *extras_here();
}

ExchangeUser& Exchange::called_before_user() const noexcept {
    const Extras& extras = *extras_here();
    return extras.stage != nullptr ? *extras.stage : *user_;
}

/// At the end of a pass; the caller holds the exchange.
void Exchange::run_coding() {
    if (driver_ == nullptr) return;
    Extras& extras = *extras_here();
    if (extras.response != nullptr) extras.response->run();
    if (extras.request != nullptr && !released_ && !closed_) extras.request->run();
}

std::uint64_t Exchange::body_bytes_sent() const noexcept {
    const Extras* const extras = extras_here();
    const bool coded = extras != nullptr && extras->response != nullptr;
    return coded ? extras->response->bytes() : body_sent_;
}

// -- answers --------------------------------------------------------------------------------------

/// respond(), once its state is checked.
ErrorKind Exchange::respond_coded(const Answer& answer) {
    CodedAnswer coded(*context_.coder, *head_, answer);
    const std::uint64_t size = coded.answer().body_size();
    if (auto bad = driver_->drive_respond(*this, coded.answer()); bad != ErrorKind::ok) return bad;
    answer_ = AnswerSide::open;
    status_ = static_cast<std::uint16_t>(answer.status);
    switch (coded.way()) {
    case CodedAnswer::Way::as_is: body_sent_ += size; break;
    case CodedAnswer::Way::whole:
        body_sent_ += size;
        if (answer.lent != nullptr) answer.lent->consume(answer.lent->size());
        break;
    case CodedAnswer::Way::streamed:
        extras().response =
            std::make_unique<ResponseCoding>(*this, *driver_, *context_.coder, coded);
        driver_ = extras().response.get();
        // What fails in here ends the exchange at the end of the pass.
        driver_->drive_send(*this, answer.lent, answer.body);
        if (answer.flags.fin) driver_->drive_finish(*this, {});
        break;
    }
    return after_answer(ErrorKind::ok, answer.flags.fin, answer.flags);
}

// -- requests -------------------------------------------------------------------------------------

/// Decodes the body, or answers; false when it did the latter.
bool Exchange::judge_request(const RequestJudgement& judgement) {
    if (judgement.outcome() == RequestJudgement::Outcome::too_many) {
        refuse_overload();
        return false;
    }
    if (judgement.outcome() == RequestJudgement::Outcome::decode) {
        const ConnectionLimits& limits = context_.limits;
        extras().request = std::make_unique<RequestCoding>(
            *this, *context_.coder, judgement.applied(),
            coding::DecoderLimits{.bytes_max = limits.decoded_body_bytes_max,
                                  .ratio_max = limits.decoded_ratio_max,
                                  .ratio_from_bytes = limits.decoded_ratio_from_bytes});
        return true;
    }
    const http::Field fields[] = {
        {"accept-encoding", "zstd, br, gzip", http::FieldName::accept_encoding},
        {"content-type", "text/plain; charset=utf-8", http::FieldName::content_type},
    };
    if (respond(415, fields, "Unsupported Media Type\n", {.fin = true, .release = true}) !=
        ErrorKind::ok) {
        release();
    }
    return false;
}

void Exchange::end_decoded() {
    request_ended_ = true;
    pump();
}

void Exchange::ask_for_body() {
    if (driver_ != nullptr && !closed_) driver_->drive_body_room(*this);
}

void Exchange::refuse_body(int status, ErrorKind why) {
    if (closed_ || close_reason_ != ErrorKind::ok || driver_ == nullptr) return;
    context_.counters.protocol_errors.add();
    // (One whose answer is finished has nothing to be cut off from.)
    const bool cut = answer_ == AnswerSide::open;
    if (answer_ == AnswerSide::none) {
        const http::Field fields[] = {
            {"content-type", "text/plain; charset=utf-8", http::FieldName::content_type},
        };
        std::string text(http::reason_phrase(status));
        text += '\n';
        driver_->drive_respond(
            *this, {.status = status, .fields = fields, .body = text, .flags = {.fin = true}});
        status_ = static_cast<std::uint16_t>(status);
        answer_ = AnswerSide::finished;
    }
    fail(why);
    if (cut && driver_ != nullptr) driver_->drive_abort(*this, 0);
}

} // namespace hc::link
