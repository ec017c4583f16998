// FieldMemo: what was made of the field section read last.
//
// A client sends the same fields with most of its requests, and the same bytes mean the same. So a
// section that comes again is compared, not read and judged again; the request line always is. Only
// requests without a body are kept, so that framing is all that was decided about them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "core/http/head.hpp"
#include "core/proto/h1/framing.hpp"

namespace hc::h1 {

class FieldMemo {
public:
    /// Longer ones are not kept.
    static constexpr std::size_t bytes_max = 1024;

    /// The table of fields is written over: nothing is kept any more.
    void forget() noexcept { size_ = 0; }
    /// When the section kept comes behind the line of `line` bytes: completes `head` and `framing`
    /// and moves `fields`, the same table as ever, to where it lies now. Gives the size of the
    /// whole head, or 0.
    std::size_t recall(std::string_view input, std::size_t line, http::HeadView& head,
                       http::FieldRef* fields, Framing& framing) noexcept {
        if (size_ == 0 || input.size() - line < size_ || head.version != version_ ||
            std::memcmp(input.data() + line, bytes_.data(), size_) != 0) {
            return 0;
        }
        if (line != line_) move(static_cast<std::uint32_t>(line), fields);
        head.base = input.data();
        head.size = line_ + size_;
        head.fields = fields;
        head.field_count = count_;
        head.authority = authority_;
        framing = framing_;
        return head.size;
    }
    /// Keeps the section of a head that was read and judged.
    void keep(const http::HeadView& head, std::size_t line, const Framing& framing) noexcept;

private:
    void move(std::uint32_t line, http::FieldRef* fields) noexcept;

    std::uint32_t size_ = 0;
    std::uint32_t line_ = 0; // offsets in the table count from the beginning of such a line
    std::uint32_t count_ = 0;
    http::Version version_ = http::Version::http_1_1;
    http::Span authority_;
    Framing framing_;
    std::array<char, bytes_max> bytes_;
};

} // namespace hc::h1
