// IMF-fixdate of RFC 9110, section 5.6.7, without the C library's locale or time zone.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

namespace hc::runtime {

/// "Sun, 06 Nov 1994 08:49:37 GMT" for seconds since 1970, in years 0 to 9999.
inline void render_http_date(std::int64_t seconds, std::array<char, 29>& out) noexcept {
    constexpr std::string_view weekdays = "SunMonTueWedThuFriSat";
    constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const std::chrono::sys_seconds at{std::chrono::seconds(seconds)};
    const auto day = std::chrono::floor<std::chrono::days>(at);
    const std::chrono::year_month_day date(day);
    const auto in_day = static_cast<unsigned>((at - day).count());
    const auto year = static_cast<unsigned>(static_cast<int>(date.year()));

    constexpr std::string_view form = "Sun, 06 Nov 1994 08:49:37 GMT";
    form.copy(out.data(), form.size());
    weekdays.substr(std::chrono::weekday(day).c_encoding() * 3, 3).copy(out.data(), 3);
    months.substr((static_cast<unsigned>(date.month()) - 1) * 3, 3).copy(out.data() + 8, 3);
    const auto two = [&out](std::size_t place, unsigned value) {
        out[place] = static_cast<char>('0' + value / 10 % 10);
        out[place + 1] = static_cast<char>('0' + value % 10);
    };
    two(5, static_cast<unsigned>(date.day()));
    two(12, year / 100);
    two(14, year % 100);
    two(17, in_day / 3600);
    two(20, in_day / 60 % 60);
    two(23, in_day % 60);
}

} // namespace hc::runtime
