// Content codings (RFC 9110, sections 8.4 and 12.5.3): what a client accepts, which of it a server
// chooses, what a body was coded with, and which media types are worth the work.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hc::http {

/// Those that are known here. "x-gzip" is gzip; "deflate" is not here, since senders never agreed
/// upon what it means.
enum class ContentCoding : std::uint8_t { identity, gzip, brotli, zstd };
constexpr std::size_t content_coding_count = 4;
std::string_view coding_text(ContentCoding coding) noexcept;                // "br"
std::optional<ContentCoding> lookup_coding(std::string_view name) noexcept; // in any case

/// What the Accept-Encoding fields of a request say. An element that is malformed says nothing;
/// where a coding is listed more than once the least quality counts.
class AcceptedCodings {
public:
    /// Elements that are looked at, in all fields together: a client that lists more is not read to
    /// the end.
    static constexpr std::uint32_t elements_max = 64;

    /// One more field of that name.
    void add(std::string_view value) noexcept;
    /// In thousandths; 0 when it is not accepted. Not for identity.
    std::uint32_t quality(ContentCoding coding) const noexcept;
    /// False when the client would rather have an error than bytes that are not coded.
    bool identity_is_welcome() const noexcept;
    /// The accepted one with the highest quality; of several, the one that `preferred` lists first.
    /// identity when none is accepted, or when the client prefers it.
    ContentCoding choose(std::span<const ContentCoding> preferred) const noexcept;

private:
    static constexpr std::uint16_t unlisted = UINT16_MAX;

    void add_element(std::string_view element) noexcept;

    std::array<std::uint16_t, content_coding_count> qualities_{unlisted, unlisted, unlisted,
                                                               unlisted};
    std::uint16_t others_ = unlisted; // "*"
    std::uint32_t elements_ = 0;
};

/// What a body was coded with, in the order in which that was done. identity is left out.
class AppliedCodings {
public:
    /// More than two are a nuisance at best.
    static constexpr std::size_t most = 2;
    enum class Outcome : std::uint8_t { known, unknown, too_many };

    /// One more Content-Encoding field. What is not `known` stays so.
    Outcome add(std::string_view value) noexcept;
    std::span<const ContentCoding> list() const noexcept { return {codings_.data(), count_}; }

private:
    std::array<ContentCoding, most> codings_{};
    std::size_t count_ = 0;
    Outcome outcome_ = Outcome::known;
};

/// A set of media types: "text/html", "text/*" for all below, "+json" for a syntax, "*/*" for all.
class MediaTypes {
public:
    /// Adds what an item of a list says; false when it is none of those.
    bool add(std::string_view pattern);
    /// Whether a Content-Type is in the set, whatever its parameters.
    bool contains(std::string_view content_type) const noexcept;
    bool empty() const noexcept { return patterns_.empty(); }

private:
    struct Pattern {
        enum class Kind : std::uint8_t { whole, prefix, suffix };
        Kind kind;
        std::string text; // in lower case
    };
    std::vector<Pattern> patterns_;
};

/// Whether a comma-separated list has `token`, in any case (Vary, Cache-Control); a value behind a
/// "=" is not part of an element's name.
bool lists_token(std::string_view list, std::string_view token) noexcept;

} // namespace hc::http
