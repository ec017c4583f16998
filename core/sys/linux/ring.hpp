// One io_uring: its descriptor and the two queues that it shares with the kernel, on bare system
// calls.
//
// Submissions are written into the slots that `next` gives and handed over by `enter`; completions
// are looked at with `front` and given back with `pop`. One thread at a time. The kernel moves the
// head of the submissions and the tail of the completions, we move the other two, and each of the
// four is read with acquire and written with release.
#pragma once

#include <linux/io_uring.h>
#include <linux/time_types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/sys/process.hpp"

namespace hc::sys {

/// io_uring_enter(2) as it is: the number of submissions that were taken, or -1 and errno.
using RingEnter = long (*)(int ring, unsigned submit, unsigned at_least, unsigned flags,
                           const void* argument, std::size_t size);
long enter_kernel(int ring, unsigned submit, unsigned at_least, unsigned flags,
                  const void* argument, std::size_t size) noexcept;

struct RingOptions {
    std::uint32_t submissions = 256;  // room for so many between two calls of enter
    std::uint32_t completions = 4096; // what is beyond waits in the kernel
    /// The thread that enters first is the only one that ever does: the kernel then works for the
    /// ring only inside of `enter`, and interrupts nobody.
    bool one_thread = false;
    RingEnter enter = enter_kernel; // tests put failures in between
};

class Ring {
public:
    /// `unsupported` when the kernel has no io_uring, an old one, or forbids it.
    static Result<std::unique_ptr<Ring>> create(const RingOptions& options);
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;
    ~Ring();

    /// Polls readable while there are completions.
    int descriptor() const noexcept { return fd_; }
    /// True in a process forked from the one that made it: there everything but the destructor is
    /// forbidden, for the memory stayed with the parent.
    bool forked() const noexcept { return forked_since(made_in_); }

    /// A zeroed submission, handed over by the next `enter`; nullptr when there is no room.
    io_uring_sqe* next() noexcept;
    /// How many the kernel has yet to take.
    std::uint32_t unsubmitted() const noexcept { return sq_tail_ - load(sq_head_at_); }
    /// Takes back those that the kernel has not taken and `keep` does not want to stay.
    template <class Keep>
    void take_back(Keep keep) noexcept {
        const std::uint32_t head = load(sq_head_at_);
        std::uint32_t to = head;
        for (std::uint32_t at = head; at != sq_tail_; ++at) {
            const io_uring_sqe& entry = sqes_[at & sq_mask_];
            if (keep(entry)) sqes_[to++ & sq_mask_] = entry;
        }
        sq_tail_ = to;
    }

    /// Hands over what waits (unless `submit` is false), lets the kernel do what it has put off for
    /// this ring and waits until `at_least` completions are there or `timeout` passed (nullopt: for
    /// ever). 0, or an errno; time that passed and signals are no failures. Not everything may have
    /// been handed over; then it has not waited.
    int enter(std::uint32_t at_least, std::optional<Duration> timeout, bool submit = true) noexcept;

    /// The oldest completion, or nullptr.
    const io_uring_cqe* front() const noexcept {
        return cq_head_ == load(cq_tail_at_) ? nullptr : &cqes_[cq_head_ & cq_mask_];
    }
    void pop() noexcept { store(cq_head_at_, ++cq_head_); }
    /// The latest completion that `found` holds for, however many are in front of it.
    template <class Found>
    const io_uring_cqe* find(Found found) const noexcept {
        for (std::uint32_t at = load(cq_tail_at_); at != cq_head_; --at) {
            const io_uring_cqe& each = cqes_[(at - 1) & cq_mask_];
            if (found(each)) return &each;
        }
        return nullptr;
    }
    /// Completions wait in the kernel for room in the queue, until the next `enter`.
    bool overflowed() const noexcept;

private:
    using Shared = std::uint32_t*; // memory that the kernel writes as well
    static std::uint32_t load(Shared at) noexcept {
        return std::atomic_ref(*at).load(std::memory_order_acquire);
    }
    static void store(Shared at, std::uint32_t value) noexcept {
        std::atomic_ref(*at).store(value, std::memory_order_release);
    }

    explicit Ring(RingEnter call) noexcept : enter_(call) {}
    Result<void> map(const io_uring_params& params);

    int fd_ = -1;
    bool disabled_ = false; // until the first enter
    const RingEnter enter_;
    const ForkToken made_in_ = fork_token();

    Shared sq_head_at_ = nullptr;
    Shared sq_tail_at_ = nullptr;
    Shared sq_flags_at_ = nullptr;
    std::uint32_t sq_tail_ = 0;
    std::uint32_t sq_mask_ = 0;
    io_uring_sqe* sqes_ = nullptr;

    Shared cq_head_at_ = nullptr;
    Shared cq_tail_at_ = nullptr;
    std::uint32_t cq_head_ = 0;
    std::uint32_t cq_mask_ = 0;
    io_uring_cqe* cqes_ = nullptr;

    void* queues_ = nullptr; // both queues are in one mapping, the submissions in another
    std::size_t queues_size_ = 0;
    std::size_t sqes_size_ = 0;
};

} // namespace hc::sys
