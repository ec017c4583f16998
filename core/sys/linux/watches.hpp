// What the Selector on io_uring knows of each descriptor that it watches.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/sys/sys.hpp"
#include "core/sys/unix/descriptor.hpp"

namespace hc::sys {

// A completion's mark: the round in the upper half, the descriptor or one of these in the lower.
constexpr std::uint32_t mark_wake = UINT32_MAX;
constexpr std::uint32_t mark_deadline = UINT32_MAX - 1;
constexpr std::uint32_t mark_cancel = UINT32_MAX - 2;
constexpr std::uint32_t mark_question = UINT32_MAX - 3;

constexpr std::uint64_t mark_of(std::uint32_t round, std::uint32_t what) noexcept {
    return std::uint64_t{round} << 32 | what;
}

/// One descriptor's watch. `queued` watches are linked by `next`; one may be queued and no longer
/// watched, and is passed over then.
struct Watch {
    Token token = 0;
    std::uint32_t round = 0;
    std::uint32_t batch = 0; // the select that reported it last
    std::uint32_t place = 0; // and where among its events
    int next = -1;
    std::uint8_t ends = 0; // of multishot operations in a row, with nothing between them
    Interest interest;
    bool watched = false;
    bool armed = false;
    bool queued = false;
    bool patient = false; // level-triggered, but waits for a change: what it asks for is not there

    void begin(Token with, Interest what) noexcept {
        token = with;
        interest = what;
        ends = 0;
        watched = true;
        patient = false;
    }
    std::uint64_t mark(int fd) const noexcept {
        return mark_of(round, static_cast<std::uint32_t>(fd));
    }
};

/// A descriptor of the selector itself, watched like an edge-triggered socket.
struct Own {
    Descriptor fd;
    std::uint32_t mark;
    std::uint32_t round = 0;
    bool armed = false;
};

/// Watches by descriptor, in pages that are made as they are needed: descriptors are small numbers
/// mostly, but one may be made large.
class Watches {
public:
    Watch* find(int fd) noexcept {
        const auto page = static_cast<std::size_t>(fd) / page_size;
        if (fd < 0 || page >= pages_.size() || pages_[page] == nullptr) return nullptr;
        return &(*pages_[page])[static_cast<std::size_t>(fd) % page_size];
    }
    Watch& make(int fd) {
        const auto page = static_cast<std::size_t>(fd) / page_size;
        if (page >= pages_.size()) pages_.resize(page + 1);
        if (pages_[page] == nullptr) pages_[page] = std::make_unique<Page>();
        return (*pages_[page])[static_cast<std::size_t>(fd) % page_size];
    }
    template <class Do>
    void each(Do what) {
        for (std::size_t page = 0; page < pages_.size(); ++page) {
            for (std::size_t i = 0; pages_[page] != nullptr && i < page_size; ++i) {
                what(static_cast<int>(page * page_size + i), (*pages_[page])[i]);
            }
        }
    }

private:
    static constexpr std::size_t page_size = 256;
    using Page = std::array<Watch, page_size>;
    std::vector<std::unique_ptr<Page>> pages_;
};

} // namespace hc::sys
