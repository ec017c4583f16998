#include "capi/src/head.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>
#include <type_traits>

#include "core/http/field.hpp"

namespace hc::capi {

// An array of hc_header is given to the core as an array of Field, and back.
static_assert(sizeof(hc_header) == sizeof(http::Field));
static_assert(alignof(hc_header) == alignof(http::Field));
static_assert(offsetof(hc_header, name.p) == offsetof(http::Field, name_data));
static_assert(offsetof(hc_header, name.n) == offsetof(http::Field, name_size));
static_assert(offsetof(hc_header, value.p) == offsetof(http::Field, value_data));
static_assert(offsetof(hc_header, value.n) == offsetof(http::Field, value_size));
static_assert(offsetof(hc_header, token) == offsetof(http::Field, token));
static_assert(offsetof(hc_header, flags) == offsetof(http::Field, flags));
static_assert(std::is_standard_layout_v<http::Field>);
static_assert(sizeof(hc_event) == 64);

static_assert(HC_METHOD_OTHER == static_cast<int>(http::Method::other));
static_assert(HC_METHOD_GET == static_cast<int>(http::Method::get));
static_assert(HC_METHOD_HEAD == static_cast<int>(http::Method::head));
static_assert(HC_METHOD_POST == static_cast<int>(http::Method::post));
static_assert(HC_METHOD_PUT == static_cast<int>(http::Method::put));
static_assert(HC_METHOD_DELETE == static_cast<int>(http::Method::delete_));
static_assert(HC_METHOD_CONNECT == static_cast<int>(http::Method::connect));
static_assert(HC_METHOD_OPTIONS == static_cast<int>(http::Method::options));
static_assert(HC_METHOD_TRACE == static_cast<int>(http::Method::trace));
static_assert(HC_METHOD_PATCH == static_cast<int>(http::Method::patch));
static_assert(HC_HTTP_1_0 == static_cast<int>(http::Version::http_1_0));
static_assert(HC_HTTP_2 == static_cast<int>(http::Version::http_2));
static_assert(HC_HTTP_1_1 == static_cast<int>(http::Version::http_1_1));

namespace {
hc_str str(std::string_view text) noexcept { return {text.data(), text.size()}; }
} // namespace

void FieldTable::build(const http::HeadView& head, std::size_t more) {
    const std::size_t wanted = head.field_count + more;
    if (wanted > capacity_) {
        fields_ = std::make_unique_for_overwrite<hc_header[]>(wanted);
        capacity_ = wanted;
    }
    size_ = head.field_count;
    hc_header* out = fields_.get();
    for (const http::FieldRef& field : head.list()) {
        out->name = {head.base + field.name, field.name_size};
        out->value = {head.base + field.value, field.value_size};
        out->token = static_cast<std::uint32_t>(field.known);
        out->flags = 0;
        ++out;
    }
}

Ends Ends::of(const link::Exchange& exchange) {
    return {.peer = link::Endpoint::of(exchange.peer()),
            .local = link::Endpoint::of(exchange.local()),
            .security = exchange.security(),
            .connection = exchange.connection()};
}

void HeadTable::show(const link::Security& security) noexcept {
    head_.tls_version = str(security.version);
    head_.tls_cipher = str(security.cipher);
    head_.tls_group = str(security.group);
    head_.tls_server_name = str(security.server_name);
    head_.tls_protocol = str(security.protocol);
    head_.ntls_chain = static_cast<std::uint32_t>(security.peer_chain.size());
    if (security.resumed) head_.flags |= HC_HEADF_TLS_RESUMED;
}

void HeadTable::build(const link::Exchange& exchange, const Ends& ends) {
    // Of an earlier use: what is not set below is empty.
    if (security_ != nullptr) head_ = {};
    security_ = ends.security;
    const http::HeadView& source = exchange.head();
    const http::RouteMatch& match = exchange.match();
    fields_.build(source, match.param_count);
    const std::string_view path = source.text(source.path);
    for (std::uint32_t i = 0; i < match.param_count; ++i) {
        fields_.rest()[i] = {str(match.name(i)), str(match.value(i, path)), 0, 0};
    }
    head_.size = sizeof head_;
    head_.version = static_cast<std::uint32_t>(source.version);
    head_.nheaders = fields_.size();
    head_.route = exchange.route();
    head_.status = source.status;
    head_.flags = (source.has_query ? HC_HEADF_QUERY : 0) |
                  (exchange.scheme() == "https" ? HC_HEADF_TLS : 0) |
                  (source.promised ? HC_HEADF_PUSHED : 0);
    head_.method = str(source.text(source.method_name));
    head_.scheme = str(exchange.scheme());
    head_.authority = str(source.text(source.authority));
    head_.path = str(path);
    head_.query = str(source.text(source.query));
    head_.protocol = str(source.text(source.protocol));
    head_.peer = {peer_, write_endpoint(ends.peer, peer_)};
    head_.headers = fields_.data();
    head_.local = {local_, write_endpoint(ends.local, local_)};
    head_.target = str(source.text(source.target));
    head_.params = fields_.rest();
    head_.nparams = match.param_count;
    head_.method_token = static_cast<std::uint32_t>(source.method);
    head_.connection = ends.connection;
    if (security_ != nullptr) show(*security_);
}

std::size_t write_endpoint(const link::Endpoint& endpoint, std::span<char> out) {
    if (endpoint.family == sys::Address::Family::v4) {
        // By far the most frequent kind, without the allocation of the general way.
        char* p = out.data();
        char* const end = p + out.size();
        for (int i = 0; i < 4; ++i) {
            p = std::to_chars(p, end, endpoint.ip[static_cast<std::size_t>(i)]).ptr;
            *p++ = i < 3 ? '.' : ':';
        }
        return static_cast<std::size_t>(std::to_chars(p, end, endpoint.port).ptr - out.data());
    }
    if (endpoint.family == sys::Address::Family::none) return 0;
    const std::string text = endpoint.address().to_string();
    const std::size_t n = std::min(text.size(), out.size());
    std::memcpy(out.data(), text.data(), n);
    return n;
}

} // namespace hc::capi
