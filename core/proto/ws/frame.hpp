// WebSocket frames (RFC 6455, section 5): the head of one, its mask, and what may stand in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/error.hpp"

namespace hc::ws {

/// Which end we are. A client masks what it sends, a server never does.
enum class Role : std::uint8_t { server, client };

enum class Opcode : std::uint8_t {
    continuation = 0,
    text = 1,
    binary = 2,
    close = 8,
    ping = 9,
    pong = 10
};
constexpr bool is_control(Opcode opcode) noexcept { return (static_cast<int>(opcode) & 8) != 0; }

/// Codes of a Close (RFC 6455, section 7.4.1, and the registry of IANA). Those that never stand in
/// a frame say what else happened.
namespace code {
constexpr std::uint16_t none = 0;
constexpr std::uint16_t normal = 1000;
constexpr std::uint16_t going_away = 1001;
constexpr std::uint16_t protocol = 1002;
constexpr std::uint16_t unacceptable = 1003;
constexpr std::uint16_t absent = 1005;   // never in a frame: the Close had no code
constexpr std::uint16_t abnormal = 1006; // never in a frame: there was no Close
constexpr std::uint16_t bad_text = 1007;
constexpr std::uint16_t policy = 1008;
constexpr std::uint16_t too_big = 1009;
constexpr std::uint16_t internal = 1011;
constexpr std::uint16_t try_again = 1013;
} // namespace code

/// Whether a peer or a program may put `code` into a Close.
constexpr bool may_be_sent(std::uint16_t number) noexcept {
    if (number >= 3000) return number <= 4999;
    return (number >= 1000 && number <= 1003) || (number >= 1007 && number <= 1014);
}

/// What the peer did wrong, as our Close tells it.
struct Failure {
    std::uint16_t code = code::none;
    std::string_view text; // static
};

struct FrameHead {
    std::uint64_t size = 0; // of the payload
    std::uint32_t mask = 0; // four bytes as they stand on the wire
    Opcode opcode = Opcode::continuation;
    bool fin = false;
    bool compressed = false; // RSV1 of a data message's first frame (RFC 7692, section 6)
    bool masked = false;
};

constexpr std::size_t control_bytes_max = 125;
constexpr std::size_t reason_bytes_max = control_bytes_max - 2;
constexpr std::size_t frame_head_bytes_max = 14;

/// The bytes of a head, found out from its first two; more than `bytes` when it is not complete.
constexpr std::size_t frame_head_bytes(std::string_view bytes) noexcept {
    if (bytes.size() < 2) return 2;
    const auto second = static_cast<std::uint8_t>(bytes[1]);
    const unsigned length = second & 0x7FU;
    const std::size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
    return 2 + extended + ((second & 0x80U) != 0 ? 4 : 0);
}

/// What can be wrong is found out as early as the bytes allow, from the first one on. An empty
/// code: nothing so far. `may_compress`: permessage-deflate was agreed upon.
Failure examine_frame_head(std::string_view bytes, Role role, bool may_compress) noexcept;
/// Of complete bytes that were examined.
FrameHead read_frame_head(const char* bytes) noexcept;

/// Writes a head into `out`, which has room for frame_head_bytes_max; gives its end. A client gives
/// the `mask` that it puts on the payload, fresh from a source that nobody can guess.
char* write_frame_head(char* out, Opcode opcode, bool fin, bool compressed, std::uint64_t size,
                       const std::uint32_t* mask) noexcept;

/// Puts the mask on, or takes it off: `n` bytes from `from` to `to` (which may be the same), of
/// which the first is number `at` of its frame.
void apply_mask(char* to, const char* from, std::size_t n, std::uint32_t mask,
                std::uint64_t at) noexcept;

/// What a Close says. `reason` is a view of the payload it was read from.
struct CloseText {
    std::uint16_t code = code::absent;
    std::string_view reason;
};
/// The payload of a Close; a failure when it is none (RFC 6455, section 5.5.1).
Failure read_close(std::string_view payload, CloseText& out) noexcept;
/// Writes a payload of at most control_bytes_max; gives its end. A reason that is too long is cut
/// between two characters. No payload for code::absent.
char* write_close(char* out, std::uint16_t number, std::string_view reason) noexcept;

} // namespace hc::ws
