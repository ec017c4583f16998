// How short texts are copied and compared: by moves that overlap, without a call.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace hc {

/// Copies `text` to `out` and gives its end there.
[[gnu::always_inline]] inline char* put(char* out, std::string_view text) noexcept {
    const char* from = text.data();
    const std::size_t size = text.size();
    if (size > 32) {
        std::memcpy(out, from, size);
    } else if (size >= 16) {
        std::memcpy(out, from, 16);
        std::memcpy(out + size - 16, from + size - 16, 16);
    } else if (size >= 8) {
        std::memcpy(out, from, 8);
        std::memcpy(out + size - 8, from + size - 8, 8);
    } else if (size >= 4) {
        std::memcpy(out, from, 4);
        std::memcpy(out + size - 4, from + size - 4, 4);
    } else {
        for (std::size_t i = 0; i < size; ++i) out[i] = from[i];
    }
    return out + size;
}

/// A text of a size known to the compiler: becomes a few moves.
template <std::size_t N>
char* put(char* out, const char (&text)[N]) noexcept {
    std::memcpy(out, text, N - 1);
    return out + N - 1;
}

constexpr std::size_t digits_max = 20;
inline char* put_number(char* out, std::uint64_t n) noexcept {
    if (n < 10) {
        *out = static_cast<char>('0' + n);
        return out + 1;
    }
    return std::to_chars(out, out + digits_max, n).ptr;
}

/// Whether the bytes at `other` are those of `text`.
[[gnu::always_inline]] inline bool same(std::string_view text, const char* other) noexcept {
    const char* const first = text.data();
    const std::size_t size = text.size();
    const auto differ = [&]<class Word>(Word, std::size_t at) {
        Word a, b;
        std::memcpy(&a, first + at, sizeof a);
        std::memcpy(&b, other + at, sizeof b);
        return static_cast<Word>(a ^ b);
    };
    if (size > 16) return std::memcmp(first, other, size) == 0;
    if (size >= 8) return (differ(std::uint64_t{}, 0) | differ(std::uint64_t{}, size - 8)) == 0;
    if (size >= 4) return (differ(std::uint32_t{}, 0) | differ(std::uint32_t{}, size - 4)) == 0;
    for (std::size_t i = 0; i < size; ++i) {
        if (first[i] != other[i]) return false;
    }
    return true;
}

} // namespace hc
