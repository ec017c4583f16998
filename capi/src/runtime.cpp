#include "capi/src/runtime.hpp"

#include <chrono>

#include "capi/src/caller.hpp"
#include "capi/src/config.hpp"
#include "capi/src/error.hpp"
#include "capi/src/queue.hpp"

using namespace hc::capi;

namespace {

std::optional<hc::Duration> timeout_of(std::int64_t ns) {
    if (ns < 0) return std::nullopt;
    return hc::Duration(ns);
}

/// One thread at a time turns a driven runtime.
class Turning {
public:
    explicit Turning(std::atomic<bool>& flag) noexcept
        : flag_(flag), mine_(!flag.exchange(true, std::memory_order_acquire)) {
        if (mine_) caller::in_turn = true;
    }
    ~Turning() {
        if (!mine_) return;
        caller::in_turn = false;
        flag_.store(false, std::memory_order_release);
    }
    Turning(const Turning&) = delete;
    Turning& operator=(const Turning&) = delete;
    bool mine() const noexcept { return mine_; }

private:
    std::atomic<bool>& flag_;
    bool mine_;
};

hc_status turn(hc_runtime& self, std::int64_t timeout_ns) {
    if (!self.core->driven() || !self.started) return HC_E_STATE;
    if (in_callback()) return HC_E_DEADLOCK;
    // A callback may give back the last reference.
    const Ref<hc_runtime> kept(&self);
    if (self.shared->stopped()) return HC_E_CLOSED;
    hc::Result<void> done;
    {
        const Turning turning(self.shared->turning);
        if (!turning.mine()) return HC_E_STATE;
        done = self.core->worker(0).turn(timeout_of(timeout_ns), true);
    }
    self.shared->publish_gathered();
    return done ? HC_OK : status_of(done.error().kind);
}

} // namespace

// Workers may still run and jobs as well: they end behind the caller's back, with what they need.
// Functions on pools look at memory of the workers (bodies, heads), which stays until they return.
hc_runtime::~hc_runtime() {
    struct Kept {
        explicit Kept(std::unique_ptr<hc::runtime::Runtime> it) noexcept : core(std::move(it)) {}
        ~Kept() { hc::runtime::Runtime::release(std::move(core)); }
        std::unique_ptr<hc::runtime::Runtime> core;
    };
    const auto kept = std::make_shared<Kept>(std::move(core));
    hc::runtime::Runtime& runtime = *kept->core;
    runtime.blocking().stop();
    runtime.stop([kept, of = shared] {
        of->workers_ended();
        of->end_pools([kept] {});
    });
    if (runtime.driven()) runtime.worker(0).run(); // no turn will see the stop
}

hc_status hc_runtime_create(const hc_config* config, hc_runtime** runtime, hc_error** error) {
    if (error != nullptr) *error = nullptr;
    return barrier([&]() -> hc_status {
        if (runtime == nullptr || (config != nullptr && !config->is(Mark::config))) {
            return HC_E_INVALID;
        }
        const Settings defaults;
        const Settings& settings = config != nullptr ? config->settings : defaults;
        hc::runtime::RuntimeOptions options = settings.runtime;
        options.log = LogTarget::sink(settings.log, settings.log_level);
        auto core = hc::runtime::Runtime::create(options);
        if (!core) return fail_with(error, std::move(core.error()));
        auto shared = Shared::create(**core, options);
        shared->keep_log(settings.log);
        *runtime = new hc_runtime(std::move(*core), std::move(shared));
        return HC_OK;
    });
}

hc_status hc_runtime_retain(hc_runtime* runtime) { return barrier_retain(runtime); }
hc_status hc_runtime_release(hc_runtime* runtime) { return barrier_release(runtime); }

hc_status hc_runtime_start(hc_runtime* runtime) {
    return barrier(runtime, [](hc_runtime& self) -> hc_status {
        if (self.shared->stopping()) return HC_E_STATE;
        auto done = self.core->start();
        if (!done) return status_of(done.error().kind);
        self.started = true;
        return HC_OK;
    });
}

intptr_t hc_runtime_fd(hc_runtime* runtime) {
    return barrier(runtime, [](hc_runtime& self) -> intptr_t {
        if (!self.core->driven()) return HC_E_STATE;
        const intptr_t descriptor = self.core->worker(0).native_handle();
        return descriptor >= 0 ? descriptor : HC_E_UNSUPPORTED;
    });
}

hc_status hc_runtime_turn(hc_runtime* runtime, int64_t timeout_ns) {
    return barrier(runtime, [&](hc_runtime& self) { return turn(self, timeout_ns); });
}

hc_status hc_runtime_flush(hc_runtime* runtime) {
    return barrier(runtime, [](hc_runtime& self) -> hc_status {
        if (!self.core->driven()) return HC_E_STATE;
        if (self.shared->turning && caller::in_turn) return HC_OK;
        if (!self.driven_here()) return HC_E_STATE;
        const Ref<hc_runtime> kept(&self);
        {
            const Turning turning(self.shared->turning);
            if (!turning.mine()) return HC_E_STATE;
            self.core->worker(0).flush();
        }
        self.shared->publish_gathered();
        return HC_OK;
    });
}

hc_status hc_runtime_stop(hc_runtime* runtime, hc_queue* queue, uint64_t token) {
    return barrier(runtime, [&](hc_runtime& self) -> hc_status {
        std::shared_ptr<QueueCore> to;
        if (queue != nullptr) {
            if (!queue->is(Mark::queue) || queue->runtime.get() != &self) return HC_E_INVALID;
            to = queue->core;
        }
        hc_event last{};
        last.type = HC_EV_STOPPED;
        last.token = token;
        if (!self.shared->begin_stop(std::move(to), last)) return HC_E_STATE;
        self.core->blocking().stop();
        self.shared->close_pools();
        const auto stop_workers = [](hc_runtime& of) {
            of.core->stop([kept = of.shared] { kept->workers_ended(); });
        };
        if (!self.core->driven()) {
            stop_workers(self);
            return HC_OK;
        }
        // The last turn is to tell the host that all has ended: so jobs have to end before it, and
        // what pools run. The message for that holds no reference, which might hold itself: it only
        // runs in a turn, which has one.
        self.shared->operations().when_idle([kept = Ref<hc_runtime>(&self), stop_workers] {
            hc_runtime* const plain = kept.get();
            kept->shared->close_pooled_servers(plain->core->worker(0), [plain, stop_workers] {
                plain->shared->end_pools(
                    [again = Ref<hc_runtime>(plain), stop_workers] { stop_workers(*again); });
            });
        });
        return HC_OK;
    });
}

hc_status hc_runtime_join(hc_runtime* runtime, int64_t timeout_ns) {
    return barrier(runtime, [&](hc_runtime& self) -> hc_status {
        const Ref<hc_runtime> kept(&self);
        if (!self.started && !self.shared->stopping()) return HC_E_STATE;
        if (!self.shared->stopped()) {
            const bool hopeless = in_callback() || in_job_of(self.shared->number()) ||
                                  self.driven_here() || self.core->current() != nullptr;
            if (hopeless) return HC_E_DEADLOCK;
        }
        return self.shared->join(*self.core, timeout_of(timeout_ns));
    });
}
