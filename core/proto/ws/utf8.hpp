// UTF-8 (RFC 3629), checked piece by piece: a text may be cut between any two bytes.
//
// No library that does this with vector instructions is packaged for Debian 12 (simdutf came
// later), and one more pinned dependency for one function is too much. So it is an automaton of
// three bytes, which says at which byte a text goes wrong, and runs of ASCII, which most texts
// consist of, are passed over a cache line's half at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hc::ws {

class Utf8 {
public:
    /// The next piece. False as soon as no text can go on like this; the object is of no use then.
    bool feed(std::string_view piece) noexcept;
    /// A text may end here.
    bool complete() const noexcept { return left_ == 0; }

private:
    // Bytes that the character under way still needs, and the range of the next one: it is narrower
    // than 80..BF where overlong forms, surrogates and what lies beyond U+10FFFF would begin.
    std::uint8_t left_ = 0;
    std::uint8_t low_ = 0x80;
    std::uint8_t high_ = 0xBF;
};

bool is_utf8(std::string_view text) noexcept;

} // namespace hc::ws
