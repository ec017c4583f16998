#include "core/http/content_coding.hpp"

#include <algorithm>

#include "core/base/ascii.hpp"
#include "core/http/field.hpp"

namespace hc::http {

namespace {

constexpr std::uint16_t quality_max = 1000;

constexpr std::size_t index(ContentCoding coding) noexcept {
    return static_cast<std::size_t>(coding);
}

/// Takes the first element off a list. A comma in a quoted string does not matter to any of the
/// lists here: the pieces are no tokens.
std::string_view take_element(std::string_view& list) noexcept {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view element = ascii::trim(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
    return element;
}

/// "0", "0.25", "1.000": thousandths (RFC 9110, section 12.4.2).
std::optional<std::uint16_t> read_quality(std::string_view text) noexcept {
    if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return std::nullopt;
    if (text.size() > 1 && text[1] != '.') return std::nullopt;
    std::uint32_t quality = static_cast<std::uint32_t>(text[0] - '0') * quality_max;
    std::uint32_t unit = quality_max / 10;
    for (std::size_t i = 2; i < text.size(); ++i, unit /= 10) {
        if (!ascii::is_digit(text[i])) return std::nullopt;
        quality += static_cast<std::uint32_t>(text[i] - '0') * unit;
    }
    if (quality > quality_max) return std::nullopt;
    return static_cast<std::uint16_t>(quality);
}

/// The quality among an element's parameters, the whole when there is none; nullopt when they are
/// malformed.
std::optional<std::uint16_t> quality_of(std::string_view parameters) noexcept {
    std::uint16_t quality = quality_max;
    while (!parameters.empty()) {
        parameters.remove_prefix(1); // the semicolon
        const std::size_t end = std::min(parameters.find(';'), parameters.size());
        const std::string_view parameter = ascii::trim(parameters.substr(0, end));
        parameters.remove_prefix(end);
        if (parameter.empty()) continue;
        if (parameter.size() < 2 || ascii::lower(parameter[0]) != 'q' || parameter[1] != '=') {
            return std::nullopt; // there are no others
        }
        const auto given = read_quality(parameter.substr(2));
        if (!given) return std::nullopt;
        quality = *given;
    }
    return quality;
}

} // namespace

std::string_view coding_text(ContentCoding coding) noexcept {
    switch (coding) {
    case ContentCoding::identity: return "identity";
    case ContentCoding::gzip: return "gzip";
    case ContentCoding::brotli: return "br";
    case ContentCoding::zstd: return "zstd";
    }
    return {};
}

std::optional<ContentCoding> lookup_coding(std::string_view name) noexcept {
    for (std::size_t i = 0; i < content_coding_count; ++i) {
        const auto coding = static_cast<ContentCoding>(i);
        if (ascii::equals_ignoring_case(name, coding_text(coding))) return coding;
    }
    if (ascii::equals_ignoring_case(name, "x-gzip")) return ContentCoding::gzip;
    return std::nullopt;
}

// -- Accept-Encoding ------------------------------------------------------------------------------

void AcceptedCodings::add(std::string_view value) noexcept {
    while (!value.empty()) {
        const std::string_view element = take_element(value);
        if (element.empty()) continue;
        if (++elements_ > elements_max) return;
        add_element(element);
    }
}

void AcceptedCodings::add_element(std::string_view element) noexcept {
    const std::size_t end = std::min(element.find(';'), element.size());
    const std::string_view name = ascii::trim(element.substr(0, end));
    const auto quality = quality_of(element.substr(end));
    if (!quality) return;
    if (name == "*") {
        others_ = std::min(others_, *quality);
    } else if (const auto coding = lookup_coding(name)) {
        std::uint16_t& kept = qualities_[index(*coding)];
        kept = std::min(kept, *quality);
    }
}

std::uint32_t AcceptedCodings::quality(ContentCoding coding) const noexcept {
    const std::uint16_t listed = qualities_[index(coding)];
    if (listed != unlisted) return listed;
    return others_ != unlisted ? others_ : 0U;
}

bool AcceptedCodings::identity_is_welcome() const noexcept {
    const std::uint16_t listed = qualities_[index(ContentCoding::identity)];
    return listed != unlisted ? listed > 0 : others_ != 0;
}

ContentCoding AcceptedCodings::choose(std::span<const ContentCoding> preferred) const noexcept {
    ContentCoding best = ContentCoding::identity;
    // Without a quality of its own identity is acceptable, and nobody's preference.
    std::uint32_t best_quality = quality(ContentCoding::identity);
    if (best_quality > 0) --best_quality; // of equals the coded one is better
    for (const ContentCoding coding : preferred) {
        const std::uint32_t own = quality(coding);
        if (own <= best_quality) continue;
        best = coding;
        best_quality = own;
    }
    return best;
}

// -- Content-Encoding -----------------------------------------------------------------------------

AppliedCodings::Outcome AppliedCodings::add(std::string_view value) noexcept {
    while (!value.empty() && outcome_ == Outcome::known) {
        const std::string_view element = take_element(value);
        if (element.empty()) continue;
        const auto coding = lookup_coding(element);
        if (!coding) {
            outcome_ = Outcome::unknown;
        } else if (*coding != ContentCoding::identity) {
            if (count_ == most) outcome_ = Outcome::too_many;
            else codings_[count_++] = *coding;
        }
    }
    return outcome_;
}

// -- media types ----------------------------------------------------------------------------------

bool MediaTypes::add(std::string_view pattern) {
    Pattern added{Pattern::Kind::whole, {}};
    for (const char c : pattern) added.text += ascii::lower(c);
    const std::string_view text = added.text;
    const std::size_t slash = text.find('/');
    if (text.starts_with('+')) {
        added.kind = Pattern::Kind::suffix;
        if (!is_field_name(text.substr(1))) return false;
    } else if (text == "*/*") {
        added = {Pattern::Kind::prefix, {}};
    } else if (slash == text.npos || !is_field_name(text.substr(0, slash)) ||
               !is_field_name(text.substr(slash + 1)) || text.substr(0, slash) == "*") {
        return false;
    } else if (text.substr(slash + 1) == "*") {
        added.kind = Pattern::Kind::prefix;
        added.text.pop_back();
    }
    patterns_.push_back(std::move(added));
    return true;
}

bool MediaTypes::contains(std::string_view content_type) const noexcept {
    const std::string_view type =
        ascii::trim(content_type.substr(0, std::min(content_type.find(';'), content_type.size())));
    if (type.empty()) return false;
    return std::ranges::any_of(patterns_, [type](const Pattern& pattern) {
        const std::size_t size = pattern.text.size();
        if (size > type.size()) return false;
        switch (pattern.kind) {
        case Pattern::Kind::whole: return ascii::equals_ignoring_case(type, pattern.text);
        case Pattern::Kind::prefix:
            return ascii::equals_ignoring_case(type.substr(0, size), pattern.text);
        case Pattern::Kind::suffix:
            return ascii::equals_ignoring_case(type.substr(type.size() - size), pattern.text);
        }
        return false;
    });
}

bool lists_token(std::string_view list, std::string_view token) noexcept {
    while (!list.empty()) {
        const std::string_view element = take_element(list);
        const std::string_view name =
            element.substr(0, std::min(element.find('='), element.size()));
        if (ascii::equals_ignoring_case(name, token)) return true;
    }
    return false;
}

} // namespace hc::http
