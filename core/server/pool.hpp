// Pool: threads on which handlers may block, while reading and writing stay on the event loops.
//
// A job is what a thread runs; for a handler of requests it stands for one exchange, and brings all
// that has happened to it since it last ran. So the events of one exchange keep their order and
// never run at the same time: a job is in one place at a time.
//
//   made --submit--> queued --a thread--> running --(no more to do)--> let go, may be submitted
//                      |  ^                  `------(more to do)--.
//                      |  `---------behind the others-------------'
//                      `--withdraw, close--> let go without having run
//
// The bound. A request is admitted before its job is made: as many as there are threads, and
// `queue_max` more that wait for one, not counting what has begun and waits for nothing. A job that
// is submitted again (a body goes on, an answer was sent) has begun and is never refused.
//
// Threads start when they are first needed, up to `threads`, and stay until the end. Who queues
// jobs wakes one of them (or starts one); who takes a job while others wait wakes the next. So a
// worker pays for one wake-up in a pass, however many requests it has read, and for none when all
// threads are awake.
//
// The end. close() admits nothing any more and hands back what has not begun; end() lets the
// threads go once nothing is left to run. What is submitted after that is run by whoever submits
// it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/intrusive_list.hpp"
#include "core/base/log.hpp"
#include "core/base/time.hpp"
#include "core/runtime/worker.hpp"
#include "core/sys/sys.hpp"

namespace hc::server {

struct PoolOptions {
    std::uint32_t threads = 8;
    std::uint32_t queue_max = 1'000; // requests that wait for a thread
    std::string thread_name = "hc-pool";
    LogSink log;
    /// Whose workers gather jobs, and how many of them there are.
    std::uint32_t runtime = 0;
    std::uint32_t workers = 0;
};

/// What a pool counted; a snapshot.
struct PoolMetrics {
    std::uint64_t threads = 0;   // that it may have
    std::uint64_t busy = 0;      // that run a job
    std::uint64_t queued = 0;    // admitted requests that wait for a thread
    std::uint64_t processed = 0; // requests that a thread was done with
    std::uint64_t refused = 0;   // not admitted, or handed back
};

/// Any thread, unless it is said otherwise. `clock` outlives the pool's threads.
class Pool : public std::enable_shared_from_this<Pool> {
public:
    class Job : private ListNode {
    public:
        virtual ~Job() = default;

    protected:
        /// `admitted`: it stands for a request that admit() let in.
        explicit Job(bool admitted) noexcept : fresh_(admitted) {}
        /// On a thread of the pool, which may block here. True: there is more to do; it is run
        /// again behind the others.
        virtual bool run() noexcept = 0;
        /// It stood for an admitted request, and is let go without having run. Any thread.
        virtual void refused() noexcept {}

    private:
        friend class Pool;
        friend class IntrusiveList<Job>;
        std::shared_ptr<Job> self_; // while it is queued; under the pool's lock
        bool fresh_;                // has not begun; under the pool's lock once submitted
        bool withdrawn_ = false;    // before it was queued; likewise
    };

    Pool(PoolOptions options, sys::Clock& clock);
    /// Waits for nothing: the threads end when nothing is left to run.
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    /// A place for one more request. False: all are taken, or the pool is closed; counted as
    /// refused.
    bool admit() noexcept;
    /// Queues a job that is not queued and does not run. On a worker of the runtime at the end of
    /// its pass, together with all others of that pass.
    void submit(std::shared_ptr<Job> job);
    /// Takes back an admitted job, at the latest when it comes to be queued. False: it has begun.
    bool withdraw(Job& job) noexcept;

    /// Admits nothing any more; what has not begun is refused. What has begun goes on.
    void close();
    /// Queues what this worker gathered; on the worker, when no request's head is lent any more.
    void publish(std::uint32_t worker);
    /// Queues what all workers gathered. Only when none of them runs any more.
    void publish_all();
    /// close(); the threads end once nothing is left to run. Then `ended` is called, once: here
    /// when there are no threads, else on the last of them.
    void end(std::move_only_function<void()> ended);
    /// Waits until end() is through with all of it; false after `timeout`. Not on its own threads.
    bool wait_ended(std::optional<Duration> timeout);

    PoolMetrics metrics() const noexcept;

private:
    struct State;
    /// What one worker gathered in its pass; that worker's.
    struct Batch final : runtime::Deferred {
        void run_deferred() override { owner->publish(*this); }
        Pool* owner = nullptr;
        std::shared_ptr<Pool> self; // while there is something in it
        std::vector<std::shared_ptr<Job>> jobs;
    };

    void publish(Batch& batch);
    void queue(std::span<std::shared_ptr<Job>> jobs);
    void run_here(Job& job) noexcept;

    const std::uint32_t runtime_;
    const std::uint32_t workers_;
    std::unique_ptr<Batch[]> batches_; // one a worker
    std::shared_ptr<State> state_;     // shared with the threads
};

} // namespace hc::server
