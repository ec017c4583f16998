#include "core/proto/ws/utf8.hpp"

#include <cstring>

namespace hc::ws {

namespace {

/// Behind the ASCII that `at` begins with, in steps of what is looked at at once.
const char* skip_ascii(const char* at, const char* end) noexcept {
    constexpr std::uint64_t high_bits = 0x8080808080808080ULL;
    while (end - at >= 32) {
        std::uint64_t words[4];
        std::memcpy(words, at, sizeof words);
        if (((words[0] | words[1] | words[2] | words[3]) & high_bits) != 0) break;
        at += sizeof words;
    }
    while (at != end && (static_cast<std::uint8_t>(*at) & 0x80U) == 0) ++at;
    return at;
}

} // namespace

bool Utf8::feed(std::string_view piece) noexcept {
    const char* at = piece.data();
    const char* const end = at + piece.size();
    while (at != end) {
        if (left_ == 0) {
            at = skip_ascii(at, end);
            if (at == end) return true;
        }
        const auto c = static_cast<std::uint8_t>(*at++);
        if (left_ > 0) {
            if (c < low_ || c > high_) return false;
            low_ = 0x80;
            high_ = 0xBF;
            --left_;
        } else if (c >= 0xC2 && c <= 0xDF) {
            left_ = 1;
        } else if (c >= 0xE0 && c <= 0xEF) {
            left_ = 2;
            if (c == 0xE0) low_ = 0xA0;
            if (c == 0xED) high_ = 0x9F;
        } else if (c >= 0xF0 && c <= 0xF4) {
            left_ = 3;
            if (c == 0xF0) low_ = 0x90;
            if (c == 0xF4) high_ = 0x8F;
        } else {
            return false;
        }
    }
    return true;
}

bool is_utf8(std::string_view text) noexcept {
    Utf8 check;
    return check.feed(text) && check.complete();
}

} // namespace hc::ws
