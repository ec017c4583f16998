// Operations: timers, blocking jobs and inquiries for certificates. Each ends exactly once, by its
// event or by a cancel that answered "ok"; which of the two is decided under one lock, by who takes
// its id out of the table.
//
//   timer  waiting --(due)--------> fired      event ok
//                  `-(cancel)-----> cancelled  no event; its worker unlinks it from its wheel later
//                  `-(stop)-------> dropped    event closed
//   job    queued --(a thread)----> running --> done   event ok
//                  `-(cancel)-----> cancelled  no event; the pool drops it when its turn comes
//                  `-(stop)-------> dropped    event closed
//   inquiry (its event comes first)
//          asked -(answer, cancel)-> answered, and its worker is told
//             `--(handshake's end)-> withdrawn
#pragma once

#include <httpcore/httpcore.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "core/base/intrusive_list.hpp"
#include "core/base/slot_table.hpp"
#include "core/link/certificate_source.hpp"
#include "core/runtime/blocking_pool.hpp"
#include "core/runtime/timer_wheel.hpp"
#include "core/runtime/worker.hpp"

namespace hc::capi {

class QueueCore;
class Shared;

class Operations {
public:
    /// The worker index that marks the ids of operations.
    static constexpr std::uint32_t table_index = 1023;

    Operations(Shared& owner, std::uint32_t runtime, std::uint32_t operations_max);
    ~Operations();
    Operations(const Operations&) = delete;
    Operations& operator=(const Operations&) = delete;

    /// Any thread. `at` is on the clock of the workers.
    ErrorKind start_timer(std::shared_ptr<QueueCore> queue, Instant at, std::uint64_t token,
                          std::uint64_t* id);
    ErrorKind start_job(runtime::BlockingPool& pool, std::shared_ptr<QueueCore> queue, hc_fn fn,
                        void* arg, std::uint64_t token, std::uint64_t* id);
    ErrorKind cancel(std::uint64_t id);

    /// On the waiter's worker: puts HC_EV_CERT_NEEDED into the queue and gives the inquiry's id, 0
    /// when there is no room for it.
    std::uint64_t ask(std::shared_ptr<QueueCore> queue, link::CertificateWaiter& waiter);
    /// On that worker: the waiter is no more.
    void withdraw(std::uint64_t id);
    /// Any thread, once for an inquiry: `gone` for any other id. No credentials: refused.
    ErrorKind answer(std::uint64_t id, std::optional<tls::Credentials> credentials);

    /// Takes no more operations.
    void close();
    /// After close(), when no worker runs any more: timers that wait end with `closed`.
    void drop_timers();
    /// Calls back once no job runs: now, or on the thread of the last one.
    void when_idle(std::move_only_function<void()> call);

private:
    enum class Kind : std::uint8_t { timer, job, inquiry };
    struct Operation : ListNode {
        std::uint64_t id = 0;
        std::uint64_t token = 0;
        std::shared_ptr<QueueCore> queue;
        Kind kind = Kind::job;
        bool running = false; // jobs
        bool submitting = false;
        bool dropped = false;
    };
    struct TimerOperation;
    struct Inquiry;
    struct JobTicket;
    class Answer;
    class Arm;
    class Disarm;

    /// Both with the lock held. leave() answers false when somebody else took it out.
    ErrorKind enter(Operation& operation);
    bool leave(std::uint64_t id);
    static void fire(runtime::Timer& timer) noexcept;
    void end_timer(TimerOperation& timer) noexcept;
    void run_job(std::uint64_t id, hc_fn fn, void* arg);
    void job_dropped(std::uint64_t id);
    static void report(const Operation& operation, hc_status status);

    Shared& owner_;
    std::mutex mutex_;
    SlotTable* slots_;
    const std::uint32_t operations_max_;
    IntrusiveList<Operation> alive_;
    std::uint32_t count_ = 0;
    std::uint32_t running_ = 0;
    std::uint32_t next_worker_ = 0;
    bool closed_ = false;
    std::move_only_function<void()> when_idle_;
};

} // namespace hc::capi
