// How a call finds its exchange, on the worker that serves it and from anywhere else.
//
//   on the worker    one look into the slot table, no locked instruction; the call is done at once.
//   elsewhere        the exchange is pinned for the moment, what can be checked is checked, and a
//                    message with copies of all bytes goes to the worker, which looks the id up
//                    anew.
#pragma once

#include <httpcore/httpcore.h>

#include <memory>
#include <utility>

#include "capi/src/barrier.hpp"
#include "capi/src/bridge.hpp"
#include "capi/src/shared.hpp"
#include "core/link/exchange.hpp"
#include "core/runtime/runtime.hpp"

namespace hc::capi {

inline link::Exchange* find(runtime::Worker& worker, hc_exchange id) noexcept {
    return static_cast<link::Exchange*>(worker.slots().find(id));
}

/// An exchange as other threads have it: pinned, with its worker held.
class Away {
public:
    Away(runtime::WorkerRef& worker, link::PinnedExchange& pinned, hc_exchange id) noexcept
        : worker_(worker), pinned_(pinned), id_(id) {}
    link::Exchange& exchange() const noexcept { return *pinned_; }

    /// Has the worker run `call(Exchange&) -> ErrorKind`, when the exchange still exists then. What
    /// it answers but ok ends the exchange, with that as its HC_EV_CLOSED.
    template <class Call>
    hc_status post(Call&& call) const {
        worker_->post(std::make_unique<Posted<std::decay_t<Call>>>(id_, std::forward<Call>(call)));
        return HC_OK;
    }

private:
    template <class Call>
    class Posted final : public runtime::Message {
    public:
        template <class C>
        Posted(hc_exchange id, C&& call) : id_(id), call_(std::forward<C>(call)) {}
        void run(runtime::Worker& worker) override {
            link::Exchange* exchange = find(worker, id_);
            if (exchange == nullptr) return;
            const ErrorKind kind = call_(*exchange);
            if (kind != ErrorKind::ok) end_for(*exchange, kind);
        }

    private:
        hc_exchange id_;
        Call call_;
    };

    static void end_for(link::Exchange& exchange, ErrorKind why);

    runtime::WorkerRef& worker_;
    link::PinnedExchange& pinned_;
    hc_exchange id_;
};

/// The exchange, when the calling thread runs its worker and nothing else stands in the way.
inline link::Exchange* find_here(hc_exchange id) noexcept {
    if (Shared::forked(id)) [[unlikely]]
        return nullptr;
    runtime::Worker* worker = runtime::Worker::current();
    if (worker == nullptr || !worker->owns(id)) return nullptr;
    return find(*worker, id);
}

/// on_exchange() where find_here() found nothing. A function of its own, so that calls on the
/// worker pay nothing for it.
template <class Here, class There>
[[gnu::noinline]] hc_status on_exchange_elsewhere(hc_exchange id, Here&& here, There&& away) {
    if (Shared::forked(id)) return HC_E_FORKED;
    runtime::WorkerRef held = runtime::WorkerRef::of(id);
    if (!held) return HC_E_GONE;
    if (held->is_current()) { // stale, or the thread drives several runtimes
        link::Exchange* exchange = find(*held, id);
        return exchange == nullptr ? HC_E_GONE : here(*exchange);
    }
    link::PinnedExchange pinned = link::PinnedExchange::of(*held, id);
    if (!pinned || !has(*pinned, Bit::known) || has(*pinned, Bit::released)) return HC_E_GONE;
    return away(Away(held, pinned, id));
}

/// Runs `here(Exchange&)` or `away(const Away&)`; both give a status.
template <class Here, class There>
hc_status on_exchange(hc_exchange id, Here&& here, There&& away) noexcept {
    return barrier([&]() -> hc_status {
        if (link::Exchange* exchange = find_here(id)) [[likely]]
            return here(*exchange);
        return on_exchange_elsewhere(id, here, away);
    });
}

/// The program has released an exchange that has a place on the pool.
void let_go(Lane& lane) noexcept;

/// On another thread: the program releases the exchange. False when it did before.
inline bool mark_released(link::Exchange& exchange) noexcept {
    const bool first = set(exchange, Bit::released);
    const Bridge* bridge = bridge_of(exchange);
    if (bridge != nullptr && bridge->lane != nullptr) let_go(*bridge->lane);
    return first;
}

/// On the worker: runs a call that releases the exchange when it succeeds, or another one.
template <class Call>
hc_status releasing(link::Exchange& exchange, bool releases, Call&& call) {
    const Bridge* bridge = releases ? bridge_of(exchange) : nullptr;
    if (bridge == nullptr || bridge->lane == nullptr) [[likely]]
        return call();
    const std::shared_ptr<Lane> lane = bridge->lane; // the bridge may go with the exchange
    const hc_status status = call();
    if (status == HC_OK) let_go(*lane);
    return status;
}

/// Answers 503 to a request that nobody will ever handle, and releases it. Any thread.
void refuse(hc_exchange id) noexcept;

/// Body bytes that were delivered have been looked at. Any thread.
void give_back_body(hc_exchange id, std::uint64_t bytes) noexcept;

} // namespace hc::capi
