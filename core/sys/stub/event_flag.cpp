// Where there is no descriptor to signal. Not built beside linux/event_flag.cpp.
#include "core/sys/event_flag.hpp"

namespace hc::sys {

Result<EventFlag> EventFlag::create() {
    return fail(ErrorKind::unsupported, "this system has no event descriptors");
}
EventFlag::~EventFlag() = default;
void EventFlag::signal() noexcept {}
void EventFlag::clear() noexcept {}

} // namespace hc::sys
