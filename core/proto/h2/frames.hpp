// The heads of the frames of a connection's input, seen before nghttp2 reads it, which passes over
// some kinds of frames without a word.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace hc::h2 {

struct FrameHead {
    std::uint32_t size = 0; // of the payload
    std::uint8_t type = 0;
    std::uint8_t flags = 0;
    std::int32_t stream = 0;
    std::string_view payload; // as much of it as has come with the head
};

class FrameScan {
public:
    /// `first`: bytes before the first frame.
    explicit FrameScan(std::size_t first) noexcept : left_(first) {}

    /// Calls `look` with the head of each frame that is complete with this slice, until it gives
    /// false. True when all of the slice was looked through.
    template <class Look>
    bool walk(std::string_view slice, Look&& look) noexcept {
        for (;;) {
            if (left_ >= slice.size()) {
                left_ -= slice.size();
                return true;
            }
            slice.remove_prefix(left_);
            left_ = 0;
            const char* at = slice.data();
            if (have_ > 0 || slice.size() < head_size) [[unlikely]] {
                const std::size_t n = std::min(head_size - have_, slice.size());
                std::memcpy(head_.data() + have_, at, n);
                have_ += n;
                slice.remove_prefix(n);
                if (have_ < head_size) return true;
                have_ = 0;
                at = head_.data();
            } else {
                slice.remove_prefix(head_size);
            }
            FrameHead head = parse(at);
            left_ = head.size;
            head.payload = slice.substr(0, left_);
            if (!look(head)) return false;
        }
    }

private:
    static constexpr std::size_t head_size = 9;

    static FrameHead parse(const char* at) noexcept {
        const auto byte = [at](std::size_t i) {
            return std::uint32_t{static_cast<unsigned char>(at[i])};
        };
        return {byte(0) << 16 | byte(1) << 8 | byte(2),
                static_cast<std::uint8_t>(byte(3)),
                static_cast<std::uint8_t>(byte(4)),
                static_cast<std::int32_t>((byte(5) & 0x7f) << 24 | byte(6) << 16 | byte(7) << 8 |
                                          byte(8)),
                {}};
    }

    std::size_t left_; // bytes until the next head
    std::size_t have_ = 0;
    std::array<char, head_size> head_{};
};

} // namespace hc::h2
