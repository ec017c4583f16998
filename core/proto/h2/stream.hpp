// What a session keeps for each stream. A driver's stream derives from it, so that both are one
// object.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/chain.hpp"
#include "core/base/intrusive_list.hpp"
#include "core/base/time.hpp"

namespace hc::h2 {

/// A receive window that grows when it is what holds the peer up: when half of it is used up within
/// about a round trip.
class Window {
public:
    explicit Window(std::int32_t size) noexcept : size_(size) {}

    std::int32_t size() const noexcept { return size_; }
    /// `n` bytes are given back. Gives the new size when the window is to grow, else 0.
    std::int32_t give_back(std::uint64_t n, Instant now, Duration round_trip, std::uint32_t most) {
        since_ += n;
        if (since_ < static_cast<std::uint64_t>(size_) / 2) return 0;
        since_ = 0;
        const bool fast = now - at_ <= 2 * round_trip;
        at_ = now;
        if (!fast || size_ > static_cast<std::int32_t>(most / 2)) return 0;
        size_ *= 2;
        return size_;
    }

private:
    std::int32_t size_;
    std::uint64_t since_ = 0; // bytes given back since the peer was told last
    Instant at_;              // when that was
};

/// A stream's place among those of its session.
struct StreamNode : ListNode {};

class Stream : public StreamNode {
public:
    /// A short answer's body waits here, without a block of memory of its own.
    static constexpr std::size_t small_max = 256;
    using Trailers = std::vector<std::pair<std::string, std::string>>;

    std::int32_t id = 0;
    bool remote_ended = false; // END_STREAM came
    bool closed = false;       // for nghttp2 it is gone: nothing more can be sent on it
    bool reset_sent = false;   // we have reset it of our own will
    bool out_ended = false;    // nothing more is put into `out`
    bool end_sent = false;     // END_STREAM was handed over
    bool waiting = false;      // nghttp2 was told that there is nothing to send
    bool headed = false;       // the final head was submitted or, to a client, has come
    bool moved = false;        // bytes left `out` since the driver was told
    std::uint16_t small_size = 0;
    std::uint16_t small_taken = 0;
    Window window{65'535};
    Instant moved_at; // when bytes left `out` last, or began to wait there
    Chain out;        // body bytes that nghttp2 has not taken
    std::unique_ptr<Trailers> trailers;
    std::array<char, small_max> small;

    /// Begun by a server's promise (RFC 9113, section 5.1.1).
    bool is_promised() const noexcept { return id % 2 == 0; }
    bool has_output() const noexcept { return !out.empty() || small_size > small_taken; }
    std::uint64_t output_size() const noexcept { return out.size() + small_size - small_taken; }
    void keep_small(std::string_view bytes) noexcept {
        std::memcpy(small.data(), bytes.data(), bytes.size());
        small_size = static_cast<std::uint16_t>(bytes.size());
        small_taken = 0;
    }
};

} // namespace hc::h2
