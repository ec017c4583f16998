// Calls on an exchange but those that send: head, trailers, the three ledgers, the end.
#include "capi/src/exchange.hpp"

#include "capi/src/caller.hpp"
#include "capi/src/users.hpp"

namespace hc::capi {

void Away::end_for(link::Exchange& exchange, ErrorKind why) {
    if (has(exchange, Bit::released)) {
        // The call that failed would have released it, as its caller was told. Nobody waits for an
        // event.
        exchange.release();
        return;
    }
    if (why == ErrorKind::closed) return; // reported already
    set_failure(exchange, why);
    exchange.abort(0);
}

void refuse(hc_exchange id) noexcept {
    const auto refuse_here = [](link::Exchange& exchange) {
        exchange.refuse_overload();
        return HC_OK;
    };
    on_exchange(id, refuse_here, [](const Away& away) {
        set(away.exchange(), Bit::released);
        return away.post([](link::Exchange& exchange) {
            exchange.refuse_overload();
            return ErrorKind::ok;
        });
    });
}

void give_back_body(hc_exchange id, std::uint64_t bytes) noexcept {
    const auto consume = [bytes](link::Exchange& exchange) {
        exchange.consume(bytes); // unless it was released
        return ErrorKind::ok;
    };
    on_exchange(
        id, [&](link::Exchange& here) { return status_of(consume(here)); },
        [&](const Away& away) { return away.post(consume); });
}

namespace {

/// The frame in which the head of an exchange is still lent, or nullptr.
CallbackFrame* frame_of(hc_exchange id) noexcept {
    CallbackFrame* frame = caller::frame;
    while (frame != nullptr && (frame->exchange != id || frame->scratch == nullptr)) {
        frame = frame->outer;
    }
    return frame;
}

/// On the worker, which knows the ends of the connection.
Bridge& bridge_here(link::Exchange& exchange) {
    if (Bridge* there = bridge_of(exchange)) return *there;
    auto made = std::make_unique<Bridge>();
    made->ends = Ends::of(exchange);
    return settle_bridge(exchange, std::move(made));
}

hc_status head_here(link::Exchange& exchange, const hc_head** head) {
    CallbackFrame* frame = frame_of(exchange.id());
    if (frame == nullptr) {
        *head = &bridge_here(exchange).head_of(exchange);
        return HC_OK;
    }
    if (!frame->built) {
        frame->scratch->build(exchange, Ends::of(exchange));
        frame->built = true;
    }
    *head = &frame->scratch->head();
    return HC_OK;
}

hc_status head_away(const Away& away, const hc_head** head) {
    link::Exchange& exchange = away.exchange();
    if (!exchange.head_settled()) return HC_E_AGAIN;
    *head = &make_bridge(exchange).head_of(exchange);
    return HC_OK;
}

bool body_is_held(const link::Exchange& exchange) noexcept {
    return static_cast<const User&>(exchange.user()).body_is_held();
}

void give_trailers(Bridge& bridge, const link::Exchange& exchange, const hc_header** trailers,
                   std::size_t* n) {
    FieldTable& table = bridge.trailers_of(exchange);
    *trailers = table.data();
    *n = table.size();
}

} // namespace
} // namespace hc::capi

using namespace hc::capi;
using hc::ErrorKind;
using hc::link::Exchange;

hc_status hc_head_get(hc_exchange exchange, const hc_head** head) {
    return barrier([&]() -> hc_status {
        if (head == nullptr) return HC_E_INVALID;
        *head = nullptr;
        return on_exchange(
            exchange, [&](Exchange& here) { return head_here(here, head); },
            [&](const Away& away) { return head_away(away, head); });
    });
}

hc_status hc_trailers_get(hc_exchange exchange, const hc_header** trailers, size_t* n) {
    return barrier([&]() -> hc_status {
        if (trailers == nullptr || n == nullptr) return HC_E_INVALID;
        *trailers = nullptr;
        *n = 0;
        return on_exchange(
            exchange,
            [&](Exchange& here) -> hc_status {
                if (has(here, Bit::body_ended) && here.trailers().field_count > 0) {
                    give_trailers(bridge_here(here), here, trailers, n);
                }
                return HC_OK;
            },
            [&](const Away& away) -> hc_status {
                Exchange& there = away.exchange();
                if (has(there, Bit::body_ended) && there.trailers().field_count > 0) {
                    give_trailers(make_bridge(there), there, trailers, n);
                }
                return HC_OK;
            });
    });
}

hc_status hc_tls_chain_get(hc_exchange exchange, uint32_t index, const void** der, size_t* n) {
    return barrier([&]() -> hc_status {
        if (der == nullptr || n == nullptr) return HC_E_INVALID;
        *der = nullptr;
        *n = 0;
        const auto give = [&](const Bridge& bridge) -> hc_status {
            const hc::link::Security* security = bridge.ends.security.get();
            if (security == nullptr || index >= security->peer_chain.size()) {
                return HC_E_NOT_FOUND;
            }
            *der = security->peer_chain[index].data();
            *n = security->peer_chain[index].size();
            return HC_OK;
        };
        return on_exchange(
            exchange, [&](Exchange& here) { return give(bridge_here(here)); },
            [&](const Away& away) { return give(make_bridge(away.exchange())); });
    });
}

hc_status hc_recv(hc_exchange exchange, uint64_t credit) {
    return on_exchange(
        exchange, [&](Exchange& here) { return status_of(here.grant(credit)); },
        [&](const Away& away) -> hc_status {
            if (has(away.exchange(), Bit::closed)) return HC_E_CLOSED;
            return away.post([credit](Exchange& there) { return there.grant(credit); });
        });
}

hc_status hc_consume(hc_exchange exchange, uint64_t bytes) {
    return on_exchange(
        exchange,
        [&](Exchange& here) -> hc_status {
            if (!body_is_held(here)) return HC_OK;
            return status_of(here.consume(bytes));
        },
        [&](const Away& away) -> hc_status {
            if (!body_is_held(away.exchange())) return HC_OK;
            return away.post([bytes](Exchange& there) { return there.consume(bytes); });
        });
}

hc_status hc_abort(hc_exchange exchange, uint64_t code) {
    return on_exchange(
        exchange, [&](Exchange& here) { return status_of(here.abort(code)); },
        [&](const Away& away) -> hc_status {
            if (has(away.exchange(), Bit::closed)) return HC_E_CLOSED;
            return away.post([code](Exchange& there) { return there.abort(code); });
        });
}

hc_status hc_release(hc_exchange exchange) {
    return on_exchange(
        exchange,
        [](Exchange& here) {
            return releasing(here, true, [&here]() -> hc_status {
                here.release();
                return HC_OK;
            });
        },
        [](const Away& away) -> hc_status {
            if (!mark_released(away.exchange())) return HC_E_GONE;
            return away.post([](Exchange& there) {
                there.release();
                return ErrorKind::ok;
            });
        });
}
