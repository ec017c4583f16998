// hc_send_sse: one server-sent event, on an answer that it begins when nobody has.
#include <optional>
#include <string>

#include "capi/src/exchange.hpp"
#include "capi/src/sending.hpp"
#include "capi/src/websocket.hpp"
#include "core/link/event_stream.hpp"
#include "core/proto/sse/encoder.hpp"

namespace hc::capi {
namespace {

using link::EventStream;
using link::Exchange;
using link::SendFlags;

constexpr SendFlags send_flags(std::uint32_t flags) noexcept {
    return {.fin = (flags & HC_FIN) != 0, .release = (flags & HC_RELEASE) != 0};
}

/// On the worker: the answer is begun, and kept busy from here on.
ErrorKind prepare(Exchange& exchange) {
    if (is_websocket(exchange)) return ErrorKind::state;
    if (!exchange.answer_begun()) {
        if (const auto bad = EventStream::begin(exchange); bad != ErrorKind::ok) return bad;
        if (tracked(exchange)) set(exchange, Bit::responded);
    }
    EventStream::of(exchange);
    return ErrorKind::ok;
}

hc_status send_here(Exchange& exchange, std::string_view text, std::uint32_t flags) {
    return releasing(exchange, (flags & HC_RELEASE) != 0, [&]() -> hc_status {
        if (const auto bad = prepare(exchange); bad != ErrorKind::ok) return status_of(bad);
        return status_of(exchange.send(text, send_flags(flags)));
    });
}

hc_status send_away(const Away& away, std::string_view text, std::uint32_t flags) {
    Exchange& exchange = away.exchange();
    if (has(exchange, Bit::closed)) return HC_E_CLOSED;
    if (has(exchange, Bit::finished) || has(exchange, Bit::websocket)) return HC_E_STATE;
    if (!exchange.accept_remote(text.size())) {
        if (set(exchange, Bit::wants_writable)) {
            away.post([](Exchange& there) {
                there.want_writable();
                return ErrorKind::ok;
            });
        }
        return HC_E_AGAIN;
    }
    set(exchange, Bit::responded);
    if ((flags & HC_FIN) != 0) set(exchange, Bit::finished);
    if ((flags & HC_RELEASE) != 0) mark_released(exchange);
    Chain bytes;
    bytes.append(text);
    return away.post([bytes = std::move(bytes), how = send_flags(flags)](Exchange& there) mutable {
        if (const auto bad = prepare(there); bad != ErrorKind::ok) {
            there.arrived(bytes.memory_size());
            return bad;
        }
        return there.send_arrived(bytes, how);
    });
}

std::optional<std::string_view> view(const char* zero_terminated) noexcept {
    if (zero_terminated == nullptr) return std::nullopt;
    return std::string_view(zero_terminated);
}

} // namespace
} // namespace hc::capi

using namespace hc::capi;
using hc::link::Exchange;

hc_status hc_send_sse(hc_exchange exchange, const char* event, const char* id, const char* data,
                      size_t n, int32_t retry_ms, uint32_t flags, uint64_t) {
    return barrier([&]() -> hc_status {
        const bool bad = (flags & ~(HC_FIN | HC_RELEASE)) != 0;
        const bool lonely = (flags & HC_RELEASE) != 0 && (flags & HC_FIN) == 0;
        if (bad || lonely || (data == nullptr && n > 0)) return HC_E_INVALID;
        hc::sse::Event made{.type = view(event), .id = view(id), .retry_ms = retry_ms};
        if (data != nullptr) made.data = std::string_view(data, n);
        std::string text;
        if (!hc::sse::append_event(text, made)) return HC_E_INVALID;
        return on_exchange(
            exchange, [&](Exchange& here) { return send_here(here, text, flags); },
            [&](const Away& away) { return send_away(away, text, flags); });
    });
}
