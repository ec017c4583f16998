// How streams that are gone have ended, as far as frames for them have to be judged.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

namespace hc::h2 {

/// A frame for a stream that the peer has ended, or never begun, is an error (RFC 9113, section
/// 5.1). One for a stream that we have cut off is not: it may have been on its way. So those are
/// remembered, the last of them by their numbers; all that are older count as cut off.
class Past {
public:
    enum class End : std::uint8_t { by_peer, by_us, never_begun };

    /// A stream begins.
    void begin(std::int32_t id) noexcept {
        if (id > last_ + 2) {
            skipped_after_ = last_;
            skipped_before_ = id;
        }
        last_ = id;
    }
    /// We end it before the peer has.
    void cut(std::int32_t id) {
        if (ring_ == nullptr) ring_ = std::make_unique<Ring>();
        std::int32_t& place = ring_->ids[ring_->next++ % ring_->ids.size()];
        if (place > horizon_) horizon_ = place;
        place = id;
    }
    std::int32_t last() const noexcept { return last_; }
    /// How a stream up to last() that is not open any more has ended.
    End end_of(std::int32_t id) const noexcept {
        if (id <= horizon_) return End::by_us;
        if (ring_ != nullptr) {
            for (const std::int32_t cut : ring_->ids) {
                if (cut == id) return End::by_us;
            }
        }
        if (id > skipped_after_ && id < skipped_before_) return End::never_begun;
        return End::by_peer;
    }

private:
    struct Ring {
        std::array<std::int32_t, 128> ids{};
        std::uint32_t next = 0;
    };
    std::unique_ptr<Ring> ring_; // once there is one
    std::int32_t horizon_ = 0;   // the highest that was forgotten
    std::int32_t last_ = -1;
    std::int32_t skipped_after_ = 0; // the last gap in the numbers
    std::int32_t skipped_before_ = 0;
};

} // namespace hc::h2
