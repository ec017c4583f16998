#include "core/runtime/worker.hpp"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "core/runtime/http_date.hpp"
#include "core/runtime/join_handle.hpp"
#include "core/runtime/sleep.hpp"

namespace hc::runtime {

Result<std::unique_ptr<Worker>> Worker::create(sys::System& system, Seat& seat,
                                               sched::Scheduler& scheduler, std::uint32_t index,
                                               LogSink log) {
    auto selector = system.make_selector();
    if (!selector) return fail(std::move(selector.error()));
    std::unique_ptr<Worker> worker(new Worker(system, std::move(*selector), seat, scheduler,
                                              scheduler.runtime() << 10 | index, log));
    seat.open(*worker);
    return worker;
}

Worker::Worker(sys::System& system, std::unique_ptr<sys::Selector> selector, Seat& seat,
               sched::Scheduler& scheduler, std::uint32_t prefix, LogSink log)
    : seat_(seat), system_(system), sockets_(system.sockets()), selector_(std::move(selector)),
      now_(system.clock().now()), prefix_(prefix),
      receive_(std::make_unique_for_overwrite<char[]>(receive_bytes)),
      cork_(std::make_unique_for_overwrite<char[]>(cork_bytes)), log_(log), timers_(now_),
      tasks_(*this, scheduler) {}

Worker::~Worker() {
    if (!ended()) {
        seat_.enter();
        end();
    }
    seat_.close();
}

// -- any thread ----------------------------------------------------------------------------------

void Worker::post_raw(Message& message) noexcept {
    inbox_.push(message);
    switch (phase_.load(std::memory_order_seq_cst)) {
    case Phase::awake: return;
    case Phase::asleep: wake_once(); return;
    case Phase::closed: inbox_.drop_all(); return;
    }
}

void Worker::wake_once() noexcept {
    Phase asleep = Phase::asleep;
    if (phase_.compare_exchange_strong(asleep, Phase::awake, std::memory_order_seq_cst)) {
        selector_->wake();
    }
}

void Worker::stop() noexcept {
    stopping_.store(true, std::memory_order_seq_cst);
    wake_once();
}

// -- the worker's thread -------------------------------------------------------------------------

WallTime Worker::wall() noexcept {
    if (!std::exchange(wall_read_, true)) wall_ = system_.clock().wall();
    return wall_;
}

void Worker::render_date() noexcept {
    const WallTime at = wall();
    if (at.seconds != date_second_) {
        date_second_ = at.seconds;
        render_http_date(at.seconds, date_);
    }
    // The monotonic clock, which is read anyway, says when the next second begins.
    date_until_ = now_ + Duration(1'000'000'000 - at.nanos);
}

namespace {
sys::Token token_of(Source& source) noexcept { return reinterpret_cast<sys::Token>(&source); }
} // namespace

Result<void> Worker::watch(sys::Socket socket, Source& source, sys::Interest interest) {
    return selector_->register_(socket, token_of(source), interest);
}

Result<void> Worker::rewatch(sys::Socket socket, Source& source, sys::Interest interest) {
    return selector_->reregister(socket, token_of(source), interest);
}

void Worker::unwatch(sys::Socket socket, Source& source) noexcept {
    (void)selector_->deregister(socket); // fails only for a socket that is not watched
    // A batch is at most a few KiB to look through, and closing costs system calls anyway.
    for (std::size_t i = event_; i < events_; ++i) {
        if (batch_[i].token == token_of(source)) batch_[i].token = 0;
    }
}

void Worker::defer(Deferred& item) noexcept {
    if (item.linked()) return;
    deferred_.push_back(item);
    note_work();
}

void Worker::retire(std::unique_ptr<Retired> item) noexcept {
    retired_.push_back(*item.release());
    note_work();
}

void Worker::spawn_local(Task<void> task) {
    if (ended()) return;
    tasks_.spawn(
        *new sched::FutureTask<Task<void>>(sched::TaskBase::Reach::local, false, std::move(task)));
}

WorkerLocal& Worker::attach(std::unique_ptr<WorkerLocal> local) {
    WorkerLocal& attached = *local;
    if (!ended()) locals_.push_back(std::move(local));
    return attached;
}

std::unique_ptr<WorkerLocal> Worker::detach(WorkerLocal& local) noexcept {
    const auto found = std::ranges::find(locals_, &local, &std::unique_ptr<WorkerLocal>::get);
    if (found == locals_.end()) return nullptr;
    std::unique_ptr<WorkerLocal> detached = std::move(*found);
    locals_.erase(found);
    return detached;
}

// -- running -------------------------------------------------------------------------------------

std::optional<Duration> Worker::longest_wait(std::optional<Duration> timeout) noexcept {
    if (has_work() || stopping_.load(std::memory_order_relaxed)) return Duration::zero();
    if (timeout && timeout->count() <= 0) return Duration::zero();
    const Instant next = timers_.next();
    if (next.is_never()) return timeout;
    Duration wait = next - now_;
    // `now_` is as old as the last pass took. That counts only where the wait itself is short.
    if (wait < std::chrono::milliseconds(64)) wait = next - system_.clock().now();
    wait = std::max(wait, Duration::zero());
    return timeout ? std::min(*timeout, wait) : wait;
}

Result<std::size_t> Worker::select(std::optional<Duration> timeout) {
    std::optional<Duration> wait = longest_wait(timeout);
    if (wait == Duration::zero()) return selector_->select(batch_, wait);
    phase_.store(Phase::asleep, std::memory_order_seq_cst);
    if (tasks_.prepare_to_sleep() || !inbox_.empty() || stopping_.load(std::memory_order_seq_cst)) {
        wait = Duration::zero();
    }
    auto count = selector_->select(batch_, wait);
    phase_.store(Phase::awake, std::memory_order_relaxed);
    tasks_.woke();
    return count;
}

void Worker::dispatch(std::size_t count) {
    events_ = count;
    for (event_ = 0; event_ < events_;) {
        const sys::Event& event = batch_[event_++];
        if (event.token != 0) reinterpret_cast<Source*>(event.token)->on_ready(event);
    }
    event_ = events_ = 0;
}

void Worker::run_deferred() {
    if (deferred_.empty()) return;
    IntrusiveList<Deferred> batch;
    batch.splice_back(deferred_);
    while (Deferred* item = batch.pop_front()) item->run_deferred();
}

void Worker::bury() noexcept {
    while (Retired* item = retired_.pop_front()) delete item;
}

Result<void> Worker::turn(std::optional<Duration> timeout, bool driven) {
    if (ended()) return fail(ErrorKind::closed, "the runtime has stopped");
    if (is_turning()) {
        return fail(ErrorKind::deadlock, "a turn cannot be made inside a turn or a task");
    }
    in_turn_ = true;
    outside_ = false;
    seat_.enter();
    if (driven) {
        phase_.store(Phase::awake, std::memory_order_relaxed);
        run_deferred(); // the host did not flush
    }
    auto count = select(timeout);
    now_ = system_.clock().now();
    wall_read_ = false;
    if (count.value_or(0) > 0) {
        tasks_.step_back();
        dispatch(*count);
    }
    if (!inbox_.empty()) { // asked once: what comes later waits for the next turn
        tasks_.step_back();
        inbox_.run_all(*this);
    }
    timers_.advance(now_);
    if (tasks_.in_use()) tasks_.run(polls_per_turn);
    const bool stopping = stopping_.load(std::memory_order_relaxed);
    if (!driven || stopping) run_deferred();
    bury();
    if (driven && stopping) {
        end();
    } else if (driven) {
        phase_.store(Phase::asleep, std::memory_order_seq_cst);
        const bool more = !inbox_.empty() || stopping_.load(std::memory_order_seq_cst);
        if (more || has_tasks()) wake_once();
        selector_->set_deadline(timers_.next());
    }
    in_turn_ = false;
    if (!count) return fail(std::move(count.error()));
    return {};
}

void Worker::flush() noexcept {
    if (in_turn_ || ended()) return;
    in_turn_ = true;
    run_deferred();
    bury();
    in_turn_ = false;
    outside_ = true;
    if (has_work()) wake_once();
    selector_->set_deadline(timers_.next());
}

void Worker::run() {
    if (ended()) return;
    seat_.enter();
    while (!stopping_.load(std::memory_order_relaxed)) {
        if (auto turned = turn(std::nullopt, false); !turned) {
            log_(LogLevel::error, "runtime", turned.error().message);
            break; // a selector that fails would fail for ever
        }
    }
    end();
    seat_.leave();
}

void Worker::end() {
    // Tasks hold what connections own (exchanges), connections hold nothing of tasks: so tasks go
    // first. Destructors may wake, defer and retire; whatever they start has ended already.
    phase_.store(Phase::closed, std::memory_order_seq_cst);
    in_turn_ = true;
    inbox_.drop_all();
    tasks_.end();
    while (!locals_.empty()) {
        const std::unique_ptr<WorkerLocal> last = std::move(locals_.back());
        locals_.pop_back();
    }
    timers_.clear(&detail::end_sleep);
    deferred_.clear();
    bury();
    inbox_.drop_all();
    slots().end_all();
    in_turn_ = false;
    if (on_ended_) std::exchange(on_ended_, nullptr)();
}

} // namespace hc::runtime
