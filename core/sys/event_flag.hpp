// EventFlag: a descriptor that one side makes readable and the other watches in an event loop of
// its own. Unlike a selector's wake it can be looked at from outside.
#pragma once

#include <cstdint>
#include <utility>

#include "core/base/result.hpp"

namespace hc::sys {

class EventFlag {
public:
    /// `unsupported` where the system has nothing of the kind.
    static Result<EventFlag> create();
    EventFlag(EventFlag&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
    EventFlag& operator=(EventFlag other) noexcept {
        std::swap(descriptor_, other.descriptor_);
        return *this;
    }
    EventFlag(const EventFlag&) = delete;
    ~EventFlag();

    /// Readable (level-triggered) from signal() until clear(). Closed on exec.
    std::intptr_t native_handle() const noexcept { return descriptor_; }
    /// Any thread; signals merge.
    void signal() noexcept;
    void clear() noexcept;

private:
    explicit EventFlag(std::intptr_t descriptor) noexcept : descriptor_(descriptor) {}
    std::intptr_t descriptor_ = -1;
};

} // namespace hc::sys
