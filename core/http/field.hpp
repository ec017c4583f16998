// Header fields: the well-known names as small numbers, and two ways to hold a field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hc::http {

/// The well-known field names. The numbers are part of the C ABI (hc_header.token, HC_FIELD_*):
/// append only, never renumber. `other` is every name not listed here.
// clang-format off
enum class FieldName : std::uint16_t {
    other = 0,
    accept, accept_charset, accept_encoding, accept_language, accept_ranges,
    access_control_allow_credentials, access_control_allow_headers, access_control_allow_methods,
    access_control_allow_origin, access_control_expose_headers, access_control_max_age,
    access_control_request_headers, access_control_request_method, age, allow, alt_svc,
    authorization, cache_control, connection, content_disposition, content_encoding,
    content_language, content_length, content_location, content_range, content_security_policy,
    content_type, cookie, date, early_data, etag, expect, expires, forwarded, from,
    host, http2_settings, if_match, if_modified_since, if_none_match, if_range,
    if_unmodified_since, keep_alive, last_event_id, last_modified, link, location, max_forwards,
    origin, pragma, priority,
    proxy_authenticate, proxy_authorization, proxy_connection, range, referer, retry_after,
    sec_fetch_dest, sec_fetch_mode, sec_fetch_site, sec_fetch_user, sec_websocket_accept,
    sec_websocket_extensions, sec_websocket_key, sec_websocket_protocol, sec_websocket_version,
    server, set_cookie, strict_transport_security, te, trailer, transfer_encoding, upgrade,
    upgrade_insecure_requests, user_agent, vary, via, warning, www_authenticate,
    x_content_type_options, x_forwarded_for, x_forwarded_host, x_forwarded_proto, x_frame_options,
    x_real_ip, x_request_id,
    count_
};
// clang-format on

/// The number of a name in any case; `other` when it has none. A perfect hash: one comparison.
FieldName lookup_field(std::string_view name) noexcept;
/// The name in lower case ("content-length"); empty for `other`.
std::string_view field_text(FieldName name) noexcept;
/// Whether `name`, in any case, is that of `known`. False for `other` and for numbers of none.
bool is_named(std::string_view name, FieldName known) noexcept;

/// True for a non-empty token (RFC 9110, section 5.6.2).
bool is_field_name(std::string_view name) noexcept;
/// True when a value may be sent: no CR, LF, NUL or other control but tab, no space at an end
/// (RFC 9110, section 5.5).
bool is_field_value(std::string_view value) noexcept;

/// False for fields that may not stand in a trailer section: those that frame, route, authenticate,
/// modify or describe the message, and those of one connection (RFC 9110, section 6.5.1).
bool may_be_trailer(FieldName name) noexcept;

/// True for the fields of one connection, which no later version of HTTP sends (RFC 9113, section
/// 8.2.2): Connection, Keep-Alive, Proxy-Connection, TE, Transfer-Encoding, Upgrade.
constexpr bool is_of_connection(FieldName name) noexcept {
    return name == FieldName::connection || name == FieldName::keep_alive ||
           name == FieldName::proxy_connection || name == FieldName::te ||
           name == FieldName::transfer_encoding || name == FieldName::upgrade;
}

/// A field that somebody hands over: pointers into memory of theirs. Laid out as the C API's
/// hc_header, so that an array of those is an array of these.
struct [[gnu::may_alias]] Field {
    const char* name_data = nullptr;
    std::size_t name_size = 0;
    const char* value_data = nullptr;
    std::size_t value_size = 0;
    std::uint32_t token = 0; // a FieldName, or 0 to have it looked up
    std::uint32_t flags = 0; // 0; h2 and h3 will know "never index"

    Field() = default;
    Field(std::string_view name, std::string_view value,
          FieldName known = FieldName::other) noexcept
        : name_data(name.data()), name_size(name.size()), value_data(value.data()),
          value_size(value.size()), token(static_cast<std::uint32_t>(known)) {}
    std::string_view name() const noexcept { return {name_data, name_size}; }
    std::string_view value() const noexcept { return {value_data, value_size}; }
};

/// A field of a received head: offsets from the head's first byte, so that the head can move.
struct FieldRef {
    std::uint32_t name = 0;
    std::uint32_t value = 0;
    std::uint32_t value_size = 0;
    std::uint16_t name_size = 0;
    FieldName known = FieldName::other;
};

} // namespace hc::http
