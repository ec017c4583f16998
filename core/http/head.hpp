// The head of a message as it was received: a table of offsets into the received bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "core/http/field.hpp"

namespace hc::http {

enum class Method : std::uint8_t {
    other,
    get,
    head,
    post,
    put,
    delete_,
    connect,
    options,
    trace,
    patch
};
constexpr std::size_t method_count = static_cast<std::size_t>(Method::patch) + 1;
Method lookup_method(std::string_view name) noexcept; // case-sensitive, as RFC 9110 has it
std::string_view method_text(Method method) noexcept; // "GET"; empty for `other`
/// GET, HEAD, OPTIONS, TRACE (RFC 9110, section 9.2.1).
bool is_safe(Method method) noexcept;

enum class Version : std::uint8_t { http_1_0 = 10, http_1_1 = 11, http_2 = 20, http_3 = 30 };
std::string_view version_text(Version version) noexcept; // "HTTP/1.1"

/// A run of bytes counted from the head's first byte.
struct Span {
    std::uint32_t offset = 0;
    std::uint32_t size = 0;
};

/// A request's or a response's head. Owns nothing: `base` and `fields` are somebody's, who says how
/// long they live. Copying the view copies neither.
struct HeadView {
    const char* base = nullptr;
    std::uint32_t size = 0; // bytes from base to the end of the head
    Version version = Version::http_1_1;
    Method method = Method::other;
    std::uint16_t status = 0; // responses
    std::uint32_t field_count = 0;
    const FieldRef* fields = nullptr;
    // requests
    Span method_name;
    Span target;    // as it was sent
    Span scheme;    // empty unless the target named one
    Span authority; // from the target, else from Host
    Span path;      // without the query; "*" for asterisk-form; empty for authority-form
    Span query;     // without the "?"; has_query tells "/a?" from "/a"
    Span protocol;  // of an extended CONNECT, or the Upgrade field's value
    bool has_query = false;
    bool promised = false; // the client has not asked for it: the server has (server push)
    // responses
    Span reason;

    std::string_view text(Span span) const noexcept { return {base + span.offset, span.size}; }
    std::span<const FieldRef> list() const noexcept { return {fields, field_count}; }
    std::string_view name(const FieldRef& f) const noexcept { return {base + f.name, f.name_size}; }
    std::string_view value(const FieldRef& f) const noexcept {
        return {base + f.value, f.value_size};
    }
    /// The first value of a field, or nullopt.
    std::optional<std::string_view> find(FieldName known) const noexcept;
    std::optional<std::string_view> find(std::string_view any_case) const noexcept;
};

/// A head with memory of its own: one block that holds the bytes and the table.
class OwnedHead {
public:
    OwnedHead() = default;
    explicit OwnedHead(const HeadView& source);
    const HeadView& view() const noexcept { return block_ != nullptr ? *block_ : none; }
    explicit operator bool() const noexcept { return block_ != nullptr; }
    static constexpr HeadView none{};

private:
    struct Free {
        void operator()(HeadView* block) const noexcept;
    };
    std::unique_ptr<HeadView, Free> block_; // with the table and the bytes behind it
};

} // namespace hc::http
