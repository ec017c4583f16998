// The receiving half of HTTP/1.x (RFC 9112): bytes in, events out. No socket, clock or allocation
// on the common path; llhttp in strict mode does the lexing, this class does the judging.
//
//           head                  body*              end
//   idle ---------> in message ---------> ... ----------------> idle
//                       |
//                       `-- tunnel: after CONNECT or an accepted Upgrade every byte is the user's
//   Any state -> failed. A failed parser answers `error` for ever.
//
// Callbacks of llhttp only record and pause; next() returns to its caller with one event at a time.
// The usual request head, complete in one slice, is read without llhttp (see plain.hpp), and fields
// that come again are not read again (see field_memo.hpp), with the same result; bodies of a known
// length and bodies until the connection's end need no lexing.
//
// A server's driver that opens a tunnel (framing().connect or .upgrade) does not call next() again;
// if it refuses to, the next request follows. A client's parser reads nothing behind a tunnel's
// head.
//
// Smuggling is refused, never guessed at: what is listed at Refusal has no lenient mode.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/base/limits.hpp"
#include "core/http/head.hpp"
#include "core/proto/h1/field_memo.hpp"
#include "core/proto/h1/framing.hpp"
#include "core/proto/h1/lexer.hpp"

namespace hc::h1 {

enum class Role : std::uint8_t { server, client }; // server: parses requests; client: responses

enum class Event : std::uint8_t {
    need_input, // all of the input was used; nothing to report
    head,       // head() and framing() are there
    body,       // body() is there: one run of body bytes
    end,        // the message is complete; trailers() are there when it had any
    error,      // refusal() says what to answer
};

/// Why a message was refused: the status to answer, and a text for the log.
struct Refusal {
    /// 400, 413, 414, 417, 431, 501, 503 (no memory), 505. 0 when there is nothing to answer: in
    /// the client role, and for bytes behind the connection's last message.
    std::uint16_t status = 0;
    const char* reason = ""; // static
};

/// Memory that all parsers of a worker share: what a parser has just reported, and where a head
/// that arrives in one piece is read. One that arrives in several is moved into memory of its own
/// parser, so parsers may take turns freely.
class HeadScratch {
public:
    HeadScratch() noexcept;

private:
    friend class Parser;
    /// Makes the table large enough; false when there is no memory.
    bool ready(const ConnectionLimits& limits) noexcept {
        return room_ > limits.header_count_max || grow(limits);
    }
    bool grow(const ConnectionLimits& limits) noexcept;
    Lexer& begin(Role role, const ConnectionLimits& limits) noexcept;

    llhttp_t fresh_[2]; // by Role
    Lexer lexer_;
    http::HeadView head_;
    std::vector<http::FieldRef> fields_;
    std::string_view body_;
    Refusal refusal_;
    FieldMemo memo_;         // of fields_
    std::uint32_t room_ = 0; // fields_.size()
};

class Parser {
public:
    /// `limits` and `scratch` outlive the parser. All parsers of one thread share `scratch`.
    Parser(Role role, const ConnectionLimits& limits, HeadScratch& scratch) noexcept;
    ~Parser();
    Parser(const Parser&) = delete;
    Parser& operator=(const Parser&) = delete;

    /// Reads from `input`, advancing it, up to the next event. What head() and body() point to is
    /// valid until the next call (head: in `input` itself when it came in one piece). The caller
    /// must keep `input`'s bytes until then. Head, body and refusal are also void once another
    /// parser with the same scratch is called.
    Event next(std::string_view& input) noexcept {
        if (state_ == State::start) return begin_head(input);
        return state_ == State::ending ? end_message() : go_on(input);
    }
    /// Right behind `head`: true when the message ends there and head() can stay; then `end` is
    /// taken as reported.
    bool end_with_head() noexcept {
        if (state_ != State::ending || message_ != nullptr) return false;
        state_ = after_message();
        return true;
    }
    /// The peer ended its side. `end` when that completes a message (until-close), `need_input`
    /// when it came between messages, else `error`.
    Event finish() noexcept;

    const http::HeadView& head() const noexcept { return scratch_->head_; }
    const Framing& framing() const noexcept { return framing_; }
    std::string_view body() const noexcept { return scratch_->body_; }
    /// After `end`: the trailer fields (base + table), empty when there were none. Fields that may
    /// not stand in a trailer (RFC 9110, section 6.5.1: framing, routing, authentication ...) are
    /// left out.
    http::HeadView trailers() const noexcept;
    const Refusal& refusal() const noexcept { return scratch_->refusal_; }

    /// Between messages, with nothing of the next one seen. Leading empty lines do not count.
    bool idle() const noexcept {
        return state_ == State::start || state_ == State::trailers || state_ == State::closed;
    }
    /// A head has begun and is not complete.
    bool in_head() const noexcept;

    /// Client role, before the response's head: what the request was, for HEAD and CONNECT rules.
    void expect_response_to(http::Method method) noexcept;

private:
    enum class State : std::uint8_t {
        start,          // between messages
        head,           // a head has begun; its bytes are in message_
        unknown_method, // the same, and llhttp knows no method like that
        length,         // in a body; count_ bytes of it are to come
        chunks,         // in a chunked body; count_ bytes of it were announced
        until_close,    // in a body
        ending,         // the next call reports `end`
        trailers,       // between messages; message_ holds the last one's trailers
        closed,         // behind the connection's last message
        failed,
    };
    enum class Leading : std::uint8_t { none, cr, crlf };

    Event begin_head(std::string_view& input) noexcept;
    [[gnu::noinline]] Event read_fields(std::string_view& input, std::string_view text,
                                        std::size_t line) noexcept;
    Event begin_bodyless() noexcept;
    Event go_on(std::string_view& input) noexcept;
    Event read_head(std::string_view& input) noexcept;
    Event end_message() noexcept;
    Event read_until_close(std::string_view& input) noexcept;
    Event read_method(std::string_view& input) noexcept;
    Event read_length(std::string_view& input) noexcept;
    Event read_chunks(std::string_view& input) noexcept;
    Event finish_head(std::string_view slice) noexcept;
    Event settle(const Refusal* refusal) noexcept;
    Event fail_head(std::string_view& input, std::string_view slice, llhttp_errno_t error) noexcept;
    Event decide_method() noexcept;
    Event finish_chunks() noexcept;
    Event refuse(const Refusal& refusal) noexcept;
    bool skip_empty_line(std::string_view& input) noexcept;
    bool own_lexer() noexcept;
    bool keep(std::string_view slice) noexcept;
    const Refusal* count_meta(std::size_t bytes) noexcept;
    const Refusal* begin_chunk() noexcept;
    State after_message() const noexcept;
    void release() noexcept;

    // An idle connection keeps one of these: what only a message in several pieces or a chunked
    // body needs is in message_, which is nullptr otherwise.
    const ConnectionLimits* limits_;
    HeadScratch* scratch_;
    Message* message_ = nullptr;
    std::uint64_t count_ = 0;
    Framing framing_;
    const Role role_;
    State state_ = State::start;
    Leading leading_ = Leading::none;
    http::Method response_to_ = http::Method::get;
};
static_assert(sizeof(Parser) <= 64);

} // namespace hc::h1
