#include "core/runtime/sync/barrier.hpp"

namespace hc::runtime {

using sync_detail::Verdict;

Poll<Barrier::Turn> Barrier::Wait::poll(Context& context) noexcept {
    if (!coop::proceed(context)) return pending;
    Waker unused; // dropped after the mutex
    std::unique_lock lock(barrier_->mutex_);
    if (in_line_) {
        if (verdict == Verdict::none_yet) {
            unused = barrier_->line_.wait(*this, context);
            return pending;
        }
        unlink(); // they are let go one by one
        in_line_ = false;
        coop::took();
        return Turn(false);
    }
    if (barrier_->arrived_ + 1 < barrier_->parties_) {
        ++barrier_->arrived_;
        in_line_ = true;
        unused = barrier_->line_.wait(*this, context);
        return pending;
    }
    barrier_->arrived_ = 0;
    coop::took();
    barrier_->line_.take_all(Verdict::released, lock);
    return Turn(true);
}

Barrier::Wait::~Wait() {
    if (!in_line_) return;
    const std::lock_guard lock(barrier_->mutex_);
    unlink();
    if (verdict == Verdict::none_yet) --barrier_->arrived_;
}

} // namespace hc::runtime
