// Dates, ranges and URIs: what they read, they write the same; what they give lies in the input.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/http/date.hpp"
#include "core/http/range.hpp"
#include "core/http/uri.hpp"

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

bool within(std::string_view part, std::string_view whole) {
    return part.empty() || (part.data() >= whole.data() &&
                            part.data() + part.size() <= whole.data() + whole.size());
}

void date(std::string_view text) {
    const auto seconds = hc::http::parse_date(text, 1'700'000'000);
    if (!seconds) return;
    std::array<char, 64> out{};
    const char* end = hc::http::write_date(out.data(), *seconds);
    const std::string_view written(out.data(), static_cast<std::size_t>(end - out.data()));
    require(hc::http::parse_date(written, 1'700'000'000) == seconds);
}

void range(std::string_view text, std::uint64_t size) {
    const auto request = hc::http::parse_range(text, size);
    std::uint64_t total = 0;
    for (const auto& one : request.list()) {
        require(one.first <= one.last && one.last < size);
        total += one.size();
    }
    require(total <= size);
}

void uri(std::string_view text) {
    const auto split = hc::http::split_uri(text);
    if (!split) return;
    for (const auto part : {split->scheme, split->authority.userinfo, split->authority.host,
                            split->authority.port, split->path, split->query, split->fragment}) {
        require(within(part, text));
    }
    if (split->path.starts_with('/')) {
        const std::string once = hc::http::remove_dot_segments(split->path);
        require(hc::http::remove_dot_segments(once) == once);
    }
    if (const auto plain = hc::http::percent_decode(split->path)) {
        require(plain->size() <= split->path.size());
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 3) {
    case 0: date(text); break;
    case 1: range(text, data[0] * 5ULL); break;
    case 2: uri(text); break;
    }
    return 0;
}
