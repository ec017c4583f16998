#include "core/proto/h1/parser.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "core/proto/h1/judge.hpp"
#include "core/proto/h1/plain.hpp"

namespace hc::h1 {

HeadScratch::HeadScratch() noexcept
    : fresh_{fresh_machine(HTTP_REQUEST), fresh_machine(HTTP_RESPONSE)} {}

bool HeadScratch::grow(const ConnectionLimits& limits) noexcept {
    try {
        fields_.resize(std::size_t{limits.header_count_max} + 1);
    } catch (const std::bad_alloc&) {
        return false;
    }
    room_ = limits.header_count_max + 1;
    return true;
}

Lexer& HeadScratch::begin(Role role, const ConnectionLimits& limits) noexcept {
    memo_.forget();
    lexer_.machine = fresh_[static_cast<std::size_t>(role)];
    lexer_.fields = fields_.data();
    lexer_.field_count = 0;
    lexer_.field_room = room_;
    lexer_.fields_max = limits.header_count_max;
    lexer_.target_max = limits.target_bytes_max;
    lexer_.line = {};
    lexer_.piece = Lexer::Piece::none;
    return lexer_;
}

Parser::Parser(Role role, const ConnectionLimits& limits, HeadScratch& scratch) noexcept
    : limits_(&limits), scratch_(&scratch), role_(role) {}

Parser::~Parser() { release(); }

void Parser::release() noexcept {
    delete message_;
    message_ = nullptr;
}

/// What next() does anywhere but at the two ends of a message.
Event Parser::go_on(std::string_view& input) noexcept {
    switch (state_) {
    case State::start: return begin_head(input);
    case State::ending: return end_message();
    case State::head: return read_head(input);
    case State::unknown_method: return read_method(input);
    case State::length: return read_length(input);
    case State::chunks: return read_chunks(input);
    case State::until_close: return read_until_close(input);
    case State::trailers:
        release();
        state_ = after_message();
        return next(input);
    case State::closed: return input.empty() ? Event::need_input : refuse(refusals::after_close);
    case State::failed: return Event::error;
    }
    return Event::error;
}

Event Parser::begin_head(std::string_view& input) noexcept {
    if (!scratch_->ready(*limits_)) [[unlikely]]
        return refuse(refusals::no_memory);
    if (role_ == Role::client || leading_ == Leading::cr) return read_head(input);
    http::HeadView& head = scratch_->head_;
    const std::string_view text{input.data(),
                                std::min<std::size_t>(input.size(), limits_->header_bytes_max)};
    const std::size_t line = read_plain_line(text, *limits_, head);
    if (line == 0) return read_head(input);
    const std::size_t size =
        scratch_->memo_.recall(text, line, head, scratch_->fields_.data(), framing_);
    if (size == 0) return read_fields(input, text, line);
    input.remove_prefix(size);
    return begin_bodyless();
}

/// Goes on behind the request line, which was read.
Event Parser::read_fields(std::string_view& input, std::string_view text,
                          std::size_t line) noexcept {
    FieldMemo& memo = scratch_->memo_;
    http::HeadView& head = scratch_->head_;
    memo.forget();
    const std::size_t size =
        read_plain_fields(text, line, *limits_, head, scratch_->fields_.data());
    if (size == 0) return read_head(input);
    input.remove_prefix(size);
    framing_ = {};
    const Refusal* refusal = judge_request(head, false, *limits_, framing_);
    if (refusal != nullptr || framing_.body != BodyKind::none) return settle(refusal);
    memo.keep(head, line, framing_);
    return begin_bodyless();
}

Event Parser::begin_bodyless() noexcept {
    leading_ = Leading::none;
    state_ = State::ending;
    return Event::head;
}

Event Parser::end_message() noexcept {
    if (message_ != nullptr) release();
    state_ = after_message();
    return Event::end;
}

Parser::State Parser::after_message() const noexcept {
    // A client's tunnel has no more messages; a server's driver decides whether it opens one.
    const bool tunnel = role_ == Role::client && framing_.upgrade;
    return framing_.keep_alive && !tunnel ? State::start : State::closed;
}

Event Parser::refuse(const Refusal& refusal) noexcept {
    release();
    scratch_->refusal_ = refusal;
    if (role_ == Role::client) scratch_->refusal_.status = 0;
    state_ = State::failed;
    return Event::error;
}

// -- heads ----------------------------------------------------------------------------------------

/// One empty line may come before a request (RFC 9112, section 2.2), and some servers send one
/// before a response. True when it was all there was.
bool Parser::skip_empty_line(std::string_view& input) noexcept {
    while (!input.empty()) {
        const char c = input.front();
        const bool wanted =
            (leading_ == Leading::none && c == '\r') || (leading_ == Leading::cr && c == '\n');
        if (!wanted) {
            if (leading_ != Leading::cr && c != '\r' && c != '\n') return false;
            refuse(refusals::empty_lines);
            return true;
        }
        leading_ = leading_ == Leading::none ? Leading::cr : Leading::crlf;
        input.remove_prefix(1);
    }
    return true;
}

Event Parser::read_head(std::string_view& input) noexcept {
    if (input.empty()) return Event::need_input;
    std::uint32_t before = 0;
    Lexer* lexer = nullptr;
    if (state_ == State::head) {
        lexer = &message_->lexer;
        before = message_->size;
    } else {
        if ((leading_ == Leading::cr || input.front() == '\r' || input.front() == '\n') &&
            skip_empty_line(input)) {
            return state_ == State::failed ? Event::error : Event::need_input;
        }
        lexer = &scratch_->begin(role_, *limits_);
    }
    const std::size_t room = limits_->header_bytes_max - before;
    const std::string_view slice = input.substr(0, std::min(input.size(), room));
    const llhttp_errno_t error = lexer->execute(slice.data(), slice.size(), before);
    if (error == HPE_PAUSED) {
        const auto used =
            static_cast<std::size_t>(llhttp_get_error_pos(&lexer->machine) - slice.data());
        input.remove_prefix(used);
        return finish_head(slice.substr(0, used));
    }
    if (error != HPE_OK) return fail_head(input, slice, error);
    if (slice.size() == room) return refuse(refusals::long_head);
    input.remove_prefix(slice.size());
    if (!keep(slice)) return refuse(refusals::no_memory);
    if (is_preface({message_->bytes, message_->size})) return refuse(refusals::unknown_version);
    return Event::need_input;
}

/// Moves a head that did not come in one piece, or a body that llhttp reads, into our own memory.
bool Parser::own_lexer() noexcept {
    if (message_ != nullptr) return true;
    auto* message = new (std::nothrow) Message;
    if (message == nullptr) return false;
    const Lexer& shared = scratch_->lexer_;
    Lexer& own = message->lexer;
    own = shared;
    own.fields = nullptr;
    own.field_room = 0;
    const std::uint32_t used = shared.field_count + (shared.piece == Lexer::Piece::none ? 0 : 1);
    while (state_ == State::head && own.field_room < used) {
        if (!message->grow_fields()) {
            delete message;
            return false;
        }
    }
    if (own.field_room >= used && used > 0) {
        std::memcpy(own.fields, shared.fields, used * sizeof(http::FieldRef));
    }
    message_ = message;
    return true;
}

bool Parser::keep(std::string_view slice) noexcept {
    state_ = State::head;
    return own_lexer() && message_->append(slice.data(), slice.size());
}

Event Parser::finish_head(std::string_view slice) noexcept {
    http::HeadView& head = scratch_->head_;
    head = {};
    Lexer* lexer = &scratch_->lexer_;
    if (message_ == nullptr) {
        head.base = slice.data();
        head.size = static_cast<std::uint32_t>(slice.size());
    } else {
        if (!message_->append(slice.data(), slice.size())) return refuse(refusals::no_memory);
        lexer = &message_->lexer;
        head.base = message_->bytes;
        head.size = message_->size;
    }
    framing_ = {};
    if (role_ == Role::client) {
        return settle(judge_response(*lexer, *limits_, response_to_, head, framing_));
    }
    const Refusal* refusal = judge_request_line(*lexer, head);
    if (refusal == nullptr) {
        const bool chunked = (lexer->machine.flags & F_CHUNKED) != 0;
        name_fields(head.base, lexer->fields, lexer->field_count);
        refusal = judge_request(head, chunked, *limits_, framing_);
    }
    return settle(refusal);
}

/// Goes on to the body that the head has announced.
Event Parser::settle(const Refusal* refusal) noexcept {
    if (refusal != nullptr) return refuse(*refusal);
    leading_ = Leading::none;
    switch (framing_.body) {
    case BodyKind::none: state_ = State::ending; break;
    case BodyKind::length:
        state_ = State::length;
        count_ = framing_.content_length;
        break;
    case BodyKind::chunked:
        state_ = State::chunks;
        count_ = 0;
        if (!own_lexer()) return refuse(refusals::no_memory);
        message_->lexer.machine.error = HPE_OK; // what llhttp_resume does
        expect_chunks(*message_);
        break;
    case BodyKind::until_close: state_ = State::until_close; break;
    }
    return Event::head;
}

Event Parser::fail_head(std::string_view& input, std::string_view slice,
                        llhttp_errno_t error) noexcept {
    const bool fresh = message_ == nullptr;
    const std::uint32_t before = fresh ? 0 : message_->size;
    const Lexer lexer = fresh ? scratch_->lexer_ : message_->lexer;
    std::string_view text = slice;
    if (!fresh) {
        if (!message_->append(slice.data(), slice.size())) return refuse(refusals::no_memory);
        text = {message_->bytes, message_->size};
    }
    const auto error_at = before + static_cast<std::size_t>(lexer.machine.error_pos - slice.data());
    if (is_preface(text)) return refuse(refusals::unknown_version);
    const bool in_method = lexer.machine.type == HTTP_REQUEST && lexer.stop == Lexer::Stop::none &&
                           text.substr(0, error_at).find(' ') == std::string_view::npos;
    if (!in_method) return refuse(judge_failure(lexer, error, text, error_at));
    // llhttp stops at the first letter that leads to no method; whether it is one is known later.
    if (fresh && !keep(slice)) return refuse(refusals::no_memory);
    state_ = State::unknown_method;
    input.remove_prefix(slice.size());
    return decide_method();
}

Event Parser::read_method(std::string_view& input) noexcept {
    // Byte by byte: this ends after 32 of them, or with the preface, after 24.
    while (!input.empty()) {
        if (!message_->append(input.data(), 1)) return refuse(refusals::no_memory);
        input.remove_prefix(1);
        if (const Event event = decide_method(); event == Event::error) return event;
    }
    return Event::need_input;
}

Event Parser::decide_method() noexcept {
    switch (judge_method({message_->bytes, message_->size})) {
    case Unknown::undecided: return Event::need_input;
    case Unknown::not_a_method: return refuse(refusals::bad_method);
    case Unknown::unknown_method: return refuse(refusals::unknown_method);
    case Unknown::preface: return refuse(refusals::unknown_version);
    }
    return Event::need_input;
}

// -- bodies ---------------------------------------------------------------------------------------

Event Parser::read_length(std::string_view& input) noexcept {
    if (input.empty()) return Event::need_input;
    if (message_ != nullptr) release();
    scratch_->body_ =
        input.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(count_, input.size())));
    input.remove_prefix(scratch_->body_.size());
    count_ -= scratch_->body_.size();
    if (count_ == 0) state_ = State::ending;
    return Event::body;
}

Event Parser::read_until_close(std::string_view& input) noexcept {
    if (input.empty()) return Event::need_input;
    if (message_ != nullptr) release();
    scratch_->body_ = std::exchange(input, {});
    return Event::body;
}

/// Counts bytes that are neither body nor, up to what a chunk needs, its size line. The bound holds
/// for unterminated lines too.
const Refusal* Parser::count_meta(std::size_t bytes) noexcept {
    constexpr std::uint32_t plain = 2 + 16 + 2; // CRLF behind the last chunk, digits, CRLF
    Message& m = *message_;
    m.meta = static_cast<std::uint32_t>(std::min<std::size_t>(m.meta + bytes, UINT32_MAX));
    if (m.in_trailers)
        return m.meta > limits_->trailer_bytes_max ? &refusals::long_trailers : nullptr;
    const std::uint32_t extra = m.meta > plain ? m.meta - plain : 0;
    const bool fits = extra <= limits_->chunk_extension_bytes_max &&
                      m.extensions <= limits_->chunk_extension_bytes_max - extra;
    return fits ? nullptr : &refusals::long_extensions;
}

const Refusal* Parser::begin_chunk() noexcept {
    constexpr std::uint32_t plain = 2 + 16 + 2;
    Message& m = *message_;
    if (m.meta > plain) m.extensions += m.meta - plain;
    m.meta = 0;
    const std::uint64_t size = m.lexer.machine.content_length;
    m.in_trailers = size == 0;
    if (limits_->body_bytes_max != 0 &&
        (count_ > limits_->body_bytes_max || size > limits_->body_bytes_max - count_)) {
        return &refusals::large_body;
    }
    count_ = size > UINT64_MAX - count_ ? UINT64_MAX : count_ + size;
    return nullptr;
}

Event Parser::read_chunks(std::string_view& input) noexcept {
    Message& m = *message_;
    if (!m.chunked) { // the head's bytes are no longer needed; the trailers will lie there
        m.chunked = true;
        m.size = 0;
        m.lexer.field_count = 0;
        m.lexer.piece = Lexer::Piece::none;
    }
    while (!input.empty()) {
        const char* begin = input.data();
        const llhttp_errno_t error = m.lexer.execute(begin, input.size(), 0);
        const std::size_t used = error == HPE_OK
                                     ? input.size()
                                     : static_cast<std::size_t>(m.lexer.machine.error_pos - begin);
        const bool in_body = m.lexer.stop == Lexer::Stop::body;
        if (const Refusal* refusal = count_meta(in_body ? 0 : used)) return refuse(*refusal);
        if (error != HPE_OK && error != HPE_PAUSED)
            return refuse(judge_failure(m.lexer, error, {}, 0));
        input.remove_prefix(used);
        if (error == HPE_OK) return Event::need_input;
        m.lexer.machine.error = HPE_OK;
        switch (m.lexer.stop) {
        case Lexer::Stop::body: scratch_->body_ = m.lexer.body; return Event::body;
        case Lexer::Stop::chunk_header:
            if (const Refusal* refusal = begin_chunk()) return refuse(*refusal);
            break;
        case Lexer::Stop::message: return finish_chunks();
        case Lexer::Stop::none:
        case Lexer::Stop::head:
        case Lexer::Stop::target:
        case Lexer::Stop::fields:
        case Lexer::Stop::memory: break; // these do not pause a body
        }
    }
    return Event::need_input;
}

Event Parser::finish_chunks() noexcept {
    Lexer& lexer = message_->lexer;
    lexer.field_count = keep_trailers(message_->bytes, lexer.fields, lexer.field_count);
    if (lexer.field_count > 0) {
        state_ = State::trailers;
    } else {
        release();
        state_ = after_message();
    }
    return Event::end;
}

http::HeadView Parser::trailers() const noexcept {
    http::HeadView view;
    if (state_ != State::trailers) return view;
    view.base = message_->bytes;
    view.size = message_->size;
    view.fields = message_->lexer.fields;
    view.field_count = message_->lexer.field_count;
    return view;
}

// -- the rest -------------------------------------------------------------------------------------

Event Parser::finish() noexcept {
    switch (state_) {
    case State::start:
    case State::trailers:
    case State::closed: return Event::need_input;
    case State::until_close:
    case State::ending:
        release();
        state_ = State::closed;
        return Event::end;
    case State::head:
    case State::unknown_method:
    case State::length:
    case State::chunks: return refuse(refusals::cut_short);
    case State::failed: return Event::error;
    }
    return Event::error;
}

bool Parser::in_head() const noexcept {
    return state_ == State::head || state_ == State::unknown_method;
}

void Parser::expect_response_to(http::Method method) noexcept { response_to_ = method; }

} // namespace hc::h1
