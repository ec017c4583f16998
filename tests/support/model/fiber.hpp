// A stack of its own that the thread steps onto and off again: a model thread runs on one.
#pragma once

#include <ucontext.h>

#include <cstddef>
#include <functional>
#include <memory>

namespace hc::model {

class Fiber {
public:
    /// The place that the calling thread is at already.
    Fiber() = default;
    /// `entry` begins at the first switch to it, and never returns.
    explicit Fiber(std::function<void()> entry);
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;

    /// Leaves this fiber, which must be the running one; comes back when another switches to it.
    void switch_to(Fiber& to) noexcept;

private:
    static void enter() noexcept;
    void landed(void* fake_stack) noexcept;

    std::function<void()> entry_;
    std::unique_ptr<std::byte[]> stack_;
    ucontext_t context_{};
    // What AddressSanitizer wants to know.
    [[maybe_unused]] const void* bottom_ = nullptr;
    [[maybe_unused]] std::size_t size_ = 0;
};

} // namespace hc::model
