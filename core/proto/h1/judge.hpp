// The judgements of RFC 9112 on a head that llhttp has lexed: what its body is, whether the
// connection stays, and what is refused. Private to the parser.
#pragma once

#include <cstddef>
#include <string_view>

#include "core/base/limits.hpp"
#include "core/http/head.hpp"
#include "core/proto/h1/parser.hpp"

namespace hc::h1 {

/// A request line that llhttp has read, of a complete head whose `base` and `size` are set.
/// nullptr, or why it is refused.
const Refusal* judge_request_line(const Lexer& lexer, http::HeadView& head) noexcept;
/// Fields as llhttp records them: looks their names up and trims their values, in place.
void name_fields(const char* base, http::FieldRef* fields, std::uint32_t count) noexcept;
/// A request's fields, which have their names: decides about host, body and connection. `chunked`:
/// llhttp has seen that coding.
const Refusal* judge_request(http::HeadView& head, bool chunked, const ConnectionLimits& limits,
                             Framing& framing) noexcept;
/// All of a response's head, the answer to a request with `method`.
const Refusal* judge_response(const Lexer& lexer, const ConnectionLimits& limits,
                              http::Method method, http::HeadView& head, Framing& framing) noexcept;

/// Why llhttp or a callback stopped at `text[error_at]` of a head.
Refusal judge_failure(const Lexer& lexer, llhttp_errno_t error, std::string_view text,
                      std::size_t error_at) noexcept;

/// llhttp knows no such method at the beginning of `text`: is it none, or one of somebody else's?
enum class Unknown : std::uint8_t { undecided, not_a_method, unknown_method, preface };
Unknown judge_method(std::string_view text) noexcept;

/// A head that has begun like HTTP/2's connection preface (RFC 9113, section 3.4).
bool is_preface(std::string_view text) noexcept;

/// Trims, looks up and drops the fields that may not stand in a trailer; gives how many are left.
std::uint32_t keep_trailers(const char* base, http::FieldRef* fields, std::uint32_t count) noexcept;

namespace refusals {
inline constexpr Refusal bad_method{400, "the method is not a token"};
inline constexpr Refusal unknown_method{501, "the method is not known"};
inline constexpr Refusal bad_request_line{400, "the request line is malformed"};
inline constexpr Refusal bad_version{400, "the HTTP version is malformed"};
inline constexpr Refusal unknown_version{505, "the HTTP version is not supported"};
inline constexpr Refusal bad_target{400, "the request target is malformed"};
inline constexpr Refusal long_target{414, "the request target is too long"};
inline constexpr Refusal long_head{431, "the head is too long"};
inline constexpr Refusal many_fields{431, "too many fields, or a name too long"};
inline constexpr Refusal no_memory{503, "no memory for the head"};
inline constexpr Refusal no_host{400, "a request of HTTP/1.1 needs one Host field"};
inline constexpr Refusal many_hosts{400, "more than one Host field"};
inline constexpr Refusal bad_host{400, "the Host field is malformed"};
inline constexpr Refusal bad_length{400, "the Content-Length field is malformed"};
inline constexpr Refusal many_lengths{400, "more than one Content-Length"};
inline constexpr Refusal length_and_coding{400, "Transfer-Encoding and Content-Length together"};
inline constexpr Refusal old_coding{400, "Transfer-Encoding in HTTP/1.0"};
inline constexpr Refusal bad_coding{400, "Transfer-Encoding does not end in one chunked coding"};
inline constexpr Refusal unknown_coding{501, "a transfer coding other than chunked"};
inline constexpr Refusal bad_expectation{417, "an expectation other than 100-continue"};
inline constexpr Refusal connect_body{400, "CONNECT with content"};
inline constexpr Refusal large_body{413, "the body is too large"};
inline constexpr Refusal empty_lines{400, "more than an empty line before the head"};
inline constexpr Refusal long_extensions{400, "the chunk extensions are too long"};
inline constexpr Refusal long_trailers{431, "the trailer section is too long"};
inline constexpr Refusal after_close{0, "bytes behind the last message"};
inline constexpr Refusal cut_short{400, "the peer ended its side within a message"};
} // namespace refusals

} // namespace hc::h1
