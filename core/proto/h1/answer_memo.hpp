// AnswerMemo: the head of the plain answer written last.
//
// A handler sends the same status and fields with most of its answers, and the same fields make the
// same bytes. So a head that comes again is copied, not examined and written again. Whether it is
// the same is seen by the bytes, never by where they lie.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/http/field.hpp"

namespace hc::h1 {

/// For the answers of one server on one thread: `server`, and whether there is a `date`, are the
/// same in each call.
class AnswerMemo {
public:
    /// Whether the head of an answer with these is the one kept.
    bool holds(int status, std::span<const http::Field> fields) const noexcept;
    /// The common answer in one go, head and body: any status that has a body, to a request of
    /// HTTP/1.1 that was neither HEAD nor CONNECT, with fields that are all the user's own. Writes
    /// what write_response_head() would have written, and the body, at most bound() bytes. Gives
    /// their end, or nullptr when it is not for here, or wrong: then the functions of writer.hpp
    /// decide. `held` is what holds() said, `close` asks for Connection: close.
    char* write(char* out, bool held, int status, std::span<const http::Field> fields,
                std::string_view body, bool close, std::string_view date,
                std::string_view server) noexcept;
    std::size_t bound(bool held, std::span<const http::Field> fields, std::string_view body,
                      std::string_view server) const noexcept;

private:
    // More is not kept. Copies are made in steps, the last of which may go beyond the head's end.
    static constexpr std::size_t bytes_max = 512;
    static constexpr std::size_t fields_max = 12;
    static constexpr std::size_t step = 32;

    struct Sizes {
        std::size_t name;
        std::size_t value;
        std::uint32_t token;
    };

    char* copy(char* out, std::string_view date) const noexcept;
    [[gnu::noinline]] char* write_anew(char* out, int status, std::span<const http::Field> fields,
                                       std::string_view date, std::string_view server) noexcept;

    int status_ = 0; // 0: nothing is kept
    std::uint32_t size_ = 0;
    std::uint32_t date_at_ = 0;   // where the date stands; 0 when there is none
    std::uint32_t fields_at_ = 0; // where the user's fields begin
    std::size_t count_ = 0;
    std::array<Sizes, fields_max> sizes_;
    std::array<char, bytes_max> text_; // from the status line to the last of the fields
};

} // namespace hc::h1
