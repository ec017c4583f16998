#include "core/runtime/sleep.hpp"

#include <atomic>
#include <cstdint>

#include "core/runtime/completion.hpp"
#include "core/runtime/coop.hpp"
#include "core/runtime/sched/scheduler.hpp"
#include "core/runtime/worker.hpp"

namespace hc::runtime {

namespace detail {

// What a Sleep and its home worker share.
//
//   refs        one for the Sleep, one while the timer is armed, one while the node is in the inbox
//   timer       the home worker's thread only. Its reference goes when it fires, when home is told
//               that the Sleep has gone, or when the worker ends.
//   wanted      the deadline to arm, in ns; never: cancel. Written by the Sleep's thread before the
//               node is posted, read by home.
//   posted      as a local task's wake: the first to set it posts the node to the inbox, home
//               clears it before it looks at `wanted`; so the last wish counts.
//   armed_for   the last wish that home has seen; its thread only
//   fired       completed by home, or by whoever finds that home has ended
//   fired_for   written before that: the wish that it fired for, which may not be the last; never
//               when home has ended
class SleepNode final : private Timer, private Message, public Cached {
public:
    explicit SleepNode(Worker& home) noexcept
        : Timer(&SleepNode::fire), home_(home), seat_(home.seat()) {}

    static Seat& seat_of(Worker& worker) noexcept { return worker.seat(); }
    Completion& fired() noexcept { return fired_; }
    /// Once it has fired.
    Instant fired_for() const noexcept {
        return Instant{fired_for_.load(std::memory_order_relaxed)};
    }
    void drop() noexcept {
        if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }
    /// The Sleep's thread: arms (a deadline) or cancels (never).
    void want(Instant deadline) noexcept {
        wanted_.store(deadline.ns, std::memory_order_relaxed);
        if (Worker::current() == &home_ && !home_.ended()) {
            obey();
        } else if (!posted_.exchange(true, std::memory_order_acq_rel)) {
            hold();
            if (const WorkerRef held(seat_); held.get() == &home_) {
                home_.post_raw(*this);
            } else { // its worker is gone
                end();
                drop();
            }
        }
    }

private:
    friend void end_sleep(Timer& timer) noexcept;

    void hold() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
    void obey() noexcept {
        if (fired_.is_complete()) return; // a later wish goes to another node
        const Instant wanted{wanted_.load(std::memory_order_relaxed)};
        if (armed() && wanted.is_never()) {
            home_.timers().cancel(*this);
            drop();
        } else if (!wanted.is_never()) {
            if (!armed()) hold();
            armed_for_ = wanted;
            home_.timers().set(*this, wanted);
        }
    }
    void run(Worker&) override {
        posted_.exchange(false, std::memory_order_acq_rel);
        obey();
    }
    // After it ran, or because home has ended and fires nothing any more.
    void discard() noexcept override {
        if (home_.ended()) end();
        drop();
    }
    static void fire(Timer& timer) noexcept {
        auto& node = static_cast<SleepNode&>(timer);
        node.fired_for_.store(node.armed_for_.ns, std::memory_order_relaxed);
        node.fired_.complete();
        node.drop();
    }
    void end() noexcept {
        fired_for_.store(Instant::never().ns, std::memory_order_relaxed);
        fired_.complete();
    }

    std::atomic<std::uint32_t> refs_{1};
    std::atomic<bool> posted_{false};
    std::atomic<std::int64_t> wanted_{Instant::never().ns};
    std::atomic<std::int64_t> fired_for_{Instant::never().ns};
    Instant armed_for_ = Instant::never();
    Worker& home_;
    Seat& seat_;
    Completion fired_;
};

void end_sleep(Timer& timer) noexcept {
    if (!timer.does(&SleepNode::fire)) return;
    auto& node = static_cast<SleepNode&>(timer);
    node.end();
    node.drop();
}

} // namespace detail

namespace {
sys::Clock& clock_here() noexcept {
    Worker* home = sched::Scheduler::home();
    return (home == nullptr ? sys::native() : home->system()).clock();
}
} // namespace

Instant clock_now() noexcept { return clock_here().now(); }

Sleep sleep(Duration duration) noexcept { return Sleep(clock_now() + duration); }
Sleep sleep(Worker& worker, Duration duration) noexcept {
    return {worker, worker.now() + duration};
}

Sleep::Sleep(Worker& worker, Instant deadline) noexcept
    : deadline_(deadline), home_(&worker), seat_(&detail::SleepNode::seat_of(worker)) {}

Poll<void> Sleep::poll(Context& context) {
    if (node_ == nullptr) return begin(context);
    if (!node_->fired().poll(context)) return pending;
    if (node_->fired_for() < deadline_) { // it fired before it heard of this deadline
        leave();
        node_ = nullptr;
        return begin(context);
    }
    return coop::spend(context) ? Poll<void>::ready() : pending;
}

/// The first poll since it was set.
Poll<void> Sleep::begin(Context& context) {
    const Worker* const here = Worker::current();
    Worker* home = home_;
    WorkerRef held; // while it is armed
    if (home != nullptr && home != here) {
        held = WorkerRef(*seat_);
        if (held.get() != home) home = nullptr; // it has gone
    }
    if (home == nullptr) home = sched::Scheduler::home();
    if (home == nullptr) {
        return home_ != nullptr && coop::spend(context) ? Poll<void>::ready() : pending;
    }
    home_ = home;
    seat_ = &detail::SleepNode::seat_of(*home);
    const Instant now = home == here ? home->now() : home->system().clock().now();
    if (now >= deadline_) return coop::spend(context) ? Poll<void>::ready() : pending;
    node_ = new detail::SleepNode(*home);
    (void)node_->fired().poll(context);
    node_->want(deadline_);
    return node_->fired().poll(context) ? Poll<void>::ready() : pending;
}

void Sleep::reset(Instant deadline) noexcept {
    deadline_ = deadline;
    if (node_ == nullptr) return;
    if (node_->fired().is_complete()) {
        leave();
        node_ = nullptr;
    } else {
        node_->want(deadline);
    }
}

void Sleep::leave() noexcept {
    if (!node_->fired().is_complete()) node_->want(Instant::never());
    node_->drop();
}

Interval::Interval(Duration period, Missed missed) : Interval(period, clock_now(), missed) {}

Poll<Instant> Interval::poll_tick(Context& context) {
    if (!sleep_.poll(context).is_ready()) return pending;
    const Instant due = sleep_.deadline();
    Instant next = due + period_;
    if (missed_ != Missed::burst) {
        const Instant now = clock_now();
        if (now >= next && missed_ == Missed::delay) next = now + period_;
        if (now >= next) next = due + period_ * ((now - due) / period_ + 1);
    }
    sleep_.reset(next);
    return due;
}

} // namespace hc::runtime
