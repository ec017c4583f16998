// Worker: one thread's selector, timer wheel, run queue and inbox. Everything that serves a
// connection happens on the worker that accepted it.
//
// A turn: wait for readiness (no longer than the next deadline, not at all when something is
// runnable) -> read the clock once -> give ready sources their events -> take in the inbox ->
// fire timers -> run tasks -> run what was deferred (flushes) -> bury what was retired.
//
// In driven mode no thread is started: the thread that calls turn() is the worker. What is left for
// flush() then waits for it; whatever comes up later than that (a deferred item, a woken task, a
// timer, a message) makes native_handle() readable, so that the host turns again.
//
// How a message finds a worker that falls asleep. `phase_` says asleep before the worker looks at
// its inbox for the last time, and a poster looks at `phase_` after it has pushed. All four
// accesses are sequentially consistent, so at least one of the two sees the other: the worker stays
// awake, or the poster wakes it. The one that changes asleep to awake makes the system call, so
// there is one a sleep, however many post. In driven mode the worker is asleep from the end of a
// turn to the start of the next. Once it has ended, `phase_` says closed in the same way: then
// either the worker's last look or the poster drops the message.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/base/intrusive_list.hpp"
#include "core/base/log.hpp"
#include "core/base/result.hpp"
#include "core/base/slot_table.hpp"
#include "core/base/time.hpp"
#include "core/runtime/inbox.hpp"
#include "core/runtime/sched/task_runner.hpp"
#include "core/runtime/seat.hpp"
#include "core/runtime/task.hpp"
#include "core/runtime/timer_wheel.hpp"
#include "core/sys/sys.hpp"

namespace hc::runtime {

class ReadinessHome;
class SocketSource;
class Worker;
namespace detail {
class SleepNode;
} // namespace detail

/// Something registered with a worker's selector. `on_ready` runs on the worker; it may unwatch,
/// retire or (unwatched) destroy any source, itself included.
class Source {
public:
    virtual void on_ready(const sys::Event& event) = 0;
    virtual ~Source() = default;
};

/// Something that belongs to a worker and must end on its thread: a server's connections there.
/// Destroyed when the worker ends, after its tasks and in reverse order of attach().
class WorkerLocal {
public:
    virtual ~WorkerLocal() = default;
};

/// Something to be done once at the end of the current pass: a connection that has output.
class Deferred : private ListNode {
public:
    virtual void run_deferred() = 0;
    void cancel_deferred() noexcept { unlink(); }
    bool is_deferred() const noexcept { return linked(); }

protected:
    ~Deferred() = default;

private:
    friend class Worker;
    friend class IntrusiveList<Deferred>;
};

/// Something that has ended but may still be on the stack or in this turn's batch of events:
/// deleted at the end of the pass.
class Retired : private ListNode {
public:
    virtual ~Retired() = default;

private:
    friend class Worker;
    friend class IntrusiveList<Retired>;
};

class Worker {
public:
    /// Big enough for a full TCP window of a pass; lent to one source at a time.
    static constexpr std::size_t receive_bytes = 64 * 1024;
    static constexpr std::size_t cork_bytes = 64 * 1024;
    static constexpr std::size_t events_per_turn = 256;
    /// Polls of tasks in one pass, before sockets and timers get their turn again.
    static constexpr std::size_t polls_per_turn = 256;

    /// Sits down in `seat`; nobody else may sit there until this worker is destroyed. `log` is told
    /// of tasks that end with an exception.
    /// `scheduler` is the runtime's, and outlives the worker.
    static Result<std::unique_ptr<Worker>> create(sys::System& system, Seat& seat,
                                                  sched::Scheduler& scheduler, std::uint32_t index,
                                                  LogSink log);
    /// Waits for those who hold the seat. A worker that has not ended ends here, on this thread.
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // -- any thread ---------------------------------------------------------------------------
    /// The worker whose thread this is, or nullptr. Of several that one thread drives: the one
    /// turned last. A few instructions, none of them locked.
    static Worker* current() noexcept { return Seat::current(); }
    /// Hands over a message and wakes the worker when it may be asleep.
    void post(std::unique_ptr<Message> message) noexcept { post_raw(*message.release()); }
    /// True on the thread that runs this worker (driven: the one that called turn() last).
    bool is_current() const noexcept { return seat_.is_current(); }
    /// True for a handle that this worker's slots may have given out.
    bool owns(std::uint64_t handle) const noexcept { return handle >> 48 == prefix_; }
    /// For WorkerRef::of: finds this worker as long as it sits there.
    std::uint64_t handle() const noexcept { return std::uint64_t{prefix_} << 48; }
    std::uint32_t runtime() const noexcept { return prefix_ >> 10; }
    std::uint32_t index() const noexcept { return prefix_ & 0x3FF; }
    /// Its own rules say who may call what. Pin only what belongs to a worker that is held, and
    /// unpin before letting it go.
    SlotTable& slots() noexcept { return seat_.slots(); }
    sys::System& system() const noexcept { return system_; }
    LogSink log() const noexcept { return log_; }
    /// See there who may call what.
    sched::TaskRunner& tasks() noexcept { return tasks_; }

    // -- the worker's thread only -------------------------------------------------------------
    /// The clock as read at the start of this pass.
    Instant now() const noexcept { return now_; }
    /// Not 0, and no other worker of the runtime gives it.
    std::uint64_t next_number() noexcept { return handle() | ++numbers_; }
    /// The wall clock, read when first asked for in a pass.
    WallTime wall() noexcept;
    TimerWheel& timers() noexcept {
        note_work();
        return timers_;
    }
    sys::Sockets& sockets() noexcept { return sockets_; }
    Result<void> watch(sys::Socket socket, Source& source, sys::Interest interest);
    /// For the same source; what waits in the current batch still goes to it.
    Result<void> rewatch(sys::Socket socket, Source& source, sys::Interest interest);
    /// No event reaches `source` after this, not even one that waits in the current batch, so that
    /// it may be destroyed at once when it is not on the stack. Before the socket is closed.
    void unwatch(sys::Socket socket, Source& source) noexcept;
    /// Runs `item` at the end of this pass; outside a pass (driven mode) at the next flush().
    /// From inside run_deferred() it runs in the next pass, which then comes without waiting.
    void defer(Deferred& item) noexcept;
    /// Deletes `item` at the end of this pass. A source must be unwatched before.
    void retire(std::unique_ptr<Retired> item) noexcept;
    /// Runs a task on this worker: at once until it first waits, or from the run queue when another
    /// task is being polled. It is destroyed when it is done or when the worker ends. What it
    /// throws is logged as an error of "task". runtime::spawn_local gives a handle.
    void spawn_local(Task<void> task);
    /// Keeps `local` until the worker ends; once it has ended, destroys it at once.
    WorkerLocal& attach(std::unique_ptr<WorkerLocal> local);
    /// Gives back what was attached; nullptr when it is not (or no longer) there.
    std::unique_ptr<WorkerLocal> detach(WorkerLocal& local) noexcept;
    /// Keeps `what` alive until the worker is destroyed and nobody holds it any more.
    void keep(std::shared_ptr<void> what) { kept_.push_back(std::move(what)); }
    /// Scratch memory, lent until the caller returns to the loop.
    std::span<char> receive_buffer() noexcept { return {receive_.get(), receive_bytes}; }
    std::span<char> cork_buffer() noexcept { return {cork_.get(), cork_bytes}; }
    /// `Date` as RFC 9110 writes it ("Sun, 06 Nov 1994 08:49:37 GMT"), rendered once a second.
    std::string_view http_date() noexcept {
        if (now_ >= date_until_) [[unlikely]]
            render_date();
        return {date_.data(), date_.size()};
    }

    // -- running ------------------------------------------------------------------------------
    /// Called once on the worker's thread when it ends, as the last thing. Set before it runs.
    void on_ended(std::move_only_function<void()> call) noexcept { on_ended_ = std::move(call); }
    /// Runs turns on the calling thread until stop(), then ends: messages and tasks are dropped,
    /// what was attached is destroyed.
    void run();
    /// One turn. Driven mode: the caller becomes the worker's thread; deferred work waits for
    /// flush() or the next turn(); after stop() the worker ends in here. `closed` when it has
    /// ended, `deadlock` from inside a turn.
    Result<void> turn(std::optional<Duration> timeout, bool driven);
    /// Driven mode: the caller becomes the worker's thread, as by turn(), so that what it polls
    /// finds timers and sockets here.
    void enter() noexcept { seat_.enter(); }
    /// Driven mode: runs what was deferred since turn(). Does nothing inside a turn.
    void flush() noexcept;
    /// Any thread: the worker ends after its current turn.
    void stop() noexcept;
    /// Its thread only: something of it is on the stack.
    bool is_turning() const noexcept { return in_turn_ || tasks_.running() != nullptr; }
    bool ended() const noexcept { return phase_.load(std::memory_order_acquire) == Phase::closed; }
    /// Driven mode: the descriptor to watch.
    std::intptr_t native_handle() const noexcept { return selector_->native_handle(); }

private:
    // awake  <--(turn starts, first poster)--  asleep
    //    `--------(waits, or driven turn ends)---^     either --(ends)--> closed
    enum class Phase : std::uint8_t { awake, asleep, closed };

    Worker(sys::System& system, std::unique_ptr<sys::Selector> selector, Seat& seat,
           sched::Scheduler& scheduler, std::uint32_t prefix, LogSink log);
    friend class detail::SleepNode;
    friend class ReadinessHome; // and its sockets find it by its seat
    friend class SocketSource;
    friend class sched::Scheduler; // tasks queue themselves and wake workers
    friend class sched::TaskBase;
    friend class sched::TaskRunner;

    Seat& seat() noexcept { return seat_; }
    void post_raw(Message& message) noexcept;
    void wake_once() noexcept;
    /// Something came up. Outside turn() .. flush() the host must turn again.
    void note_work() noexcept {
        if (outside_) wake_once();
    }
    [[gnu::noinline]] void render_date() noexcept;
    bool has_tasks() const noexcept { return tasks_.in_use() && tasks_.has_work(); }
    bool has_work() const noexcept { return !deferred_.empty() || has_tasks(); }
    std::optional<Duration> longest_wait(std::optional<Duration> timeout) noexcept;
    Result<std::size_t> select(std::optional<Duration> timeout);
    void dispatch(std::size_t count);
    void run_deferred();
    void bury() noexcept;
    void end();

    // What every pass touches comes first, what others write has a line of its own below.
    Seat& seat_;
    sys::System& system_;
    sys::Sockets& sockets_;
    std::unique_ptr<sys::Selector> selector_;
    Instant now_;
    std::uint64_t numbers_ = 0; // given out
    bool outside_ = true;       // driven mode, between flush() (or the start) and turn()
    bool in_turn_ = false;
    bool wall_read_ = false;
    const std::uint32_t prefix_; // the first 16 bits of its handles
    IntrusiveList<Deferred> deferred_;
    IntrusiveList<Retired> retired_;
    std::unique_ptr<char[]> receive_;
    std::unique_ptr<char[]> cork_;
    std::size_t event_ = 0; // the one being dispatched
    std::size_t events_ = 0;
    WallTime wall_;
    std::int64_t date_second_ = INT64_MIN;
    Instant date_until_{INT64_MIN};
    std::array<char, 29> date_{};
    LogSink log_;
    std::vector<std::shared_ptr<void>> kept_;
    std::vector<std::unique_ptr<WorkerLocal>> locals_;
    std::move_only_function<void()> on_ended_;
    TimerWheel timers_;
    sched::TaskRunner tasks_;
    std::array<sys::Event, events_per_turn> batch_;

    alignas(64) Inbox inbox_;
    std::atomic<Phase> phase_{Phase::asleep};
    std::atomic<bool> stopping_{false};
};

} // namespace hc::runtime
