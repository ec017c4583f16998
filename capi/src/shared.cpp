#include "capi/src/shared.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include "capi/src/barrier.hpp"
#include "capi/src/queue.hpp"
#include "capi/src/users.hpp"
#include "core/server/pool.hpp"
#include "core/sys/process.hpp"

namespace hc::capi {

namespace {

// Who made the handles of each runtime number. The token outlives its runtime, so that a child can
// tell a parent's handle without a lock that the fork may have left taken.
struct Entry {
    std::atomic<sys::ForkToken> token{0};
    Shared* shared = nullptr;
};
constinit std::mutex registry_mutex;
constinit std::array<Entry, RuntimeLimits::runtimes_max> registry;

template <class T>
void forget_expired(std::vector<std::weak_ptr<T>>& list) {
    std::erase_if(list, [](const std::weak_ptr<T>& item) { return item.expired(); });
}

template <class T>
std::vector<std::shared_ptr<T>> alive(const std::vector<std::weak_ptr<T>>& list) {
    std::vector<std::shared_ptr<T>> found;
    for (const auto& weak : list) {
        if (auto item = weak.lock()) found.push_back(std::move(item));
    }
    return found;
}

} // namespace

Shared::Shared(const runtime::Runtime& runtime, const runtime::RuntimeOptions& options)
    : number_(runtime.number()), workers_(runtime.workers()), driven_(runtime.driven()),
      operations_(*this, number_, options.limits.operations_max) {}

std::shared_ptr<Shared> Shared::create(const runtime::Runtime& runtime,
                                       const runtime::RuntimeOptions& options) {
    std::shared_ptr<Shared> shared(new Shared(runtime, options));
    const std::lock_guard lock(registry_mutex);
    Entry& entry = registry[shared->number_];
    entry.shared = shared.get();
    entry.token.store(sys::fork_token(), std::memory_order_release);
    return shared;
}

Shared::~Shared() {
    const std::lock_guard lock(registry_mutex);
    // The number may belong to the next runtime already.
    if (registry[number_].shared == this) registry[number_].shared = nullptr;
}

std::shared_ptr<Shared> Shared::of(std::uint64_t handle) {
    const std::lock_guard lock(registry_mutex);
    Shared* shared = registry[Handle::unpack(handle).runtime].shared;
    return shared == nullptr ? nullptr : shared->weak_from_this().lock();
}

bool Shared::forked(std::uint64_t handle) noexcept {
    const sys::ForkToken token =
        registry[Handle::unpack(handle).runtime].token.load(std::memory_order_relaxed);
    return token != 0 && sys::forked_since(token);
}

void Shared::keep_log(const std::shared_ptr<LogTarget>& log) {
    if (log == nullptr) return;
    const std::lock_guard lock(mutex_);
    if (std::ranges::find(logs_, log) == logs_.end()) logs_.push_back(log);
}

void Shared::add_queue(const std::shared_ptr<QueueCore>& queue) {
    const std::lock_guard lock(mutex_);
    forget_expired(queues_);
    queues_.push_back(queue);
}

void Shared::add_user(const std::shared_ptr<InlineUser>& user) {
    const std::lock_guard lock(mutex_);
    forget_expired(users_);
    users_.push_back(user);
}

void Shared::add_server(const std::shared_ptr<server::Server>& server) {
    std::unique_lock lock(mutex_);
    forget_expired(servers_);
    servers_.push_back(server);
    if (server->pool() == nullptr) return;
    forget_expired(pools_);
    pools_.push_back(server->pool());
    const bool late = stopping_;
    lock.unlock();
    if (late) server->pool()->end(nullptr); // the stop may have gone by, and a join waits for pools
}

std::vector<std::shared_ptr<server::Server>> Shared::servers() {
    const std::lock_guard lock(mutex_);
    return alive(servers_);
}

std::vector<std::shared_ptr<server::Pool>> Shared::pools() {
    const std::lock_guard lock(mutex_);
    return alive(pools_);
}

void Shared::publish_gathered() {
    while (!gathered_.empty()) {
        QueueCore* queue = gathered_.back();
        gathered_.pop_back();
        queue->publish_driven();
    }
}

bool Shared::begin_stop(std::shared_ptr<QueueCore> queue, const hc_event& last) {
    {
        const std::lock_guard lock(mutex_);
        if (stopping_) return false;
        stopping_ = true;
        stop_queue_ = std::move(queue);
        stop_event_ = last;
    }
    operations_.close();
    return true;
}

bool Shared::stopping() {
    const std::lock_guard lock(mutex_);
    return stopping_;
}

void Shared::workers_ended() {
    operations_.close();
    operations_.drop_timers();
    for (const auto& pool : pools()) pool->publish_all();
    operations_.when_idle(
        [self = shared_from_this()] { self->end_pools([self] { self->finish_stop(); }); });
}

// -- pools ----------------------------------------------------------------------------------------

void Shared::close_pools() {
    for (const auto& pool : pools()) pool->close();
}

void Shared::end_pools(std::move_only_function<void()> call) {
    // Runs when the last pool lets go of it, or in here.
    struct Last {
        explicit Last(std::move_only_function<void()> then) : call(std::move(then)) {}
        ~Last() { call(); }
        std::move_only_function<void()> call;
    };
    const auto last = std::make_shared<Last>(std::move(call));
    for (const auto& pool : pools()) {
        pool->end([held = last]() mutable { held.reset(); });
    }
}

void Shared::close_pooled_servers(runtime::Worker& worker, std::move_only_function<void()> call) {
    // Comes behind what servers were told, by when no exchange of theirs is left to be closed.
    class Closed final : public runtime::Message {
    public:
        Closed(std::shared_ptr<Shared> shared, std::move_only_function<void()> then)
            : shared_(std::move(shared)), call_(std::move(then)) {}
        void run(runtime::Worker& on) override {
            for (const auto& pool : shared_->pools()) pool->publish(on.index());
            call_();
        }

    private:
        std::shared_ptr<Shared> shared_;
        std::move_only_function<void()> call_;
    };
    if (pools().empty()) return call();
    for (const auto& server : servers()) {
        if (server->pool() == nullptr) continue;
        server->drain(Duration::zero(), Duration::zero(), [](std::uint64_t) {});
    }
    worker.post(std::make_unique<Closed>(shared_from_this(), std::move(call)));
}

// -- the end --------------------------------------------------------------------------------------

void Shared::finish_stop() {
    std::vector<std::weak_ptr<InlineUser>> users;
    std::vector<std::weak_ptr<QueueCore>> queues;
    std::shared_ptr<QueueCore> queue;
    {
        const std::lock_guard lock(mutex_);
        users = users_;
        queues = queues_;
        queue = std::move(stop_queue_);
    }
    gathered_.clear();
    for (const auto& weak : users) {
        const auto user = weak.lock();
        for (std::uint32_t i = 0; user != nullptr && i < workers_; ++i) user->worker_ended(i);
    }
    for (const auto& weak : queues) {
        if (auto alive = weak.lock()) alive->publish_all();
    }
    {
        const std::lock_guard lock(mutex_);
        stopped_.store(true, std::memory_order_release);
        stopped_now_.notify_all();
    }
    if (queue != nullptr) queue->emit_last(stop_event_);
}

hc_status Shared::join(runtime::Runtime& runtime, std::optional<Duration> timeout) {
    using Clock = std::chrono::steady_clock;
    constexpr Duration year =
        std::chrono::hours(24 * 365); // a clock's arithmetic must not overflow
    const Clock::time_point until = Clock::now() + std::min(timeout.value_or(year), year);
    {
        std::unique_lock lock(mutex_);
        const auto ended = [this] { return stopped(); };
        while (!stopped_now_.wait_until(lock, until, ended)) {
            if (timeout) return HC_E_TIMEOUT;
        }
    }
    if (timeout) timeout = std::max<Duration>(Duration::zero(), until - Clock::now());
    // The last threads have nothing left to do but to end: a zero time-out would miss them.
    if (timeout) timeout = std::max<Duration>(*timeout, std::chrono::milliseconds(100));
    for (const auto& pool : pools()) {
        if (!pool->wait_ended(timeout)) return HC_E_TIMEOUT;
    }
    const auto joined = runtime.join(timeout);
    return joined ? HC_OK : status_of(joined.error().kind);
}

} // namespace hc::capi
