// QueueCore: events from many workers for one consumer. hc_queue: the handle of one.
//
//   worker's thread   gathers what one pass makes in a batch of its own, no lock, and hands it over
//                     at the end of the pass under one short lock. By then every head has moved
//                     into memory that the consumer may read.
//   other threads     push under the lock.
//   consumer          takes all that was handed over by swapping two vectors under the lock, and
//                     serves polls from its own.
//
// Sleeping. `arm` finds all empty under the lock and sets `armed`; the next push, under the same
// lock, finds it set, clears it and wakes. So no wake-up is lost and a consumer that is awake costs
// no system call. The descriptor is cleared by the poll that finds nothing left.
#pragma once

#include <httpcore/httpcore.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "capi/src/barrier.hpp"
#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/runtime/worker.hpp"
#include "core/sys/event_flag.hpp"

struct hc_runtime;

namespace hc::capi {

class Shared;

class QueueCore : public std::enable_shared_from_this<QueueCore> {
public:
    QueueCore(std::shared_ptr<Shared> shared, std::uint32_t inflight_max);
    ~QueueCore();
    QueueCore(const QueueCore&) = delete;
    QueueCore& operator=(const QueueCore&) = delete;

    // -- producers, any thread -------------------------------------------------------------------
    void emit(const hc_event& event);
    /// Hands it over at once, also on a worker that has ended.
    void emit_last(const hc_event& event) { push(&event, 1); }
    void wake();
    /// Hands over what the workers gathered. Only when no worker of the runtime runs any more.
    void publish_all();
    /// Hands over what the only worker gathered. Driven mode, on the turning thread.
    void publish_driven();

    // -- admission of exchanges, any thread ------------------------------------------------------
    bool admit() noexcept;
    void dismiss() noexcept { inflight_.fetch_sub(1, std::memory_order_relaxed); }
    std::uint32_t load() const noexcept { return inflight_.load(std::memory_order_relaxed); }

    // -- the consumer -----------------------------------------------------------------------------
    /// `again` when another thread polls; `deadlock` when it would wait and must not.
    ErrorKind poll(hc_event* out, std::uint32_t cap, std::int64_t timeout_ns, bool may_wait,
                   std::uint32_t& n);
    bool arm();
    Result<std::intptr_t> descriptor();
    void set_wakeup(hc_fn fn, void* arg, hc_fn drop);
    /// The consumer has gone: nothing is admitted any more, and the requests that it never saw are
    /// answered 503.
    void close();

private:
    struct Wakeup {
        ~Wakeup() {
            if (drop != nullptr) drop(arg);
        }
        hc_fn fn = nullptr;
        void* arg = nullptr;
        hc_fn drop = nullptr;
    };
    /// What one worker gathered; that worker's.
    struct Batch final : runtime::Deferred {
        void run_deferred() override;
        QueueCore* owner = nullptr;
        std::shared_ptr<QueueCore> self; // while there is something in it
        std::vector<hc_event> events;
    };

    void push(const hc_event* events, std::size_t n);
    static void refuse_requests(const hc_event* events, std::size_t n) noexcept;
    void publish(Batch& batch);
    void gather(runtime::Worker& worker, const hc_event& event);
    std::uint32_t take(hc_event* out, std::uint32_t cap) noexcept;
    bool refill(std::unique_lock<std::mutex>& lock) noexcept;
    bool wait(std::unique_lock<std::mutex>& lock, std::int64_t timeout_ns);
    void clear_when_empty();

    const std::shared_ptr<Shared> shared_;
    const std::uint32_t inflight_max_;
    std::atomic<std::uint32_t> inflight_{0};
    std::atomic<bool> closed_{false};
    std::unique_ptr<Batch[]> batches_; // one a worker

    std::mutex mutex_;
    std::condition_variable arrived_;
    std::vector<hc_event> shared_events_;
    std::size_t wake_at_ = 0; // where in shared_events_ a WAKE stands, plus 1; 0: none
    bool armed_ = false;
    bool waiting_ = false;
    std::atomic<bool> signalled_{false}; // the descriptor is readable; written with the lock held
    std::optional<sys::EventFlag> flag_;
    std::shared_ptr<Wakeup> wakeup_;

    std::atomic<bool> polling_{false};
    std::vector<hc_event> taken_; // the consumer's
    std::size_t next_ = 0;        // the first of them not yet polled
};

} // namespace hc::capi

struct hc_queue final : hc::capi::Object {
    static constexpr hc::capi::Mark mark = hc::capi::Mark::queue;
    hc_queue(hc_runtime& runtime, std::uint32_t inflight_max);
    ~hc_queue();
    void destroy() noexcept;
    bool forked() const noexcept;

    hc::capi::Ref<hc_runtime> runtime;
    std::shared_ptr<hc::capi::QueueCore> core;
};
