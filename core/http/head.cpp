#include "core/http/head.hpp"

#include <array>
#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>

#include "core/base/ascii.hpp"

namespace hc::http {

namespace {
// In the order of Method.
constexpr std::array<std::string_view, 10> methods{
    "", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
} // namespace

Method lookup_method(std::string_view name) noexcept {
    for (std::size_t i = 1; i < methods.size(); ++i) {
        if (methods[i] == name) return static_cast<Method>(i);
    }
    return Method::other;
}

std::string_view method_text(Method method) noexcept {
    const auto i = static_cast<std::size_t>(method);
    return i < methods.size() ? methods[i] : std::string_view{};
}

bool is_safe(Method method) noexcept {
    switch (method) {
    case Method::get:
    case Method::head:
    case Method::options:
    case Method::trace: return true;
    case Method::other:
    case Method::post:
    case Method::put:
    case Method::delete_:
    case Method::connect:
    case Method::patch: return false;
    }
    return false;
}

std::string_view version_text(Version version) noexcept {
    switch (version) {
    case Version::http_1_0: return "HTTP/1.0";
    case Version::http_1_1: return "HTTP/1.1";
    case Version::http_2: return "HTTP/2";
    case Version::http_3: return "HTTP/3";
    }
    return {};
}

std::optional<std::string_view> HeadView::find(FieldName known) const noexcept {
    if (known == FieldName::other) return std::nullopt;
    for (const FieldRef& f : list()) {
        if (f.known == known) return value(f);
    }
    return std::nullopt;
}

std::optional<std::string_view> HeadView::find(std::string_view any_case) const noexcept {
    const FieldName known = lookup_field(any_case);
    if (known != FieldName::other) return find(known);
    for (const FieldRef& f : list()) {
        if (f.known == FieldName::other && ascii::equals_ignoring_case(name(f), any_case))
            return value(f);
    }
    return std::nullopt;
}

void OwnedHead::Free::operator()(HeadView* block) const noexcept { std::free(block); }

OwnedHead::OwnedHead(const HeadView& source) {
    // What wants alignment first; the bytes last.
    static_assert(std::is_trivially_destructible_v<HeadView> &&
                  sizeof(HeadView) % alignof(FieldRef) == 0);
    const std::size_t table = sizeof(FieldRef) * source.field_count;
    auto* memory = static_cast<char*>(std::malloc(sizeof(HeadView) + table + source.size));
    if (memory == nullptr) throw std::bad_alloc();
    block_.reset(new (memory) HeadView(source));
    char* const fields = memory + sizeof(HeadView);
    char* const bytes = fields + table;
    if (table > 0) std::memcpy(fields, source.fields, table);
    if (source.size > 0) std::memcpy(bytes, source.base, source.size);
    block_->base = bytes;
    block_->fields = reinterpret_cast<const FieldRef*>(fields);
}

} // namespace hc::http
