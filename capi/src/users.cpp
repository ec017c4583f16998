#include "capi/src/users.hpp"

#include <algorithm>

#include "capi/src/barrier.hpp"
#include "capi/src/bridge.hpp"
#include "capi/src/events.hpp"
#include "capi/src/queue.hpp"
#include "capi/src/shared.hpp"

namespace hc::capi {

// -- queues ---------------------------------------------------------------------------------------

bool QueueUser::add(std::shared_ptr<QueueCore> queue) {
    if (std::ranges::find(queues_, queue) != queues_.end()) return false;
    queues_.push_back(std::move(queue));
    return true;
}

QueueCore* QueueUser::choose(std::uint32_t worker) noexcept {
    QueueCore* preferred = queues_[worker % queues_.size()].get();
    if (preferred->admit()) return preferred;
    if (queues_.size() == 1) return nullptr;
    QueueCore* best = nullptr;
    for (const auto& queue : queues_) {
        if (queue.get() == preferred) continue;
        if (best == nullptr || queue->load() < best->load()) best = queue.get();
    }
    if (best->admit()) return best;
    // The least loaded may be one of small capacity: try whoever has room.
    for (const auto& queue : queues_) {
        if (queue->admit()) return queue.get();
    }
    return nullptr;
}

void QueueUser::on_request(link::Exchange& exchange, bool ended) {
    QueueCore* queue = choose(exchange.worker().index());
    if (queue == nullptr) {
        exchange.refuse_overload();
        return;
    }
    auto bridge = std::make_unique<Bridge>(*queue, !shared_->driven());
    bridge->ends = Ends::of(exchange);
    exchange.attachment.store(bridge.release(), std::memory_order_release);
    make_known(exchange);
    queue->emit(request_event(exchange, ended));
}

void QueueUser::on_body(link::Exchange& exchange, std::string_view bytes) {
    bridge_of(exchange)->queue->emit(body_event(exchange.id(), bytes));
}

void QueueUser::on_body_end(link::Exchange& exchange) {
    set(exchange, Bit::body_ended);
    bridge_of(exchange)->queue->emit(body_end_event(exchange));
}

void QueueUser::on_writable(link::Exchange& exchange) {
    clear(exchange, Bit::wants_writable); // before the event: a refusal behind it asks again
    bridge_of(exchange)->queue->emit(event_of(HC_EV_WRITABLE, exchange.id()));
}

void QueueUser::on_closed(link::Exchange& exchange, ErrorKind why) {
    set(exchange, Bit::closed);
    bridge_of(exchange)->queue->emit(closed_event(exchange, why));
}

void QueueUser::sent(const hc_event& event, const Receiver& to) { to.queue->emit(event); }

// -- inline ---------------------------------------------------------------------------------------

InlineUser::InlineUser(std::shared_ptr<Shared> shared, const hc_inline& handler)
    : shared_(std::move(shared)), on_event_(handler.on_event), arg_(handler.arg),
      drop_(handler.drop), workers_(std::make_unique<PerWorker[]>(shared_->workers())) {
    for (std::uint32_t i = 0; i < shared_->workers(); ++i) workers_[i].given_back.owner = this;
}

InlineUser::~InlineUser() {
    if (drop_ != nullptr) drop_(arg_);
}

void InlineUser::call(const hc_event& event) noexcept {
    CallbackFrame frame{.exchange = event.obj};
    call(event, frame);
}

void InlineUser::call(const hc_event& event, CallbackFrame& frame) noexcept {
    const InCallback mark(frame);
    on_event_(arg_, &event);
}

/// A request that came up inside the callback of another: it needs memory of its own.
void InlineUser::call_nested(const hc_event& event, CallbackFrame& frame) noexcept {
    HeadTable own;
    frame.scratch = &own;
    call(event, frame);
}

void InlineUser::on_request(link::Exchange& exchange, bool ended) {
    make_known(exchange);
    PerWorker& here = workers_[exchange.worker().index()];
    const hc_event event = request_event(exchange, ended);
    CallbackFrame frame{.exchange = event.obj};
    if (here.head_lent) [[unlikely]]
        return call_nested(event, frame);
    here.head_lent = true;
    frame.scratch = &here.head;
    call(event, frame);
    here.head_lent = false;
}

void InlineUser::on_body(link::Exchange& exchange, std::string_view bytes) {
    call(body_event(exchange.id(), bytes));
}

void InlineUser::on_body_end(link::Exchange& exchange) {
    set(exchange, Bit::body_ended);
    call(body_end_event(exchange));
}

void InlineUser::on_writable(link::Exchange& exchange) {
    clear(exchange, Bit::wants_writable); // before the event: a refusal behind it asks again
    call(event_of(HC_EV_WRITABLE, exchange.id()));
}

void InlineUser::on_closed(link::Exchange& exchange, ErrorKind why) {
    set(exchange, Bit::closed);
    call(closed_event(exchange, why));
}

void InlineUser::sent(const hc_event& event, const Receiver&) {
    runtime::Worker* worker = runtime::Worker::current();
    if (worker == nullptr || worker->runtime() != shared_->number() || worker->ended()) {
        call(event); // the worker has ended: there is no pass to wait for
        return;
    }
    GivenBack& given = workers_[worker->index()].given_back;
    given.events.push_back(event);
    if (given.self == nullptr) given.self = shared_from_this();
    if (!given.is_deferred()) worker->defer(given);
}

void InlineUser::worker_ended(std::uint32_t index) {
    workers_[index].given_back.cancel_deferred();
    workers_[index].given_back.run_deferred();
}

void InlineUser::GivenBack::run_deferred() {
    const auto kept = std::move(self);
    // A callback may send and so give back more: that is for the next pass.
    std::vector<hc_event> batch;
    batch.swap(events);
    for (const hc_event& event : batch) owner->call(event);
}

} // namespace hc::capi
