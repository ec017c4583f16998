#include "core/proto/ws/handshake.hpp"

#include <algorithm>

#include "core/base/ascii.hpp"
#include "core/tls/digest.hpp"

namespace hc::ws {

namespace {

using http::FieldName;
using http::FieldRef;
using http::HeadView;

constexpr std::string_view guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Calls `visit(item)` for each item of a list of tokens, until it answers true.
template <class Visit>
bool any_item(std::string_view list, Visit&& visit) {
    while (!list.empty()) {
        const std::size_t comma = std::min(list.find(','), list.size());
        const std::string_view item = ascii::trim(list.substr(0, comma));
        if (!item.empty() && visit(item)) return true;
        list.remove_prefix(std::min(comma + 1, list.size()));
    }
    return false;
}

bool names_websocket(std::string_view upgrade) noexcept {
    return any_item(upgrade, [](std::string_view item) {
        return ascii::equals_ignoring_case(item, "websocket");
    });
}

/// The one value of a field; false when there are several.
bool single(const HeadView& head, FieldName name, std::string_view& value) noexcept {
    bool seen = false;
    for (const FieldRef& field : head.list()) {
        if (field.known != name) continue;
        if (seen) return false;
        seen = true;
        value = head.value(field);
    }
    return true;
}

/// Writes bytes in base64, with what stands for those that are missing at the end.
void write_base64(std::span<const std::uint8_t> bytes, char* to) noexcept {
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
        std::uint32_t bits = 0;
        for (std::size_t j = 0; j < 3; ++j) bits = bits << 8 | (j < n ? bytes[i + j] : 0U);
        for (std::size_t j = 0; j < 4; ++j) {
            *to++ = j <= n ? alphabet[bits >> (18 - 6 * j) & 0x3FU] : '=';
        }
    }
}

std::string_view host_of(std::string_view origin) noexcept {
    const std::size_t at = origin.find("://");
    return at == std::string_view::npos ? std::string_view{} : origin.substr(at + 3);
}

} // namespace

bool is_key(std::string_view key) noexcept {
    if (key.size() != 24 || !key.ends_with("==")) return false;
    return key.find_first_not_of(alphabet) == 22;
}

std::array<char, 28> accept_value(std::string_view key) {
    std::array<char, 24 + guid.size()> text{};
    key.copy(text.data(), 24);
    guid.copy(text.data() + 24, guid.size());
    const auto digest = tls::sha1({text.data(), text.size()});
    std::array<char, 28> out{};
    write_base64(digest, out.data());
    return out;
}

ErrorKind read_request(const HeadView& head, const DeflateSettings& settings, Request& out) {
    out = {};
    if (!names_websocket(head.text(head.protocol))) return ErrorKind::unsupported;
    const bool extended = head.method == http::Method::connect;
    if (!extended && head.method != http::Method::get) return ErrorKind::protocol;
    std::string_view version;
    if (!single(head, FieldName::sec_websocket_version, version) || version.empty()) {
        return ErrorKind::protocol;
    }
    if (version != "13") return ErrorKind::unsupported;
    if (!single(head, FieldName::sec_websocket_key, out.key)) return ErrorKind::protocol;
    if (extended) {
        out.key = {}; // it proves nothing there, and is not to be sent (RFC 8441, section 5)
    } else if (!is_key(out.key)) {
        return ErrorKind::protocol;
    }
    for (const FieldRef& field : head.list()) {
        const std::string_view value = head.value(field);
        if (field.known == FieldName::sec_websocket_extensions) {
            choose_extensions(value, settings, out.extensions);
            if (out.extensions.malformed) return ErrorKind::protocol;
        } else if (field.known == FieldName::sec_websocket_protocol) {
            // Tokens, or it is no list of subprotocols (section 4.1, point 10).
            const bool bad =
                any_item(value, [](std::string_view item) { return !http::is_field_name(item); });
            if (bad) return ErrorKind::protocol;
        } else if (field.known == FieldName::origin) {
            out.origin = value;
        }
    }
    return ErrorKind::ok;
}

int refusal_status(ErrorKind why) noexcept {
    switch (why) {
    case ErrorKind::unsupported: return 426;
    case ErrorKind::permission: return 403;
    case ErrorKind::limit: return 503;
    default: return 400; // NOLINT: the kinds that read_request gives are above
    }
}

bool offers_protocol(const HeadView& head, std::string_view protocol) noexcept {
    for (const FieldRef& field : head.list()) {
        if (field.known != FieldName::sec_websocket_protocol) continue;
        // They are compared as they are (section 4.1; the registry tells of no other way).
        if (any_item(head.value(field), [&](std::string_view item) { return item == protocol; })) {
            return true;
        }
    }
    return false;
}

// -- the client's side ----------------------------------------------------------------------------

std::array<char, 24> make_key(std::span<const std::uint8_t, 16> random) {
    std::array<char, 24> out{};
    write_base64(random, out.data());
    return out;
}

namespace {

/// HTTP/1.1 only: the connection is what was asked for, and the server has read the key.
bool is_proven(const HeadView& head, std::string_view key) {
    std::string_view upgrade;
    std::string_view accept;
    if (!single(head, FieldName::upgrade, upgrade) ||
        !single(head, FieldName::sec_websocket_accept, accept)) {
        return false;
    }
    const auto connection = head.find(FieldName::connection);
    const auto wanted = accept_value(key);
    return ascii::equals_ignoring_case(upgrade, "websocket") && connection &&
           any_item(*connection,
                    [](std::string_view item) {
                        return ascii::equals_ignoring_case(item, "upgrade");
                    }) &&
           accept == std::string_view(wanted.data(), wanted.size());
}

} // namespace

ErrorKind read_answer(const HeadView& head, std::string_view key,
                      std::span<const std::string_view> protocols, const DeflateSettings& settings,
                      Answer& out) {
    out = {};
    const bool agrees = key.empty() ? head.status / 100 == 2 : head.status == 101;
    if (!agrees) return ErrorKind::unsupported;
    if (!key.empty() && !is_proven(head, key)) return ErrorKind::protocol;
    std::string_view extensions;
    if (!single(head, FieldName::sec_websocket_extensions, extensions) ||
        !single(head, FieldName::sec_websocket_protocol, out.protocol)) {
        return ErrorKind::protocol;
    }
    // Only what was offered may be chosen.
    if (!out.protocol.empty() && std::ranges::find(protocols, out.protocol) == protocols.end()) {
        return ErrorKind::protocol;
    }
    const auto deflate = read_extensions_answer(extensions, settings);
    if (!deflate) return ErrorKind::protocol;
    out.deflate = *deflate;
    return ErrorKind::ok;
}

bool origin_is_listed(const HeadView& head, std::string_view listed) noexcept {
    const auto origin = head.find(FieldName::origin);
    if (!origin || listed == "*") return true;
    if (listed != "same") return ascii::equals_ignoring_case(*origin, listed);
    const std::string_view host = host_of(*origin);
    return !host.empty() && ascii::equals_ignoring_case(host, head.text(head.authority));
}

} // namespace hc::ws
