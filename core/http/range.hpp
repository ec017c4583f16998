// Byte ranges (RFC 9110, section 14).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace hc::http {

/// Both ends belong to the range, as in the protocol.
struct ByteRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t size() const noexcept { return last - first + 1; }
    friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

enum class RangeOutcome : std::uint8_t {
    none,          // send the whole: 200
    unsatisfiable, // 416 with "Content-Range: bytes */size"
    list,          // 206 with these ranges
};

/// What a Range field asks of a representation of a known size.
struct RangeRequest {
    static constexpr std::size_t ranges_max = 16;
    RangeOutcome outcome = RangeOutcome::none;
    std::uint32_t count = 0;
    std::array<ByteRange, ranges_max> ranges;
    std::span<const ByteRange> list() const noexcept { return {ranges.data(), count}; }
};

/// Reads a Range field's value. Ranges that begin behind the end are left out, ends behind the end
/// are moved to it. The field is ignored (`none`) when its unit is not "bytes", when it is
/// malformed, when it asks for more than ranges_max ranges, or for more bytes in total than there
/// are: the last two only serve to make a server work (RFC 9110, section 17.15).
RangeRequest parse_range(std::string_view value, std::uint64_t size) noexcept;

/// "bytes 0-99/1234", or with no range (nullptr) "bytes */1234". Writes at most content_range_bound
/// bytes and gives the end of what was written.
inline constexpr std::size_t content_range_bound = 6 + 20 + 1 + 20 + 1 + 20;
char* write_content_range(char* out, const ByteRange* range, std::uint64_t size) noexcept;

} // namespace hc::http
