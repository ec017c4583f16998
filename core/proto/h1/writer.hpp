// The sending half of HTTP/1.x: heads, chunks and trailers as bytes, written in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/base/result.hpp"
#include "core/http/field.hpp"
#include "core/http/head.hpp"
#include "core/proto/h1/parser.hpp"

namespace hc::h1 {

/// The request's side of an answer: what decides how the answer may be framed.
struct RequestFacts {
    http::Version version = http::Version::http_1_1;
    http::Method method = http::Method::get;
    bool keep_alive = true; // the request allows it, and so do we
};

/// The user's fields of an outgoing head, examined once.
struct FieldFacts {
    bool has_date = false;
    bool has_server = false;
    bool has_content_length = false;
    bool close = false; // Connection: close was asked for
    bool plain = true;  // all of them are written as they are
    std::uint64_t content_length = 0;
    std::size_t bytes = 0; // name + ": " + value + CRLF of all that will be written
};

/// Checks names and values (`invalid` with the field's name in the message) and collects facts.
/// The connection's own fields (Connection, Keep-Alive, Proxy-Connection, Transfer-Encoding, TE,
/// Upgrade) are the library's: they are not written; of Connection only "close" is obeyed. More
/// than one Content-Length, or one that is no number, is `invalid`.
Result<FieldFacts> examine(std::span<const http::Field> fields);

/// How an answer is sent.
struct AnswerPlan {
    BodyKind body = BodyKind::none;
    std::uint64_t content_length = 0; // with BodyKind::length, or announced with none (HEAD, 304)
    bool announce_length = false;     // write Content-Length
    bool body_suppressed = false;     // HEAD, 1xx, 204, 304: body bytes are counted, not sent
    bool close = false;               // write Connection: close, and close behind it
    bool announce_keep_alive = false; // HTTP/1.0 that asked for it
};

/// `body_size`: known when the whole body is (FIN), else nullopt; then Content-Length from the
/// fields, else chunked for HTTP/1.1, else until-close. A Content-Length that contradicts a known
/// size is `invalid`.
Result<AnswerPlan> plan_answer(const RequestFacts& request, int status, const FieldFacts& fields,
                               std::optional<std::uint64_t> body_size);

/// Bytes that write_response_head needs at most.
std::size_t response_head_bound(int status, const FieldFacts& facts,
                                std::string_view server) noexcept;
/// Writes the head, from prepared status lines. `date` and `server` are written unless they are
/// empty or the fields have their own. Gives the end of what was written.
char* write_response_head(char* out, int status, std::span<const http::Field> fields,
                          const FieldFacts& facts, const AnswerPlan& plan, std::string_view date,
                          std::string_view server) noexcept;
/// The beginning of a head, up to the last of the fields, when all of these are the user's own and
/// the status is one that has a body.
struct PlainHead {
    char* end = nullptr;         // nullptr: it is another head, or a wrong one
    std::uint32_t date_at = 0;   // where the date stands; 0 without one
    std::uint32_t fields_at = 0; // where the fields begin
};
PlainHead write_plain_head(char* out, int status, std::span<const http::Field> fields,
                           std::string_view date, std::string_view server) noexcept;
/// An interim head (100, 103; 101 with `upgrade` naming the protocol).
std::size_t interim_head_bound(const FieldFacts& facts, std::string_view upgrade) noexcept;
char* write_interim_head(char* out, int status, std::span<const http::Field> fields,
                         std::string_view upgrade) noexcept;

inline constexpr std::size_t chunk_head_bound = 18; // 16 hex digits and CRLF
/// "1a2b\r\n"; behind the chunk's bytes goes CRLF. Size 0 is not for this: see write_last_chunk.
char* write_chunk_head(char* out, std::uint64_t size) noexcept;
std::size_t last_chunk_bound(std::span<const http::Field> trailers) noexcept;
/// "0\r\n", the trailers, CRLF.
char* write_last_chunk(char* out, std::span<const http::Field> trailers) noexcept;

/// A complete small answer made by the library itself (400, 408, 503 ...): plain text with the
/// reason, Content-Length, Connection: close; `retry_after_s` 0 for none. Gives the bytes written;
/// `out` must have simple_answer_bound bytes.
inline constexpr std::size_t simple_answer_bound = 512;
std::size_t write_simple_answer(char* out, int status, std::string_view date,
                                std::string_view server, bool head_request,
                                std::uint32_t retry_after_s,
                                std::string_view extra_field = {}) noexcept;

/// A request's head, for the client. `body` tells the framing fields.
std::size_t request_head_bound(std::string_view method, std::string_view target,
                               std::string_view host, const FieldFacts& facts) noexcept;
char* write_request_head(char* out, std::string_view method, std::string_view target,
                         std::string_view host, std::span<const http::Field> fields,
                         const FieldFacts& facts, BodyKind body,
                         std::uint64_t content_length) noexcept;

} // namespace hc::h1
