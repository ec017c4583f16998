#include "core/http/range.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "core/base/ascii.hpp"

namespace hc::http {

namespace {

/// Digits only; a number too large for 64 bits is a position behind every end all the same.
std::optional<std::uint64_t> read_position(std::string_view text) noexcept {
    if (text.empty()) return std::nullopt;
    std::uint64_t n = 0;
    for (char c : text) {
        if (!ascii::is_digit(c)) return std::nullopt;
        const auto digit = static_cast<std::uint64_t>(c - '0');
        n = n > (UINT64_MAX - digit) / 10 ? UINT64_MAX : n * 10 + digit;
    }
    return n;
}

enum class Part : std::uint8_t { malformed, behind_the_end, good };

Part read_part(std::string_view part, std::uint64_t size, ByteRange& out) noexcept {
    const std::size_t dash = part.find('-');
    if (dash == std::string_view::npos) return Part::malformed;
    const std::string_view first = part.substr(0, dash);
    const std::string_view last = part.substr(dash + 1);
    if (first.empty()) { // the last so many bytes
        const auto suffix = read_position(last);
        if (!suffix) return Part::malformed;
        if (*suffix == 0 || size == 0) return Part::behind_the_end;
        out = {size - std::min(*suffix, size), size - 1};
        return Part::good;
    }
    const auto from = read_position(first);
    const auto to = last.empty() ? std::optional<std::uint64_t>{UINT64_MAX} : read_position(last);
    if (!from || !to || *to < *from) return Part::malformed;
    if (*from >= size) return Part::behind_the_end;
    out = {*from, std::min(*to, size - 1)};
    return Part::good;
}

} // namespace

RangeRequest parse_range(std::string_view value, std::uint64_t size) noexcept {
    constexpr std::string_view unit = "bytes=";
    const RangeRequest whole;
    if (value.size() < unit.size() ||
        !ascii::equals_ignoring_case(value.substr(0, unit.size()), unit)) {
        return whole;
    }
    value.remove_prefix(unit.size());
    RangeRequest request;
    std::uint64_t total = 0;
    std::size_t parts = 0;
    while (!value.empty()) {
        const std::size_t comma = std::min(value.find(','), value.size());
        const std::string_view part = ascii::trim(value.substr(0, comma));
        value.remove_prefix(std::min(comma + 1, value.size()));
        if (part.empty()) continue; // empty elements of a list are legal (RFC 9110, section 5.6.1)
        if (++parts > RangeRequest::ranges_max) return whole;
        ByteRange range;
        switch (read_part(part, size, range)) {
        case Part::malformed: return whole;
        case Part::behind_the_end: break;
        case Part::good:
            if (range.size() > size - total) return whole;
            total += range.size();
            request.ranges[request.count++] = range;
            break;
        }
    }
    if (parts == 0) return whole;
    request.outcome = request.count == 0 ? RangeOutcome::unsatisfiable : RangeOutcome::list;
    return request;
}

char* write_content_range(char* out, const ByteRange* range, std::uint64_t size) noexcept {
    std::memcpy(out, "bytes ", 6);
    out += 6;
    if (range != nullptr) {
        out = std::to_chars(out, out + 20, range->first).ptr;
        *out++ = '-';
        out = std::to_chars(out, out + 20, range->last).ptr;
    } else {
        *out++ = '*';
    }
    *out++ = '/';
    return std::to_chars(out, out + 20, size).ptr;
}

} // namespace hc::http
