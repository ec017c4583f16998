// What the core reports of an exchange, as events.
#pragma once

#include <httpcore/httpcore.h>

#include <cstdint>
#include <string_view>

#include "capi/src/barrier.hpp"
#include "capi/src/bridge.hpp"
#include "core/link/exchange.hpp"
#include "core/link/websocket.hpp"

namespace hc::capi {

inline hc_event event_of(std::uint32_t type, std::uint64_t exchange) noexcept {
    hc_event event{};
    event.type = type;
    event.obj = exchange;
    return event;
}

inline hc_event request_event(const link::Exchange& exchange, bool ended) noexcept {
    hc_event event = event_of(HC_EV_REQUEST, exchange.id());
    event.flags = ended ? HC_EVF_END : 0;
    event.n = exchange.route();
    event.aux[0] = static_cast<std::uint64_t>(exchange.head().method);
    event.aux[1] = static_cast<std::uint64_t>(exchange.head().version);
    return event;
}

inline hc_event body_event(std::uint64_t exchange, std::string_view bytes) noexcept {
    hc_event event = event_of(HC_EV_BODY, exchange);
    event.n = static_cast<std::uint32_t>(bytes.size());
    event.data = reinterpret_cast<std::uintptr_t>(bytes.data());
    return event;
}

inline hc_event message_event(std::uint64_t exchange, ws::Opcode opcode,
                              std::string_view bytes) noexcept {
    hc_event event = body_event(exchange, bytes);
    event.type = HC_EV_WS_MESSAGE;
    event.aux[0] = static_cast<std::uint64_t>(opcode);
    return event;
}

inline hc_event ws_closed_event(std::uint64_t exchange, const link::WebSocketEnd& end) noexcept {
    hc_event event = body_event(exchange, end.reason);
    event.type = HC_EV_WS_CLOSED;
    event.aux[0] = end.code;
    event.aux[1] = end.clean ? 1 : 0;
    return event;
}

inline hc_event body_end_event(const link::Exchange& exchange) noexcept {
    hc_event event = event_of(HC_EV_BODY_END, exchange.id());
    event.n = exchange.trailers().field_count;
    return event;
}

inline hc_event closed_event(const link::Exchange& exchange, ErrorKind why) noexcept {
    hc_event event = event_of(HC_EV_CLOSED, exchange.id());
    const ErrorKind failure = failure_of(exchange);
    event.status = status_of(failure != ErrorKind::ok ? failure : why);
    return event;
}

} // namespace hc::capi
