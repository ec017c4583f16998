// What the lock-free parts of the scheduler are written upon, as a policy: the library runs them on
// the standard's atomics, the model test on atomics whose every operation it controls.
#pragma once

#include <atomic>
#include <mutex>

namespace hc::runtime::sched {

struct StdAtomics {
    template <class T>
    using Atomic = std::atomic<T>;

    using Mutex = std::mutex;

    /// Plain memory that threads hand to each other: the protocol of the structure, not the cell,
    /// orders its accesses. The model's cell reports two accesses that nothing orders.
    template <class T>
    class Cell {
    public:
        T load() const noexcept { return value_; }
        void store(T value) noexcept { value_ = value; }

    private:
        T value_{};
    };

    static void fence_seq_cst() noexcept {
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
        // ThreadSanitizer does not follow fences. Ours only decide who looks again; what they guard
        // is read through acquire loads, which it does follow.
#pragma GCC diagnostic ignored "-Wtsan"
#endif
        std::atomic_thread_fence(std::memory_order_seq_cst);
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
    }
};

/// Apart by this much, two words do not share a cache line.
inline constexpr std::size_t cache_line_bytes = 64;

} // namespace hc::runtime::sched
