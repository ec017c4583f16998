#include "tests/support/model/fiber.hpp"

#include <cstdlib>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#define HC_FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HC_FIBER_ASAN 1
#endif
#endif
#ifdef HC_FIBER_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

namespace hc::model {
namespace {

constexpr std::size_t stack_bytes = 64 * 1024;

// The switch that is under way; makecontext passes no pointers.
Fiber* switch_from = nullptr;
Fiber* switch_into = nullptr;

} // namespace

Fiber::Fiber(std::function<void()> entry)
    : entry_(std::move(entry)), stack_(std::make_unique_for_overwrite<std::byte[]>(stack_bytes)),
      bottom_(stack_.get()), size_(stack_bytes) {
    if (getcontext(&context_) != 0) std::abort();
    context_.uc_stack.ss_sp = stack_.get();
    context_.uc_stack.ss_size = stack_bytes;
    context_.uc_link = nullptr;
    makecontext(&context_, &Fiber::enter, 0);
}

void Fiber::enter() noexcept {
    Fiber& self = *switch_into;
    self.landed(nullptr);
    self.entry_();
    std::abort(); // there is nowhere to return to
}

void Fiber::switch_to(Fiber& to) noexcept {
    switch_from = this;
    switch_into = &to;
    void* fake_stack = nullptr;
#ifdef HC_FIBER_ASAN
    __sanitizer_start_switch_fiber(&fake_stack, to.bottom_, to.size_);
#endif
    if (swapcontext(&context_, &to.context_) != 0) std::abort();
    landed(fake_stack);
}

void Fiber::landed([[maybe_unused]] void* fake_stack) noexcept {
#ifdef HC_FIBER_ASAN
    // Where the thread's own stack lies is only known once it has been left.
    __sanitizer_finish_switch_fiber(fake_stack, &switch_from->bottom_, &switch_from->size_);
#endif
}

} // namespace hc::model
