#include "core/sys/event_flag.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

namespace hc::sys {

Result<EventFlag> EventFlag::create() {
    const int descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (descriptor < 0) return fail(system_error(errno, "eventfd"));
    return EventFlag(descriptor);
}

EventFlag::~EventFlag() {
    if (descriptor_ >= 0) ::close(static_cast<int>(descriptor_));
}

void EventFlag::signal() noexcept {
    // Fails only when the count would overflow, and then it is readable already.
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto n = ::write(static_cast<int>(descriptor_), &one, sizeof one);
}

void EventFlag::clear() noexcept {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto n = ::read(static_cast<int>(descriptor_), &count, sizeof count);
}

} // namespace hc::sys
