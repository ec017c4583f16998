// HTTP dates (RFC 9110, section 5.6.7).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace hc::http {

/// "Sun, 06 Nov 1994 08:49:37 GMT" has this many bytes.
inline constexpr std::size_t date_size = 29;

/// Writes the preferred form of a time in seconds since 1970-01-01 UTC; gives the end of what was
/// written. Years outside of 0000..9999 have no such form: the nearest time that has one is
/// written.
char* write_date(char* out, std::int64_t unix_seconds) noexcept;

/// Reads any of the three forms (IMF-fixdate, RFC 850, asctime) as seconds since 1970-01-01 UTC.
/// `now` (same unit) tells the century of RFC 850's two-digit year: the one that is not more than
/// 50 years ahead. nullopt for anything else, a day that does not exist among it. Whether the name
/// of the weekday fits is not judged; a leap second counts as the second after it.
std::optional<std::int64_t> parse_date(std::string_view text, std::int64_t now) noexcept;

} // namespace hc::http
