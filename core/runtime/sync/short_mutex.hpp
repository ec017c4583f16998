// ShortMutex: a mutex that is held for a few dozen instructions at a time, and never over foreign
// code, as those of this folder are.
#pragma once

#include <mutex>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace hc::runtime::sync_detail {

/// A std::mutex whose lock() asks a number of times before it has the kernel put the thread to
/// sleep: whoever holds it lets go sooner than the kernel would have done either. Any thread.
class ShortMutex {
public:
    void lock() {
        for (int i = 0; i < tries; ++i) {
            if (mutex_.try_lock()) return;
            relax();
        }
        mutex_.lock();
    }
    bool try_lock() { return mutex_.try_lock(); }
    void unlock() { mutex_.unlock(); }

private:
    // Some microseconds in all, which is what a sleep in the kernel and its end cost.
    static constexpr int tries = 100;

    static void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
        _mm_pause();
#elif defined(__aarch64__) || defined(__arm__)
        asm volatile("yield");
#endif
    }

    std::mutex mutex_;
};

} // namespace hc::runtime::sync_detail
