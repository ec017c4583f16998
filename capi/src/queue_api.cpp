// The exports of hc_queue, and of what ends in one: timers and jobs.
#include <algorithm>

#include "capi/src/caller.hpp"
#include "capi/src/queue.hpp"
#include "capi/src/runtime.hpp"

using namespace hc::capi;

hc_queue::hc_queue(hc_runtime& of, std::uint32_t inflight_max)
    : Object(mark), runtime(&of), core(std::make_shared<QueueCore>(of.shared, inflight_max)) {}

hc_queue::~hc_queue() { core->close(); }
void hc_queue::destroy() noexcept { delete this; }
bool hc_queue::forked() const noexcept { return runtime->forked(); }

hc_status hc_queue_create(hc_runtime* runtime, uint32_t inflight_max, hc_queue** queue) {
    return barrier(runtime, [&](hc_runtime& self) -> hc_status {
        if (queue == nullptr) return HC_E_INVALID;
        auto made = std::make_unique<hc_queue>(self, inflight_max);
        self.shared->add_queue(made->core);
        *queue = made.release();
        return HC_OK;
    });
}

hc_status hc_queue_retain(hc_queue* queue) { return barrier_retain(queue); }
hc_status hc_queue_release(hc_queue* queue) { return barrier_release(queue); }

intptr_t hc_queue_fd(hc_queue* queue) {
    return barrier(queue, [](hc_queue& self) -> intptr_t {
        const auto descriptor = self.core->descriptor();
        return descriptor ? *descriptor : status_of(descriptor.error().kind);
    });
}

hc_status hc_queue_poll(hc_queue* queue, hc_event* out, uint32_t cap, int64_t timeout_ns,
                        uint32_t* n) {
    if (n != nullptr) *n = 0;
    return barrier(queue, [&](hc_queue& self) -> hc_status {
        if (n == nullptr || (out == nullptr && cap > 0)) return HC_E_INVALID;
        const bool turns_here = self.runtime->driven_here();
        // Outside a turn all heads have moved, so that what was gathered since may be seen.
        if (turns_here && !caller::in_turn) self.runtime->shared->publish_gathered();
        const bool may_wait = !in_callback() && !turns_here;
        return status_of(self.core->poll(out, cap, timeout_ns, may_wait, *n));
    });
}

hc_status hc_queue_arm(hc_queue* queue) {
    return barrier(queue, [](hc_queue& self) -> hc_status {
        if (self.runtime->driven_here() && !caller::in_turn) {
            self.runtime->shared->publish_gathered();
        }
        return self.core->arm() ? HC_OK : HC_E_AGAIN;
    });
}

hc_status hc_queue_set_wakeup(hc_queue* queue, hc_fn fn, void* arg, hc_fn drop) {
    return barrier(queue, [&](hc_queue& self) -> hc_status {
        self.core->set_wakeup(fn, arg, drop);
        return HC_OK;
    });
}

hc_status hc_queue_wake(hc_queue* queue) {
    return barrier(queue, [](hc_queue& self) -> hc_status {
        self.core->wake();
        return HC_OK;
    });
}

hc_status hc_timer(hc_queue* queue, uint64_t ns, uint64_t token, hc_op* op) {
    return barrier(queue, [&](hc_queue& self) -> hc_status {
        hc_runtime& runtime = *self.runtime;
        const auto wait = hc::Duration(
            static_cast<std::int64_t>(std::min(ns, static_cast<std::uint64_t>(INT64_MAX))));
        // Not the worker's time, which stands still during its pass: a timer must not be early.
        const hc::Instant at = runtime.core->worker(0).system().clock().now() + wait;
        return status_of(runtime.shared->operations().start_timer(self.core, at, token, op));
    });
}

hc_status hc_spawn_blocking(hc_queue* queue, hc_fn fn, void* arg, uint64_t token, hc_op* op) {
    return barrier(queue, [&](hc_queue& self) -> hc_status {
        if (fn == nullptr) return HC_E_INVALID;
        hc_runtime& runtime = *self.runtime;
        return status_of(runtime.shared->operations().start_job(runtime.core->blocking(), self.core,
                                                                fn, arg, token, op));
    });
}

hc_status hc_cancel(hc_op op) {
    return barrier([&]() -> hc_status {
        if (Shared::forked(op)) return HC_E_FORKED;
        if (hc::Handle::unpack(op).worker != Operations::table_index) return HC_E_GONE;
        const auto shared = Shared::of(op);
        return shared == nullptr ? HC_E_GONE : status_of(shared->operations().cancel(op));
    });
}
