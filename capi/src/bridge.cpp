#include "capi/src/bridge.hpp"

#include "capi/src/queue.hpp"

namespace hc::capi {

namespace {
/// Puts `made` into an empty place; gives what is there then.
template <class T>
T& settle(std::atomic<T*>& place, std::unique_ptr<T> made) {
    T* there = nullptr;
    if (place.compare_exchange_strong(there, made.get(), std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
        return *made.release();
    }
    return *there;
}
} // namespace

Bridge::~Bridge() {
    delete head_.load(std::memory_order_acquire);
    delete trailers_.load(std::memory_order_acquire);
    if (queue != nullptr) queue->dismiss();
}

const hc_head& Bridge::head_of(const link::Exchange& exchange) {
    if (HeadTable* there = head_.load(std::memory_order_acquire)) return there->head();
    auto made = std::make_unique<HeadTable>();
    made->build(exchange, ends);
    return settle(head_, std::move(made)).head();
}

FieldTable& Bridge::trailers_of(const link::Exchange& exchange) {
    if (FieldTable* there = trailers_.load(std::memory_order_acquire)) return *there;
    auto made = std::make_unique<FieldTable>();
    made->build(exchange.trailers(), 0);
    return settle(trailers_, std::move(made));
}

Bridge& settle_bridge(link::Exchange& exchange, std::unique_ptr<Bridge> made) {
    link::Exchange::Attachment* there = nullptr;
    if (exchange.attachment.compare_exchange_strong(there, made.get(), std::memory_order_acq_rel,
                                                    std::memory_order_acquire)) {
        return *made.release();
    }
    return static_cast<Bridge&>(*there);
}

Bridge& make_bridge(link::Exchange& exchange) {
    if (Bridge* there = bridge_of(exchange)) return *there;
    return settle_bridge(exchange, std::make_unique<Bridge>());
}

} // namespace hc::capi
