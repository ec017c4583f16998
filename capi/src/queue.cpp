#include "capi/src/queue.hpp"

#include <algorithm>
#include <chrono>

#include "capi/src/exchange.hpp"
#include "capi/src/shared.hpp"

namespace hc::capi {

namespace {
// A burst must not keep its memory for ever: vectors beyond this give theirs back.
constexpr std::size_t kept_events = 4'096;

void clear_bounded(std::vector<hc_event>& events) noexcept {
    events.clear();
    if (events.capacity() > kept_events) std::vector<hc_event>().swap(events);
}

class Flag {
public:
    explicit Flag(std::atomic<bool>& flag) noexcept
        : flag_(flag), mine_(!flag.exchange(true, std::memory_order_acquire)) {}
    ~Flag() {
        if (mine_) flag_.store(false, std::memory_order_release);
    }
    Flag(const Flag&) = delete;
    Flag& operator=(const Flag&) = delete;
    bool mine() const noexcept { return mine_; }

private:
    std::atomic<bool>& flag_;
    bool mine_;
};
} // namespace

QueueCore::QueueCore(std::shared_ptr<Shared> shared, std::uint32_t inflight_max)
    : shared_(std::move(shared)), inflight_max_(inflight_max),
      batches_(std::make_unique<Batch[]>(shared_->workers())) {
    for (std::uint32_t i = 0; i < shared_->workers(); ++i) batches_[i].owner = this;
}

QueueCore::~QueueCore() = default;

// -- producers -----------------------------------------------------------------------------------

void QueueCore::emit(const hc_event& event) {
    runtime::Worker* worker = runtime::Worker::current();
    if (worker != nullptr && worker->runtime() == shared_->number()) {
        gather(*worker, event);
    } else {
        push(&event, 1);
    }
}

void QueueCore::gather(runtime::Worker& worker, const hc_event& event) {
    Batch& batch = batches_[worker.index()];
    batch.events.push_back(event);
    if (batch.self != nullptr) return;
    batch.self = shared_from_this();
    if (shared_->driven()) shared_->note_gathered(*this);
    if (!batch.is_deferred()) worker.defer(batch);
}

void QueueCore::Batch::run_deferred() { owner->publish(*this); }

void QueueCore::publish(Batch& batch) {
    const auto kept = std::move(batch.self); // may be the last reference
    if (batch.events.empty()) return;
    push(batch.events.data(), batch.events.size());
    clear_bounded(batch.events);
}

void QueueCore::publish_driven() { publish(batches_[0]); }

void QueueCore::publish_all() {
    for (std::uint32_t i = 0; i < shared_->workers(); ++i) {
        batches_[i].cancel_deferred();
        publish(batches_[i]);
    }
}

void QueueCore::push(const hc_event* events, std::size_t n) {
    std::shared_ptr<Wakeup> wakeup;
    {
        std::unique_lock lock(mutex_);
        if (closed_.load(std::memory_order_relaxed)) {
            lock.unlock();
            refuse_requests(events, n);
            return;
        }
        shared_events_.insert(shared_events_.end(), events, events + n);
        if (waiting_) arrived_.notify_one();
        if (!armed_) return;
        armed_ = false;
        if (flag_ && !signalled_.load(std::memory_order_relaxed)) {
            // With the lock held, so that the poll which takes these events also finds and clears
            // the signal.
            signalled_.store(true, std::memory_order_relaxed);
            flag_->signal();
        }
        wakeup = wakeup_;
    }
    if (wakeup != nullptr) wakeup->fn(wakeup->arg);
}

void QueueCore::refuse_requests(const hc_event* events, std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i) {
        if (events[i].type == HC_EV_REQUEST) refuse(events[i].obj);
    }
}

void QueueCore::wake() {
    {
        const std::lock_guard lock(mutex_);
        if (wake_at_ != 0) {
            hc_event& event = shared_events_[wake_at_ - 1];
            if (event.n < UINT32_MAX) ++event.n;
            return;
        }
        wake_at_ = shared_events_.size() + 1;
        hc_event event{};
        event.type = HC_EV_WAKE;
        shared_events_.push_back(event);
        shared_events_.back().n = 1;
    }
    push(nullptr, 0); // wakes as every event does
}

// -- admission ------------------------------------------------------------------------------------

bool QueueCore::admit() noexcept {
    if (closed_.load(std::memory_order_relaxed)) return false;
    const std::uint32_t before = inflight_.fetch_add(1, std::memory_order_relaxed);
    if (inflight_max_ == 0 || before < inflight_max_) return true;
    dismiss();
    return false;
}

// -- the consumer ---------------------------------------------------------------------------------

std::uint32_t QueueCore::take(hc_event* out, std::uint32_t cap) noexcept {
    const std::size_t n = std::min<std::size_t>(cap, taken_.size() - next_);
    std::copy_n(taken_.begin() + static_cast<std::ptrdiff_t>(next_), n, out);
    next_ += n;
    return static_cast<std::uint32_t>(n);
}

bool QueueCore::refill(std::unique_lock<std::mutex>&) noexcept {
    clear_bounded(taken_);
    next_ = 0;
    taken_.swap(shared_events_);
    wake_at_ = 0;
    return !taken_.empty();
}

bool QueueCore::wait(std::unique_lock<std::mutex>& lock, std::int64_t timeout_ns) {
    const auto there = [this] { return !shared_events_.empty(); };
    // A wait of more than a day is split, so that no clock arithmetic overflows.
    constexpr std::chrono::nanoseconds day = std::chrono::hours(24);
    waiting_ = true;
    bool found = false;
    if (timeout_ns < 0 || timeout_ns > day.count()) {
        std::int64_t left = timeout_ns;
        while (!(found = arrived_.wait_for(lock, day, there)) && (left < 0 || left > day.count())) {
            if (left > 0) left -= day.count();
        }
    } else {
        found = arrived_.wait_for(lock, std::chrono::nanoseconds(timeout_ns), there);
    }
    waiting_ = false;
    return found;
}

ErrorKind QueueCore::poll(hc_event* out, std::uint32_t cap, std::int64_t timeout_ns, bool may_wait,
                          std::uint32_t& n) {
    const Flag polling(polling_);
    if (!polling.mine()) return ErrorKind::state;
    n = take(out, cap);
    if (n == 0 && cap > 0) {
        std::unique_lock lock(mutex_);
        if (!refill(lock) && timeout_ns != 0) {
            if (!may_wait) return ErrorKind::deadlock;
            if (wait(lock, timeout_ns)) refill(lock);
        }
        lock.unlock();
        n = take(out, cap);
    }
    if (signalled_.load(std::memory_order_relaxed) && next_ == taken_.size()) clear_when_empty();
    return ErrorKind::ok;
}

void QueueCore::clear_when_empty() {
    const std::lock_guard lock(mutex_);
    if (!shared_events_.empty()) return;
    signalled_.store(false, std::memory_order_relaxed);
    if (flag_) flag_->clear();
}

bool QueueCore::arm() {
    if (next_ < taken_.size()) return false;
    const std::lock_guard lock(mutex_);
    if (!shared_events_.empty()) return false;
    armed_ = true;
    return true;
}

Result<std::intptr_t> QueueCore::descriptor() {
    const std::lock_guard lock(mutex_);
    if (!flag_) {
        auto made = sys::EventFlag::create();
        if (!made) return fail(std::move(made.error()));
        flag_.emplace(std::move(*made));
    }
    return flag_->native_handle();
}

void QueueCore::set_wakeup(hc_fn fn, void* arg, hc_fn drop) {
    std::shared_ptr<Wakeup> next;
    if (fn != nullptr) {
        next = std::make_shared<Wakeup>();
        next->fn = fn;
        next->arg = arg;
        next->drop = drop;
    }
    const std::lock_guard lock(mutex_);
    wakeup_.swap(next); // the former one goes, and is dropped, after the lock
}

void QueueCore::close() {
    std::shared_ptr<Wakeup> wakeup;
    std::vector<hc_event> unseen;
    {
        const std::lock_guard lock(mutex_);
        closed_.store(true, std::memory_order_relaxed);
        unseen.swap(shared_events_);
        wakeup_.swap(wakeup);
        armed_ = false;
    }
    refuse_requests(taken_.data() + next_, taken_.size() - next_);
    refuse_requests(unseen.data(), unseen.size());
}

} // namespace hc::capi
