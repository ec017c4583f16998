// What belongs to a runtime of the C API and outlives its handle: everything that workers, queues
// and blocking jobs still need while a released runtime winds down.
#pragma once

#include <httpcore/httpcore.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "capi/src/log.hpp"
#include "capi/src/operations.hpp"
#include "core/runtime/runtime.hpp"
#include "core/server/server.hpp"

namespace hc::capi {

class InlineUser;
class QueueCore;

class Shared : public std::enable_shared_from_this<Shared> {
public:
    static std::shared_ptr<Shared> create(const runtime::Runtime& runtime,
                                          const runtime::RuntimeOptions& options);
    ~Shared();
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;

    /// The state of the runtime that may have made a handle; nullptr when there is none. Any
    /// thread.
    static std::shared_ptr<Shared> of(std::uint64_t handle);
    /// True when the handle was made by a runtime of a parent of this process. Any thread, two
    /// loads.
    static bool forked(std::uint64_t handle) noexcept;

    std::uint32_t number() const noexcept { return number_; }
    std::uint32_t workers() const noexcept { return workers_; }
    bool driven() const noexcept { return driven_; }
    Operations& operations() noexcept { return operations_; }
    /// The first 16 bits of the handles of a worker, as a handle.
    std::uint64_t seat_of(std::uint32_t worker) const noexcept {
        return Handle{.runtime = number_, .worker = worker}.pack();
    }

    void keep_log(const std::shared_ptr<LogTarget>& log);
    void add_queue(const std::shared_ptr<QueueCore>& queue);
    void add_user(const std::shared_ptr<InlineUser>& user);
    void add_server(const std::shared_ptr<server::Server>& server);
    /// The servers that still exist.
    std::vector<std::shared_ptr<server::Server>> servers();

    /// Driven mode, on the turning thread: a queue has events gathered that no poll can see yet.
    void note_gathered(QueueCore& queue) { gathered_.push_back(&queue); }
    /// Driven mode, on the turning thread, outside of exchanges' calls: lets polls see them.
    void publish_gathered();
    /// Takes no requests for pools any more, and gives back those that have not begun.
    void close_pools();
    /// Calls back once all that pools still run has ended, and their threads: now, or on one of
    /// these. What pools are given after that is run by the giver.
    void end_pools(std::move_only_function<void()> call);
    /// Driven mode: has the turning thread close the servers that have pools, and then, still in
    /// its turn, run `call`; when there are no pools it runs in here.
    void close_pooled_servers(runtime::Worker& worker, std::move_only_function<void()> call);

    /// Driven mode: a turn is under way.
    std::atomic<bool> turning{false};

    /// hc_runtime_stop: no operations any more, and `last` is emitted when all has ended. False
    /// when that was asked for before.
    bool begin_stop(std::shared_ptr<QueueCore> queue, const hc_event& last);
    bool stopping();
    /// Every worker has ended.
    void workers_ended();
    bool stopped() const noexcept { return stopped_.load(std::memory_order_acquire); }
    /// Waits until stopped() and until the threads have ended.
    hc_status join(runtime::Runtime& runtime, std::optional<Duration> timeout);

private:
    Shared(const runtime::Runtime& runtime, const runtime::RuntimeOptions& options);
    void finish_stop();
    std::vector<std::shared_ptr<server::Pool>> pools();

    const std::uint32_t number_;
    const std::uint32_t workers_;
    const bool driven_;
    std::mutex mutex_;
    std::vector<std::shared_ptr<LogTarget>> logs_;
    std::vector<std::weak_ptr<QueueCore>> queues_;
    std::vector<std::weak_ptr<InlineUser>> users_;
    std::vector<std::weak_ptr<server::Server>> servers_;
    std::vector<std::weak_ptr<server::Pool>> pools_; // a pool may outlive its server
    std::vector<QueueCore*> gathered_;               // each holds itself until published
    bool stopping_ = false;
    std::shared_ptr<QueueCore> stop_queue_;
    hc_event stop_event_{};
    std::atomic<bool> stopped_{false};
    std::condition_variable stopped_now_;
    Operations operations_;
};

} // namespace hc::capi
