#include "core/runtime/sync/notify.hpp"

namespace hc::runtime {

using sync_detail::Verdict;

bool Notify::take_permit() noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    while ((word & state_mask) == permit) {
        if (word_.compare_exchange_weak(word, with(word, empty), std::memory_order_acq_rel,
                                        std::memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

/// Under the mutex and with `waiting` set, so that nobody else writes.
void Notify::set_state(std::uint64_t state) noexcept {
    word_.store(with(word_.load(std::memory_order_acquire), state), std::memory_order_release);
}

void Notify::notify_one() noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
        while ((word & state_mask) != waiting) {
            // Even where the permit is stored already: its taker sees what came before this.
            if (word_.compare_exchange_weak(word, with(word, permit), std::memory_order_acq_rel,
                                            std::memory_order_relaxed)) {
                return;
            }
        }
        std::unique_lock lock(mutex_);
        word = word_.load(std::memory_order_relaxed);
        if ((word & state_mask) != waiting) continue;
        const Waker first = line_.take_first(Verdict::granted);
        if (line_.empty()) set_state(empty);
        lock.unlock();
        first.wake();
        return;
    }
}

void Notify::notify_waiters() noexcept {
    std::unique_lock lock(mutex_);
    const std::uint64_t before = word_.fetch_add(one_round, std::memory_order_acq_rel);
    if ((before & state_mask) == waiting) set_state(empty);
    line_.take_all(Verdict::released, lock);
}

Poll<void> Notify::Notified::poll(Context& context) noexcept {
    if (!coop::proceed(context)) return pending;
    if (!in_line_) {
        const bool over = is_over(notify_->word_.load(std::memory_order_acquire));
        if (!over && !notify_->take_permit() && !ask_in_line(context)) return pending;
    } else if (!ask_in_line(context)) {
        return pending;
    }
    coop::took();
    return Poll<void>::ready();
}

bool Notify::Notified::ask_in_line(Context& context) noexcept {
    Waker unused; // dropped after the mutex
    const std::lock_guard lock(notify_->mutex_);
    if (in_line_) {
        if (verdict == Verdict::none_yet) {
            unused = notify_->line_.wait(*this, context);
            return false;
        }
        unlink(); // notify_waiters lets them go one by one
        in_line_ = false;
        return true;
    }
    std::uint64_t word = notify_->word_.load(std::memory_order_acquire);
    for (;;) {
        if (is_over(word)) return true;
        const bool stored = (word & state_mask) == permit;
        if (!notify_->word_.compare_exchange_weak(word, with(word, stored ? empty : waiting),
                                                  std::memory_order_acq_rel,
                                                  std::memory_order_acquire)) {
            continue;
        }
        if (stored) return true;
        in_line_ = true;
        unused = notify_->line_.wait(*this, context);
        return false;
    }
}

/// Destroyed in line or with a verdict it has not seen.
void Notify::Notified::give_up() noexcept {
    std::unique_lock lock(notify_->mutex_);
    unlink();
    if (verdict == Verdict::none_yet && notify_->line_.empty()) notify_->set_state(empty);
    lock.unlock();
    if (verdict == Verdict::granted) notify_->notify_one();
}

} // namespace hc::runtime
