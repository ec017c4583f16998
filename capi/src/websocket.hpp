// Exchanges that are WebSockets, as the other calls see them.
#pragma once

#include "hc_build.h"
#include "capi/src/bridge.hpp"
#include "core/link/exchange.hpp"
#if HC_WITH_WEBSOCKET
#include "core/link/websocket.hpp"
#endif

namespace hc::capi {

/// On the worker.
inline bool is_websocket(const link::Exchange& exchange) noexcept {
    const link::Stage* stage = exchange.stage();
    return stage != nullptr && stage->kind == link::Stage::Kind::websocket;
}

#if HC_WITH_WEBSOCKET
// The ledgers of messages are the WebSocket's.
inline ErrorKind grant(link::Exchange& exchange, std::uint64_t credit) {
    if (!is_websocket(exchange)) [[likely]]
        return exchange.grant(credit);
    return link::WebSocket::of(exchange)->grant(credit);
}
inline ErrorKind consume(link::Exchange& exchange, std::uint64_t bytes) {
    if (!is_websocket(exchange)) [[likely]]
        return exchange.consume(bytes);
    return link::WebSocket::of(exchange)->consume(bytes);
}
#else
inline ErrorKind grant(link::Exchange& exchange, std::uint64_t credit) {
    return exchange.grant(credit);
}
inline ErrorKind consume(link::Exchange& exchange, std::uint64_t bytes) {
    return exchange.consume(bytes);
}
#endif

} // namespace hc::capi
