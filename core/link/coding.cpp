#include "core/link/coding.hpp"

#include <algorithm>

#include "core/link/context.hpp"
#include "core/proto/h1/writer.hpp"

namespace hc::link {

// -- answers --------------------------------------------------------------------------------------

/// Fields with memory of their own.
class ResponseCoding::KeptFields {
public:
    explicit KeptFields(std::span<const http::Field> fields) {
        std::size_t size = 0;
        for (const http::Field& field : fields) size += field.name_size + field.value_size;
        text_.reserve(size); // so that nothing moves
        for (const http::Field& field : fields) {
            http::Field kept = field;
            kept.name_data = keep(field.name());
            kept.value_data = keep(field.value());
            fields_.push_back(kept);
        }
    }
    std::span<const http::Field> list() const noexcept { return fields_; }

private:
    const char* keep(std::string_view text) {
        const std::size_t at = text_.size();
        text_.append(text);
        return text_.data() + at;
    }
    std::string text_;
    std::vector<http::Field> fields_;
};

ResponseCoding::ResponseCoding(Exchange& exchange, ExchangeDriver& driver, Coder& coder,
                               CodedAnswer& answer)
    : exchange_(exchange), driver_(driver), coder_(coder), encoder_(std::move(answer.encoder())),
      left_(answer.announced()), eager_(answer.eager()) {}

ResponseCoding::~ResponseCoding() = default;

bool ResponseCoding::encode(std::string_view bytes, coding::Flush flush) {
    unflushed_ = flush == coding::Flush::none;
    return encoder_->feed(bytes, flush, out_);
}

bool ResponseCoding::encode(const Chain& bytes) {
    for (const Chunk* chunk = bytes.head(); chunk != nullptr; chunk = chunk->next) {
        if (!encode({chunk->data, chunk->size}, coding::Flush::none)) return false;
    }
    return true;
}

/// Gives what was coded to the driver.
ErrorKind ResponseCoding::hand_over() {
    if (out_.empty()) return ErrorKind::ok;
    const std::uint64_t size = out_.size();
    const ErrorKind result = driver_.drive_send(exchange_, &out_, {});
    if (result == ErrorKind::ok) bytes_ += size;
    return result;
}

/// It cannot go on. The exchange ends at the end of the pass, not within its user's call.
void ResponseCoding::fail() {
    failed_ = true;
    exchange_.run_later();
}

namespace {
/// Coded bytes that are worth a call of the driver before the pass ends.
constexpr std::uint64_t gather_bytes = 4096;

bool has_file(const Chain& chain) noexcept {
    for (const Chunk* chunk = chain.head(); chunk != nullptr; chunk = chunk->next) {
        if (chunk->kind == Chunk::Kind::file) return true;
    }
    return false;
}
} // namespace

/// Codes small pieces within the call that sends them.
bool ResponseCoding::encode_now(const Chain* lent, std::string_view bytes) {
    if (!(lent != nullptr ? encode(*lent) : encode(bytes, coding::Flush::none))) return false;
    if (eager_) return encode({}, coding::Flush::flush) && hand_over() == ErrorKind::ok;
    return out_.size() < gather_bytes || hand_over() == ErrorKind::ok;
}

ErrorKind ResponseCoding::drive_send(Exchange&, Chain* lent, std::string_view bytes) {
    const std::uint64_t size = lent != nullptr ? lent->size() : bytes.size();
    if (failed_) return ErrorKind::closed;
    if (left_ && size > *left_) return ErrorKind::limit;
    const bool now = size + spent_ <= Coder::piece_bytes && waiting_.empty() &&
                     (lent == nullptr || !has_file(*lent));
    if (size > 0) exchange_.run_later();
    if (size > 0 && now) {
        spent_ += size;
        if (!encode_now(lent, bytes)) {
            fail();
            return ErrorKind::no_memory;
        }
    } else if (size > 0) {
        if (lent != nullptr) waiting_.append(std::move(*lent));
        else waiting_.append(bytes);
    }
    if (left_) *left_ -= size;
    if (lent != nullptr) lent->consume(lent->size());
    return ErrorKind::ok;
}

bool ResponseCoding::drive_suffices(const Exchange&, std::uint64_t size) const noexcept {
    return !left_ || size >= *left_;
}

ErrorKind ResponseCoding::drive_finish(Exchange& exchange, std::span<const http::Field> trailers) {
    if (!drive_suffices(exchange, 0)) {
        drop();
        exchange.fail(ErrorKind::closed);
        driver_.drive_abort(exchange, 0);
        return ErrorKind::state;
    }
    if (const auto facts = h1::examine(trailers); !facts) return facts.error().kind;
    if (waiting_.empty() && !failed_) return end(trailers);
    finishing_ = true;
    if (!trailers.empty()) trailers_ = std::make_unique<KeptFields>(trailers);
    exchange_.run_later();
    return ErrorKind::ok;
}

/// All is coded.
ErrorKind ResponseCoding::end(std::span<const http::Field> trailers) {
    if (!encode({}, coding::Flush::end) || hand_over() != ErrorKind::ok) {
        finishing_ = true; // the release waits for the failure
        fail();
        return ErrorKind::no_memory;
    }
    encoder_.give_back();
    finishing_ = false;
    return driver_.drive_finish(exchange_, trailers);
}

void ResponseCoding::drive_abort(Exchange& exchange, std::uint64_t code) {
    drop();
    driver_.drive_abort(exchange, code);
}

void ResponseCoding::drive_released(Exchange& exchange) {
    if (!finishing_) {
        drop();
        driver_.drive_released(exchange);
        return;
    }
    released_ = true;
    exchange_.run_later();
}

std::uint64_t ResponseCoding::drive_queued(const Exchange& exchange) const noexcept {
    return driver_.drive_queued(exchange) + out_.size() + waiting_.memory_size();
}

void ResponseCoding::drop() noexcept {
    waiting_.clear();
    out_.clear();
    encoder_.give_back();
    finishing_ = false;
}

bool ResponseCoding::is_due() const noexcept {
    if (failed_ || (finishing_ && waiting_.empty())) return true;
    if (!waiting_.empty()) {
        return driver_.drive_queued(exchange_) < limits().write_high_watermark_bytes;
    }
    return unflushed_ && static_cast<bool>(encoder_);
}

/// Codes one piece of what waits; `io` when a file cannot be read.
ErrorKind ResponseCoding::encode_waiting() {
    std::uint64_t budget = Coder::piece_bytes;
    while (!waiting_.empty() && budget > 0) {
        const Chunk& front = *waiting_.head();
        std::uint64_t size = std::min(front.size, budget);
        std::string_view piece{front.data, static_cast<std::size_t>(size)};
        if (front.kind == Chunk::Kind::file) {
            const std::span<char> room = coder_.scratch();
            size = std::min<std::uint64_t>(size, room.size());
            const sys::Io io = exchange_.worker().sockets().read_file(
                front.file, front.offset, room.first(static_cast<std::size_t>(size)));
            // The end of a file that became shorter is an error as any other.
            if (!io.ok() || (io.bytes == 0 && size > 0)) return ErrorKind::io;
            piece = {room.data(), io.bytes};
        }
        if (!encode(piece, coding::Flush::none)) return ErrorKind::no_memory;
        budget -= piece.size();
        waiting_.consume(piece.size());
    }
    return ErrorKind::ok;
}

/// What run() is there for.
ErrorKind ResponseCoding::go_on() {
    if (failed_) return ErrorKind::no_memory;
    if (!waiting_.empty()) {
        if (const ErrorKind bad = encode_waiting(); bad != ErrorKind::ok) return bad;
        if (!waiting_.empty()) return hand_over();
    }
    if (finishing_) {
        return end(trailers_ != nullptr ? trailers_->list() : std::span<const http::Field>());
    }
    if (!encode({}, coding::Flush::flush)) return ErrorKind::no_memory;
    return hand_over();
}

void ResponseCoding::run() {
    spent_ = 0;
    if (!is_due()) return;
    if (const ErrorKind why = go_on(); why != ErrorKind::ok) {
        drop();
        exchange_.fail(why);
        // The user may have let go of it in there.
        if (exchange_.is_driven()) driver_.drive_abort(exchange_, 0);
        return;
    }
    if (released_ && !finishing_) return driver_.drive_released(exchange_);
    if (is_due()) exchange_.run_later();
}

// -- requests -------------------------------------------------------------------------------------

RequestJudgement::RequestJudgement(Coder& coder, const http::HeadView& request) : head_(request) {
    if (!coder.options().decompress || request.method == http::Method::connect) return;
    auto outcome = http::AppliedCodings::Outcome::known;
    for (const http::FieldRef& field : request.list()) {
        if (field.known == http::FieldName::content_encoding) {
            outcome = applied_.add(request.value(field));
        }
    }
    if (outcome != http::AppliedCodings::Outcome::known) {
        outcome_ = Outcome::unknown;
        return;
    }
    if (applied_.list().empty()) return;
    if (coder.decoders() >= coder.options().decoders_max) {
        outcome_ = Outcome::too_many;
        return;
    }
    outcome_ = Outcome::decode;
    fields_.reserve(request.field_count);
    for (const http::FieldRef& field : request.list()) {
        if (field.known != http::FieldName::content_encoding &&
            field.known != http::FieldName::content_length) {
            fields_.push_back(field);
        }
    }
    head_.fields = fields_.data();
    head_.field_count = static_cast<std::uint32_t>(fields_.size());
}

RequestCoding::RequestCoding(Exchange& exchange, Coder& coder,
                             std::span<const http::ContentCoding> applied,
                             const coding::DecoderLimits& limits)
    : exchange_(exchange), coder_(coder), decoder_(applied, limits) {
    ++coder_.decoders();
}

RequestCoding::~RequestCoding() { --coder_.decoders(); }

void RequestCoding::push(std::string_view bytes) {
    if (!over_ && waiting_.empty()) decode(bytes);
    if (!over_) waiting_.append(bytes);
}

void RequestCoding::end() {
    all_came_ = true;
    run();
}

/// Takes off `bytes` what there is room for.
void RequestCoding::decode(std::string_view& bytes) {
    while (!exchange_.over_decoded()) {
        if (exchange_.released() || exchange_.closed()) return give_up();
        std::size_t size = 0;
        const std::span<char> room = coder_.scratch();
        const coding::Decoded step = decoder_.step(bytes, room, size);
        dry_ = step == coding::Decoded::wants_input;
        if (dry_) return;
        if (step != coding::Decoded::bytes) return refuse(step);
        exchange_.push_decoded({room.data(), size});
    }
}

void RequestCoding::run() {
    const bool waited = waits();
    while (waits() && !exchange_.over_decoded()) {
        // Without any the decoder has some left to give.
        std::string_view bytes;
        if (!waiting_.empty()) {
            bytes = {waiting_.head()->data, static_cast<std::size_t>(waiting_.head()->size)};
        }
        const std::size_t before = bytes.size();
        decode(bytes);
        if (over_) return;
        waiting_.consume(before - bytes.size());
    }
    if (over_ || waits()) return;
    if (!all_came_) {
        if (waited) exchange_.ask_for_body();
        return;
    }
    if (!decoder_.complete()) return refuse(coding::Decoded::malformed);
    over_ = true;
    exchange_.end_decoded();
}

void RequestCoding::give_up() noexcept {
    over_ = true;
    dry_ = true;
    waiting_.clear();
}

void RequestCoding::refuse(coding::Decoded why) {
    give_up();
    switch (why) {
    case coding::Decoded::too_large: return exchange_.refuse_body(413, ErrorKind::limit);
    case coding::Decoded::no_memory: return exchange_.refuse_body(503, ErrorKind::no_memory);
    case coding::Decoded::bytes:
    case coding::Decoded::wants_input:
    case coding::Decoded::malformed: return exchange_.refuse_body(400, ErrorKind::protocol);
    }
}

} // namespace hc::link
