// llhttp and what its callbacks record. Nothing is decided here: a callback notes offsets and
// pauses or stops; the parser judges when llhttp has returned.
//
// All offsets count from the first byte of the head, wherever its bytes are now. A head that comes
// in several slices is lexed slice by slice where it lies; `before` says how many bytes came
// earlier.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <llhttp.h>

#include "core/http/head.hpp"

namespace hc::h1 {

struct Lexer {
    /// Why a callback stopped llhttp.
    enum class Stop : std::uint8_t {
        none,
        head,         // paused: the head is complete
        chunk_header, // paused: machine.content_length is the chunk's size
        body,         // paused: `body` is a run of body bytes
        message,      // paused: the last chunk and its trailers are complete
        target,       // the target exceeds target_max
        fields,       // more fields than fields_max, or a name of more than 64 KiB
        memory,       // no memory for the table
    };
    /// What the last recorded piece belongs to. Pieces of one name or value may come in several
    /// calls.
    enum class Piece : std::uint8_t { none, name, value_due, value };

    llhttp_t machine{};        // first, so that llhttp's pointer is ours
    std::uintptr_t origin = 0; // where offset 0 would be, were all slices one
    const char* slice_end = nullptr;
    http::FieldRef* fields = nullptr;
    std::uint32_t field_count = 0;
    std::uint32_t field_room = 0;
    std::uint32_t fields_max = 0;
    std::uint32_t target_max = 0;
    http::Span line;       // in a head: the target of a request, the reason of a response
    std::string_view body; // in a chunked body
    Piece piece = Piece::none;
    Stop stop = Stop::none;

    std::uint32_t offset_of(const char* at) const noexcept {
        return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(at) - origin);
    }
    /// Ends the field being recorded, if any.
    void close_field() noexcept {
        if (piece >= Piece::value_due) ++field_count;
        piece = Piece::none;
    }
    /// Lexes `size` bytes that follow `before` bytes of the same head.
    llhttp_errno_t execute(const char* data, std::size_t size, std::size_t before) noexcept {
        origin = reinterpret_cast<std::uintptr_t>(data) - before;
        slice_end = data + size;
        stop = Stop::none;
        return llhttp_execute(&machine, data, size);
    }
};

/// A message that does not fit in one call of the parser: a head that came in pieces, or a chunked
/// body. Owns its bytes (of the head, later of the trailers) and its table.
struct Message {
    static constexpr std::size_t first_bytes = 128;
    static constexpr std::uint32_t first_fields = 4;

    Lexer lexer; // first, so that a callback's Lexer is our Message
    char* bytes = nullptr;
    std::uint32_t size = 0;
    std::uint32_t room = 0;
    std::uint32_t meta = 0;       // bytes of the chunk line or trailer section being read
    std::uint32_t extensions = 0; // bytes of chunk extensions so far
    bool chunked = false;         // the body is being read, the head is gone
    bool in_trailers = false;

    Message() = default;
    ~Message();
    Message(const Message&) = delete;
    Message& operator=(const Message&) = delete;

    /// Both: false when there is no memory, nothing is changed then.
    bool append(const char* data, std::size_t count) noexcept;
    bool grow_fields() noexcept;
};

/// A machine in its first state, ready to be copied: that is cheaper than llhttp_init.
llhttp_t fresh_machine(llhttp_type_t type) noexcept;
/// From now on the machine's callbacks read a chunked body into its Message.
void expect_chunks(Message& message) noexcept;

} // namespace hc::h1
