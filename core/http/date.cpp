#include "core/http/date.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/base/ascii.hpp"

namespace hc::http {

namespace {

constexpr std::array<std::string_view, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 7> long_days{"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                    "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::int64_t day_seconds = 86'400;

struct Civil {
    std::int64_t year = 0;
    int month = 1, day = 1, hour = 0, minute = 0, second = 0;
};

/// Days from 1970-01-01 in the proleptic Gregorian calendar. Years are counted from March, so that
/// the leap day is the last of its year.
constexpr std::int64_t days_from_civil(std::int64_t y, int m, int d) noexcept {
    y -= m <= 2;
    const std::int64_t era = (y >= 0 ? y : y - 399) / 400;
    const std::int64_t year_of_era = y - era * 400;
    const std::int64_t day_of_year = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
    return era * 146'097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719'468;
}

constexpr Civil civil_from_days(std::int64_t z) noexcept {
    z += 719'468;
    const std::int64_t era = (z >= 0 ? z : z - 146'096) / 146'097;
    const std::int64_t doe = z - era * 146'097;
    const std::int64_t yoe = (doe - doe / 1460 + doe / 36'524 - doe / 146'096) / 365;
    const std::int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    const std::int64_t mp = (5 * doy + 2) / 153;
    Civil c;
    c.day = static_cast<int>(doy - (153 * mp + 2) / 5 + 1);
    c.month = static_cast<int>(mp < 10 ? mp + 3 : mp - 9);
    c.year = yoe + era * 400 + (c.month <= 2);
    return c;
}

constexpr int days_in_month(std::int64_t year, int month) noexcept {
    if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/// Takes known pieces off the front of a text; once one is missing, `ok` stays false.
struct Reader {
    std::string_view rest;
    bool ok = true;

    void literal(std::string_view text) noexcept {
        if (ok && rest.starts_with(text)) rest.remove_prefix(text.size());
        else ok = false;
    }
    int number(std::size_t digits) noexcept {
        int n = 0;
        for (std::size_t i = 0; i < digits; ++i) {
            if (!ok || rest.empty() || !ascii::is_digit(rest.front())) {
                ok = false;
                return 0;
            }
            n = n * 10 + (rest.front() - '0');
            rest.remove_prefix(1);
        }
        return n;
    }
    template <std::size_t N>
    int one_of(const std::array<std::string_view, N>& names) noexcept {
        for (std::size_t i = 0; ok && i < N; ++i) {
            if (!rest.starts_with(names[i])) continue;
            rest.remove_prefix(names[i].size());
            return static_cast<int>(i);
        }
        ok = false;
        return 0;
    }
    void time(Civil& c) noexcept {
        c.hour = number(2);
        literal(":");
        c.minute = number(2);
        literal(":");
        c.second = number(2);
    }
};

std::optional<std::int64_t> seconds_of(const Civil& c) noexcept {
    if (c.day < 1 || c.day > days_in_month(c.year, c.month)) return std::nullopt;
    if (c.hour > 23 || c.minute > 59 || c.second > 60) return std::nullopt;
    return days_from_civil(c.year, c.month, c.day) * day_seconds + c.hour * 3600 + c.minute * 60 +
           c.second;
}

std::optional<std::int64_t> parse_fixdate(std::string_view text) noexcept {
    Reader in{text};
    Civil c;
    in.one_of(days);
    in.literal(", ");
    c.day = in.number(2);
    in.literal(" ");
    c.month = in.one_of(months) + 1;
    in.literal(" ");
    c.year = in.number(4);
    in.literal(" ");
    in.time(c);
    in.literal(" GMT");
    if (!in.ok || !in.rest.empty()) return std::nullopt;
    return seconds_of(c);
}

std::optional<std::int64_t> parse_rfc850(std::string_view text, std::int64_t now) noexcept {
    Reader in{text};
    Civil c;
    in.one_of(long_days);
    in.literal(", ");
    c.day = in.number(2);
    in.literal("-");
    c.month = in.one_of(months) + 1;
    in.literal("-");
    const int year = in.number(2);
    in.literal(" ");
    in.time(c);
    in.literal(" GMT");
    if (!in.ok || !in.rest.empty()) return std::nullopt;
    // Fifty years ahead at most, and of those years the last one with these two digits.
    now = std::clamp<std::int64_t>(now, 0, 253'402'300'799);
    const Civil today = civil_from_days(now / day_seconds);
    const std::int64_t latest = today.year + 50;
    c.year = latest - ((latest - year) % 100 + 100) % 100;
    auto at = seconds_of(c);
    const std::int64_t limit = days_from_civil(latest, today.month, 1) * day_seconds +
                               (today.day - 1) * day_seconds + now % day_seconds;
    if (c.year == latest && at && *at > limit) {
        c.year -= 100;
        at = seconds_of(c);
    }
    return at;
}

std::optional<std::int64_t> parse_asctime(std::string_view text) noexcept {
    Reader in{text};
    Civil c;
    in.one_of(days);
    in.literal(" ");
    c.month = in.one_of(months) + 1;
    in.literal(" ");
    if (in.ok && in.rest.starts_with(' ')) {
        in.literal(" ");
        c.day = in.number(1);
    } else {
        c.day = in.number(2);
    }
    in.literal(" ");
    in.time(c);
    in.literal(" ");
    c.year = in.number(4);
    if (!in.ok || !in.rest.empty()) return std::nullopt;
    return seconds_of(c);
}

char* put(char* out, std::string_view text) noexcept {
    std::memcpy(out, text.data(), text.size());
    return out + text.size();
}
char* put_number(char* out, std::int64_t n, int digits) noexcept {
    for (int i = digits - 1; i >= 0; --i) {
        out[i] = static_cast<char>('0' + n % 10);
        n /= 10;
    }
    return out + digits;
}

} // namespace

char* write_date(char* out, std::int64_t unix_seconds) noexcept {
    constexpr std::int64_t first = days_from_civil(0, 1, 1) * day_seconds;
    constexpr std::int64_t last = days_from_civil(10'000, 1, 1) * day_seconds - 1;
    unix_seconds = std::clamp(unix_seconds, first, last);
    std::int64_t day = unix_seconds / day_seconds;
    std::int64_t time = unix_seconds % day_seconds;
    if (time < 0) {
        time += day_seconds;
        --day;
    }
    const Civil c = civil_from_days(day);
    const auto weekday = static_cast<std::size_t>(((day + 4) % 7 + 7) % 7); // 1970-01-01: Thursday
    out = put(put(out, days[weekday]), ", ");
    out = put(put_number(out, c.day, 2), " ");
    out = put(put(out, months[static_cast<std::size_t>(c.month - 1)]), " ");
    out = put(put_number(out, c.year, 4), " ");
    out = put(put_number(out, time / 3600, 2), ":");
    out = put(put_number(out, time / 60 % 60, 2), ":");
    return put(put_number(out, time % 60, 2), " GMT");
}

std::optional<std::int64_t> parse_date(std::string_view text, std::int64_t now) noexcept {
    if (text.size() < 24 || text.size() > 33) return std::nullopt;
    if (text[3] == ',') return parse_fixdate(text);
    if (text[3] == ' ') return parse_asctime(text);
    return parse_rfc850(text, now);
}

} // namespace hc::http
