#include "capi/src/pool_user.hpp"

#include <utility>

#include "capi/src/bridge.hpp"
#include "capi/src/caller.hpp"
#include "capi/src/events.hpp"
#include "capi/src/exchange.hpp"
#include "capi/src/shared.hpp"

namespace hc::capi {

// -- the user, on the worker ----------------------------------------------------------------------

PoolUser::PoolUser(std::shared_ptr<Shared> shared, std::shared_ptr<server::Pool> pool,
                   const hc_inline& handler)
    : shared_(std::move(shared)), pool_(std::move(pool)), on_event_(handler.on_event),
      arg_(handler.arg), drop_(handler.drop) {}

PoolUser::~PoolUser() {
    if (drop_ != nullptr) drop_(arg_);
}

void PoolUser::on_request(link::Exchange& exchange, bool ended) {
    if (!pool_->admit()) {
        exchange.refuse_overload();
        return;
    }
    auto lane = std::make_shared<Lane>(std::static_pointer_cast<PoolUser>(shared_from_this()),
                                       request_event(exchange, ended));
    auto bridge = std::make_unique<Bridge>(lane);
    bridge->ends = Ends::of(exchange);
    exchange.attachment.store(bridge.release(), std::memory_order_release);
    make_known(exchange);
    pool_->submit(std::move(lane));
}

void PoolUser::on_body(link::Exchange& exchange, std::string_view bytes) {
    emit(exchange, body_event(exchange.id(), bytes));
}

void PoolUser::on_body_end(link::Exchange& exchange) {
    set(exchange, Bit::body_ended);
    emit(exchange, body_end_event(exchange));
}

void PoolUser::on_writable(link::Exchange& exchange) {
    clear(exchange, Bit::wants_writable); // before the event: a refusal behind it asks again
    emit(exchange, event_of(HC_EV_WRITABLE, exchange.id()));
}

void PoolUser::on_closed(link::Exchange& exchange, ErrorKind why) {
    set(exchange, Bit::closed);
    Lane& lane = *bridge_of(exchange)->lane;
    if (lane.forget()) {
        // Nobody knows of it, so that nobody would release it, and no thread need be kept busy.
        pool_->withdraw(lane);
        exchange.release();
        return;
    }
    emit(exchange, closed_event(exchange, why));
}

void PoolUser::sent(const hc_event& event, const Receiver& to) { emit(to.lane, event); }

void PoolUser::emit(link::Exchange& exchange, const hc_event& event) {
    emit(bridge_of(exchange)->lane, event);
}

void PoolUser::emit(const std::shared_ptr<Lane>& lane, const hc_event& event) {
    if (lane->push(event)) pool_->submit(lane);
}

// -- the lane -------------------------------------------------------------------------------------

bool Lane::push(const hc_event& event) {
    const std::lock_guard lock(mutex_);
    if (forgotten_) return false;
    later_.push_back(event);
    return !std::exchange(submitted_, true);
}

bool Lane::forget() noexcept {
    const std::lock_guard lock(mutex_);
    if (begun_) return false;
    forgotten_ = true;
    return true;
}

bool Lane::run() noexcept {
    bool first = false;
    std::vector<hc_event> events;
    {
        const std::lock_guard lock(mutex_);
        if (forgotten_) return false;
        first = !std::exchange(begun_, true);
        events.swap(later_);
    }
    if (first) owner_->call(request_);
    for (const hc_event& event : events) {
        const bool released = released_.load(std::memory_order_acquire);
        if (!released || event.type == HC_EV_SENT) owner_->call(event);
    }
    const std::lock_guard lock(mutex_);
    submitted_ = !later_.empty();
    return submitted_;
}

void Lane::refused() noexcept {
    if (forget()) refuse(request_.obj);
}

void let_go(Lane& lane) noexcept { lane.let_go(); }

void PoolUser::call(const hc_event& event) const noexcept {
    {
        const InJob mark(shared_->number());
        on_event_(arg_, &event);
    }
    if (event.type == HC_EV_BODY) give_back_body(event.obj, event.n);
}

} // namespace hc::capi
