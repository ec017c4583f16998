// Poll operations of a ring, and their like from poll(2).
#pragma once

#include <linux/io_uring.h>
#include <poll.h>

#include <bit>
#include <cstdint>

#include "core/sys/sys.hpp"

namespace hc::sys {

/// What poll(2) and a poll operation are asked for.
inline std::uint32_t bits_of(Interest interest) noexcept {
    std::uint32_t bits = POLLERR | POLLHUP;
    if (interest.readable) bits |= POLLIN;
    if (interest.writable) bits |= POLLOUT;
    if (interest.readable && !interest.exclusive) bits |= POLLRDHUP;
    return bits;
}

/// What holds of a descriptor right now, as a completion would say it.
inline std::int32_t look(int fd, Interest interest) noexcept {
    const std::uint32_t asked = bits_of(interest);
    pollfd now{.fd = fd, .events = static_cast<short>(asked), .revents = 0};
    return ::poll(&now, 1, 0) == 1 ? static_cast<std::uint16_t>(now.revents) & asked : 0;
}

inline void prepare_poll(io_uring_sqe& entry, int fd, Interest interest, bool multishot,
                         std::uint64_t mark) noexcept {
    constexpr std::uint32_t exclusive_wake = 1U << 28; // EPOLLEXCLUSIVE
    const std::uint32_t bits = bits_of(interest) | (interest.exclusive ? exclusive_wake : 0);
    entry.opcode = IORING_OP_POLL_ADD;
    entry.fd = fd;
    entry.len = multishot ? IORING_POLL_ADD_MULTI : 0;
    // On big-endian machines the kernel swaps the halves.
    entry.poll32_events = std::endian::native == std::endian::big ? std::rotl(bits, 16) : bits;
    entry.user_data = mark;
}

} // namespace hc::sys
