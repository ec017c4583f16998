#include "core/proto/ws/frame.hpp"

#include <bit>
#include <cstring>

#include "core/proto/ws/utf8.hpp"

namespace hc::ws {

namespace {

constexpr unsigned fin_bit = 0x80;
constexpr unsigned rsv1_bit = 0x40;
constexpr unsigned other_reserved_bits = 0x30;

constexpr Failure wrong(std::string_view text) noexcept { return {code::protocol, text}; }

unsigned byte(std::string_view bytes, std::size_t i) noexcept {
    return static_cast<std::uint8_t>(bytes[i]);
}

std::uint64_t read_number(const char* bytes, std::size_t n) noexcept {
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < n; ++i) number = number << 8 | static_cast<std::uint8_t>(bytes[i]);
    return number;
}

Failure examine_first(unsigned first, bool may_compress) noexcept {
    const unsigned opcode = first & 0x0FU;
    const bool control = (opcode & 8U) != 0;
    if ((first & other_reserved_bits) != 0) return wrong("a reserved bit is set");
    if ((first & rsv1_bit) != 0 && (!may_compress || control || opcode == 0)) {
        return wrong("a reserved bit is set");
    }
    if ((opcode > 2 && opcode < 8) || opcode > 10) return wrong("a reserved opcode");
    if (control && (first & fin_bit) == 0) return wrong("a control frame in fragments");
    return {};
}

} // namespace

Failure examine_frame_head(std::string_view bytes, Role role, bool may_compress) noexcept {
    if (bytes.empty()) return {};
    const unsigned first = byte(bytes, 0);
    if (const Failure bad = examine_first(first, may_compress); bad.code != 0) return bad;
    if (bytes.size() < 2) return {};
    const unsigned length = byte(bytes, 1) & 0x7FU;
    const bool masked = (byte(bytes, 1) & 0x80U) != 0;
    if (masked != (role == Role::server)) {
        return wrong(masked ? "a server's frame has a mask" : "a client's frame has no mask");
    }
    if ((first & 8U) != 0 && length > control_bytes_max) return wrong("a long control frame");
    if (length == 126 && bytes.size() >= 4 && read_number(bytes.data() + 2, 2) < 126) {
        return wrong("a length in more bytes than it needs");
    }
    if (length != 127 || bytes.size() < 10) return {};
    const std::uint64_t size = read_number(bytes.data() + 2, 8);
    if (size <= 0xFFFF) return wrong("a length in more bytes than it needs");
    if (size >> 63 != 0) return wrong("a length beyond 63 bits");
    return {};
}

FrameHead read_frame_head(const char* bytes) noexcept {
    const auto first = static_cast<std::uint8_t>(bytes[0]);
    const auto second = static_cast<std::uint8_t>(bytes[1]);
    FrameHead head;
    head.opcode = static_cast<Opcode>(first & 0x0FU);
    head.fin = (first & fin_bit) != 0;
    head.compressed = (first & rsv1_bit) != 0;
    head.masked = (second & 0x80U) != 0;
    head.size = second & 0x7FU;
    const char* next = bytes + 2;
    if (head.size == 126) {
        head.size = read_number(next, 2);
        next += 2;
    } else if (head.size == 127) {
        head.size = read_number(next, 8);
        next += 8;
    }
    if (head.masked) std::memcpy(&head.mask, next, sizeof head.mask);
    return head;
}

char* write_frame_head(char* out, Opcode opcode, bool fin, bool compressed, std::uint64_t size,
                       const std::uint32_t* mask) noexcept {
    *out++ = static_cast<char>(static_cast<unsigned>(opcode) | (fin ? fin_bit : 0U) |
                               (compressed ? rsv1_bit : 0U));
    const unsigned mask_bit = mask != nullptr ? 0x80U : 0U;
    std::size_t more = 0;
    if (size <= 125) {
        *out++ = static_cast<char>(size | mask_bit);
    } else {
        more = size <= 0xFFFF ? 2 : 8;
        *out++ = static_cast<char>((more == 2 ? 126U : 127U) | mask_bit);
    }
    for (std::size_t i = more; i > 0; --i) {
        *out++ = static_cast<char>(size >> (8 * (i - 1)) & 0xFFU);
    }
    if (mask != nullptr) {
        std::memcpy(out, mask, sizeof *mask);
        out += sizeof *mask;
    }
    return out;
}

void apply_mask(char* to, const char* from, std::size_t n, std::uint32_t mask,
                std::uint64_t at) noexcept {
    // The mask, turned so that it begins with the byte that the first of these meets.
    const auto turn = static_cast<int>(at % 4 * 8);
    const std::uint32_t turned =
        std::endian::native == std::endian::little ? std::rotr(mask, turn) : std::rotl(mask, turn);
    const std::uint64_t wide = static_cast<std::uint64_t>(turned) << 32 | turned;
    // Eight bytes at a time, which compilers make sixteen or more of; words of no alignment, which
    // costs nothing on the machines of today.
    std::size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, from + i, 8);
        word ^= wide;
        std::memcpy(to + i, &word, 8);
    }
    char key[8];
    std::memcpy(key, &wide, 8);
    for (std::size_t j = 0; i < n; ++i, ++j) to[i] = static_cast<char>(from[i] ^ key[j]);
}

Failure read_close(std::string_view payload, CloseText& out) noexcept {
    out = {};
    if (payload.empty()) return {};
    if (payload.size() < 2) return wrong("half of a close code");
    out.code = static_cast<std::uint16_t>(read_number(payload.data(), 2));
    out.reason = payload.substr(2);
    if (!may_be_sent(out.code)) return wrong("a close code that may not be sent");
    if (!is_utf8(out.reason)) return {code::bad_text, "a reason that is not UTF-8"};
    return {};
}

char* write_close(char* out, std::uint16_t number, std::string_view reason) noexcept {
    if (number == code::absent) return out;
    *out++ = static_cast<char>(number >> 8);
    *out++ = static_cast<char>(number & 0xFF);
    std::size_t n = reason.size();
    if (n > reason_bytes_max) {
        n = reason_bytes_max;
        while (n > 0 && (static_cast<std::uint8_t>(reason[n]) & 0xC0U) == 0x80U) --n;
    }
    if (n > 0) std::memcpy(out, reason.data(), n);
    return out + n;
}

} // namespace hc::ws
