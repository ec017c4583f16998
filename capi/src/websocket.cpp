// hc_ws_*: accept, refuse, send, close.
#include "capi/src/websocket.hpp"

#include <string>

#include "capi/src/exchange.hpp"
#include "capi/src/sending.hpp"
#include "capi/src/users.hpp"

#if HC_WITH_WEBSOCKET
#include "core/proto/h1/writer.hpp"

namespace hc::capi {
namespace {

using link::Exchange;
using link::WebSocket;
using ws::Opcode;

std::string_view text_of(const char* zero_terminated) noexcept {
    return zero_terminated == nullptr ? std::string_view{} : std::string_view(zero_terminated);
}

hc_status accept_here(Exchange& exchange, const WebSocket::Terms& terms) {
    auto& user = static_cast<User&>(exchange.user());
    const ErrorKind kind = WebSocket::accept(exchange, terms, user);
    if (kind != ErrorKind::ok) return status_of(kind);
    set(exchange, Bit::websocket);
    if (tracked(exchange)) set(exchange, Bit::responded);
    return HC_OK;
}

/// Marks an answer that the worker will give, unless there is one.
hc_status claim_answer(Exchange& exchange) noexcept {
    if (has(exchange, Bit::closed)) return HC_E_CLOSED;
    return set(exchange, Bit::responded) ? HC_OK : HC_E_STATE;
}

hc_status accept_away(const Away& away, const WebSocket::Terms& terms) {
    Exchange& exchange = away.exchange();
    if (!exchange.head_settled()) return HC_E_AGAIN;
    if (const auto facts = h1::examine(terms.fields); !facts) {
        return status_of(facts.error().kind);
    }
    const ErrorKind kind = WebSocket::examine(exchange, terms);
    if (kind != ErrorKind::ok) return status_of(kind);
    KeptFields kept(terms.fields);
    std::string protocol(terms.protocol);
    if (const hc_status bad = claim_answer(exchange); bad != HC_OK) return bad;
    set(exchange, Bit::websocket); // for the calls that come behind this one
    return away.post([protocol = std::move(protocol), kept = std::move(kept)](Exchange& there) {
        auto& user = static_cast<User&>(there.user());
        return WebSocket::accept(there, {.protocol = protocol, .fields = kept.fields()}, user);
    });
}

hc_status refuse_here(Exchange& exchange, ErrorKind why, std::uint32_t flags) {
    const bool release = (flags & HC_RELEASE) != 0;
    return releasing(exchange, release, [&] {
        const bool follows = !release && tracked(exchange);
        const ErrorKind kind = WebSocket::refuse(exchange, why, {.release = release});
        if (kind == ErrorKind::ok && follows) {
            set(exchange, Bit::responded);
            set(exchange, Bit::finished);
        }
        return status_of(kind);
    });
}

hc_status refuse_away(const Away& away, ErrorKind why, std::uint32_t flags) {
    Exchange& exchange = away.exchange();
    if (const hc_status bad = claim_answer(exchange); bad != HC_OK) return bad;
    set(exchange, Bit::finished);
    const bool release = (flags & HC_RELEASE) != 0;
    if (release) mark_released(exchange);
    return away.post([why, release](Exchange& there) {
        return WebSocket::refuse(there, why, {.release = release});
    });
}

hc_status send_here(Exchange& exchange, Opcode opcode, std::string_view bytes, std::uint32_t flags,
                    std::uint64_t token) {
    WebSocket* socket = WebSocket::of(exchange);
    if (socket == nullptr) return exchange.closed() ? HC_E_CLOSED : HC_E_STATE;
    if ((flags & HC_NOCOPY) == 0) return status_of(socket->send(opcode, bytes));
    if (bytes.empty()) {
        const ErrorKind kind = socket->send(opcode, bytes);
        if (kind == ErrorKind::ok) report_sent(exchange, token);
        return status_of(kind);
    }
    Loan loan = Loan::of_bytes(exchange, bytes, token);
    const ErrorKind kind = socket->send(opcode, loan.chain());
    if (kind == ErrorKind::ok) loan.kept();
    return status_of(kind);
}

hc_status send_away(const Away& away, Opcode opcode, std::string_view bytes, std::uint32_t flags,
                    std::uint64_t token) {
    Exchange& exchange = away.exchange();
    if (has(exchange, Bit::closed) || has(exchange, Bit::ws_closed)) return HC_E_CLOSED;
    if (!has(exchange, Bit::websocket)) return HC_E_STATE;
    if (!exchange.accept_remote(bytes.size())) {
        if (set(exchange, Bit::wants_writable)) {
            away.post([](Exchange& there) {
                if (WebSocket* socket = WebSocket::of(there)) socket->want_writable();
                return ErrorKind::ok;
            });
        }
        return HC_E_AGAIN;
    }
    Chain chain;
    if ((flags & HC_NOCOPY) != 0) {
        chain = Loan::of_bytes(exchange, bytes, token).take();
    } else if (!bytes.empty()) {
        chain.append_block(bytes);
    }
    const std::uint64_t accepted = bytes.size();
    return away.post([opcode, accepted, chain = std::move(chain)](Exchange& there) mutable {
        WebSocket* socket = WebSocket::of(there);
        if (socket == nullptr) return ErrorKind::closed; // it could not be accepted: that is told
        return socket->send_arrived(opcode, chain, accepted);
    });
}

hc_status close_here(Exchange& exchange, std::uint16_t code, std::string_view reason) {
    WebSocket* socket = WebSocket::of(exchange);
    if (socket == nullptr) return exchange.closed() ? HC_E_CLOSED : HC_E_STATE;
    const ErrorKind kind = socket->close(code, reason);
    if (kind == ErrorKind::ok) set(exchange, Bit::ws_closed);
    return status_of(kind);
}

hc_status close_away(const Away& away, std::uint16_t code, std::string_view reason) {
    Exchange& exchange = away.exchange();
    if (code != ws::code::absent && !ws::may_be_sent(code)) return HC_E_INVALID;
    if (reason.size() > ws::reason_bytes_max) return HC_E_INVALID;
    if (has(exchange, Bit::closed)) return HC_E_CLOSED;
    if (!has(exchange, Bit::websocket)) return HC_E_STATE;
    if (!set(exchange, Bit::ws_closed)) return HC_E_CLOSED;
    return away.post([code, kept = std::string(reason)](Exchange& there) {
        WebSocket* socket = WebSocket::of(there);
        if (socket != nullptr) socket->close(code, kept); // unless the peer's came before
        return ErrorKind::ok;
    });
}

bool is_opcode(std::int32_t opcode) noexcept {
    return opcode == HC_WS_TEXT || opcode == HC_WS_BINARY || opcode == HC_WS_PING;
}

hc_status accept_any(hc_exchange exchange, const char* subprotocol,
                     std::span<const http::Field> fields) {
    const WebSocket::Terms terms{.protocol = text_of(subprotocol), .fields = fields};
    return on_exchange(
        exchange, [&](Exchange& here) { return accept_here(here, terms); },
        [&](const Away& away) { return accept_away(away, terms); });
}

hc_status refuse_any(hc_exchange exchange, ErrorKind why, std::uint32_t flags) {
    return on_exchange(
        exchange, [&](Exchange& here) { return refuse_here(here, why, flags); },
        [&](const Away& away) { return refuse_away(away, why, flags); });
}

hc_status send_any(hc_exchange exchange, std::int32_t opcode, std::string_view bytes,
                   std::uint32_t flags, std::uint64_t token) {
    if (!is_opcode(opcode)) return HC_E_INVALID;
    if (opcode == HC_WS_PING && bytes.size() > ws::control_bytes_max) return HC_E_INVALID;
    const auto kind = static_cast<Opcode>(opcode);
    return on_exchange(
        exchange, [&](Exchange& here) { return send_here(here, kind, bytes, flags, token); },
        [&](const Away& away) { return send_away(away, kind, bytes, flags, token); });
}

hc_status close_any(hc_exchange exchange, std::uint16_t code, std::string_view reason) {
    if (code == ws::code::absent || (code == 0 && !reason.empty())) return HC_E_INVALID;
    const std::uint16_t number = code == 0 ? ws::code::absent : code;
    return on_exchange(
        exchange, [&](Exchange& here) { return close_here(here, number, reason); },
        [&](const Away& away) { return close_away(away, number, reason); });
}

} // namespace
} // namespace hc::capi

#else

namespace hc::capi {
namespace {

hc_status accept_any(hc_exchange, const char*, std::span<const http::Field>) {
    return HC_E_UNSUPPORTED;
}
hc_status refuse_any(hc_exchange, ErrorKind, std::uint32_t) { return HC_E_UNSUPPORTED; }
hc_status send_any(hc_exchange, std::int32_t, std::string_view, std::uint32_t, std::uint64_t) {
    return HC_E_UNSUPPORTED;
}
hc_status close_any(hc_exchange, std::uint16_t, std::string_view) { return HC_E_UNSUPPORTED; }

} // namespace
} // namespace hc::capi

#endif

using namespace hc::capi;

hc_status hc_ws_accept(hc_exchange exchange, const char* subprotocol, const hc_header* headers,
                       size_t nheaders) {
    return barrier([&]() -> hc_status {
        if (!are_given(headers, nheaders)) return HC_E_INVALID;
        return accept_any(exchange, subprotocol, fields_of(headers, nheaders));
    });
}

hc_status hc_ws_refuse(hc_exchange exchange, hc_status why, uint32_t flags) {
    return barrier([&]() -> hc_status {
        if ((flags & ~HC_RELEASE) != 0) return HC_E_INVALID;
        return refuse_any(exchange, static_cast<hc::ErrorKind>(why), flags);
    });
}

hc_status hc_ws_send(hc_exchange exchange, int32_t opcode, const void* bytes, size_t n,
                     uint32_t flags, uint64_t token) {
    return barrier([&]() -> hc_status {
        if ((flags & ~HC_NOCOPY) != 0 || (bytes == nullptr && n > 0)) return HC_E_INVALID;
        return send_any(exchange, opcode, {static_cast<const char*>(bytes), n}, flags, token);
    });
}

hc_status hc_ws_close(hc_exchange exchange, uint16_t code, const char* reason, size_t n) {
    return barrier([&]() -> hc_status {
        if (reason == nullptr && n > 0) return HC_E_INVALID;
        return close_any(exchange, code, {reason, n});
    });
}
