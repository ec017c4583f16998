#include "core/proto/h1/field_memo.hpp"

#include <algorithm>

namespace hc::h1 {

void FieldMemo::keep(const http::HeadView& head, std::size_t line,
                     const Framing& framing) noexcept {
    const std::size_t size = head.size - line;
    if (size > bytes_max || framing.body != BodyKind::none || framing.upgrade) return;
    std::memcpy(bytes_.data(), head.base + line, size);
    size_ = static_cast<std::uint32_t>(size);
    line_ = static_cast<std::uint32_t>(line);
    count_ = head.field_count;
    version_ = head.version;
    // An empty one lies nowhere and does not move.
    authority_ = head.authority.size > 0 ? head.authority : http::Span{};
    framing_ = framing;
}

void FieldMemo::move(std::uint32_t line, http::FieldRef* fields) noexcept {
    const std::uint32_t by = line - line_; // may wrap, and so do the sums
    std::for_each(fields, fields + count_, [by](http::FieldRef& field) {
        field.name += by;
        field.value += by;
    });
    if (authority_.size > 0) authority_.offset += by;
    line_ = line;
}

} // namespace hc::h1
