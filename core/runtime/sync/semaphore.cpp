#include "core/runtime/sync/semaphore.hpp"

namespace hc::runtime {

using sync_detail::Verdict;
using sync_detail::WakeBatch;

/// The line was not empty a moment ago.
void Semaphore::hand_out(std::size_t permits) noexcept {
    for (;;) {
        std::unique_lock lock(mutex_);
        std::size_t word = word_.load(std::memory_order_relaxed);
        if ((word & waiting) != 0) return serve(lock, permits);
        // It is now. Whoever takes what is added next may destroy this, so the mutex goes first.
        lock.unlock();
        while ((word & waiting) == 0) {
            if (word_.compare_exchange_weak(word, word + permits * one, std::memory_order_release,
                                            std::memory_order_relaxed)) {
                return;
            }
        }
    }
}

/// Adds `permits` and gives to the first in line what they can have, until one cannot. `waiting` is
/// set, and `lock` holds the mutex until this returns or wakes somebody. When they are more than a
/// batch, what those behind can have stays out of the word until this has come back for them: so
/// nobody has all permits before, and destroys this.
void Semaphore::serve(std::unique_lock<sync_detail::ShortMutex>& lock,
                      std::size_t permits) noexcept {
    WakeBatch batch;
    for (;;) {
        // Acquires what came with the permits that are there; nobody else writes meanwhile.
        std::size_t word = word_.load(std::memory_order_acquire) + std::exchange(permits, 0) * one;
        bool more = false;
        while (!line_.empty()) {
            const std::size_t wanted = static_cast<Wait&>(line_.front()).permits_;
            if (word / one < wanted) break;
            if (batch.full()) {
                more = true;
                break;
            }
            word -= wanted * one;
            batch.add(line_.take_first(Verdict::granted));
        }
        if (more) {
            permits = word / one;
            word -= permits * one;
        }
        if (line_.empty()) word &= ~waiting;
        word_.store(word, std::memory_order_release);
        lock.unlock();
        batch.wake();
        if (!more) return;
        lock.lock();
        if ((word_.load(std::memory_order_relaxed) & waiting) != 0) continue;
        lock.unlock();
        return add_permits(permits);
    }
}

void Semaphore::close() noexcept {
    std::unique_lock lock(mutex_);
    // Without `waiting` others may add and take meanwhile.
    word_.fetch_or(closed, std::memory_order_acq_rel);
    word_.fetch_and(~waiting, std::memory_order_acq_rel);
    line_.take_all(Verdict::closed, lock);
}

Verdict Semaphore::Wait::ask_in_line(Context& context) noexcept {
    Waker unused; // dropped after the mutex
    const std::lock_guard lock(semaphore_->mutex_);
    if (in_line_) {
        if (verdict == Verdict::none_yet) {
            unused = semaphore_->line_.wait(*this, context);
            return verdict;
        }
        unlink(); // a closing one lets its waiters go one by one
        in_line_ = false;
        coop::took();
        return verdict;
    }
    std::size_t word = semaphore_->word_.load(std::memory_order_relaxed);
    for (;;) {
        if ((word & closed) != 0) return coop::took(), Verdict::closed;
        const bool enough = (word & waiting) == 0 && word / one >= permits_;
        const std::size_t after = enough ? word - permits_ * one : word | waiting;
        if (!semaphore_->word_.compare_exchange_weak(word, after, std::memory_order_acq_rel,
                                                     std::memory_order_relaxed)) {
            continue;
        }
        if (enough) return coop::took(), Verdict::granted;
        in_line_ = true;
        unused = semaphore_->line_.wait(*this, context);
        return Verdict::none_yet;
    }
}

/// Destroyed in line or with a verdict it has not seen.
void Semaphore::Wait::give_up() noexcept {
    std::unique_lock lock(semaphore_->mutex_);
    unlink();
    if (verdict == Verdict::closed) return;
    if (verdict == Verdict::granted) {
        lock.unlock();
        semaphore_->add_permits(permits_);
    } else {
        // Those behind may have waited only for this one, which wanted more than there is.
        semaphore_->serve(lock, 0);
    }
}

} // namespace hc::runtime
