// Calls that send: respond, send, send_file, upgrade, push, finish.
#include <algorithm>
#include <optional>
#include <string>

#include "capi/src/exchange.hpp"
#include "capi/src/sending.hpp"
#include "capi/src/websocket.hpp"
#include "core/base/ascii.hpp"
#include "core/http/status.hpp"
#include "core/proto/h1/writer.hpp"

namespace hc::capi {
namespace {

using link::Answer;
using link::Exchange;
using link::SendFlags;

constexpr SendFlags send_flags(std::uint32_t flags) noexcept {
    return {.fin = (flags & HC_FIN) != 0, .release = (flags & HC_RELEASE) != 0};
}

/// Only what is allowed, and a release only with the end.
constexpr bool flags_are_sound(std::uint32_t flags, std::uint32_t allowed) noexcept {
    if ((flags & ~allowed) != 0) return false;
    return (flags & HC_RELEASE) == 0 || (flags & HC_FIN) != 0;
}

/// The same of hc_respond, where an interim answer has no other flag: all of it in one look.
constexpr bool respond_flags_are_sound(std::uint32_t flags) noexcept {
    constexpr std::uint32_t sound = [] {
        std::uint32_t set = 0;
        for (std::uint32_t f = 0; f < 32; ++f) {
            const bool good = flags_are_sound(f, HC_FIN | HC_RELEASE | HC_NOCOPY);
            if (good || f == HC_INTERIM) set |= 1U << f;
        }
        return set;
    }();
    return flags < 32 && (sound >> flags & 1) != 0;
}

/// What hc_respond was given beside the answer.
struct Terms {
    std::uint32_t flags = 0;
    std::uint64_t token = 0;

    bool lends() const noexcept { return (flags & HC_NOCOPY) != 0; }
    bool interim() const noexcept { return (flags & HC_INTERIM) != 0; }
};

/// What has been sent is marked for other threads, when they are the ones that go on.
ErrorKind noted(Exchange& exchange, ErrorKind kind, bool fin, bool released) noexcept {
    if (released || kind != ErrorKind::ok || !tracked(exchange)) return kind;
    set(exchange, Bit::responded);
    if (fin) set(exchange, Bit::finished);
    return kind;
}

// -- on the worker --------------------------------------------------------------------------------

/// Bytes lent. When there are none the caller is told at once, before a release that the call may
/// ask for (events leave at the end of the pass); else when they have been written.
[[gnu::noinline]] hc_status respond_lending(Exchange& exchange, Answer answer, const Terms& terms) {
    const bool release = answer.flags.release;
    if (answer.body.empty()) {
        answer.flags.release = false;
        const ErrorKind kind = exchange.respond(answer);
        if (kind != ErrorKind::ok) return status_of(kind);
        noted(exchange, kind, answer.flags.fin, false);
        report_sent(exchange, terms.token);
        if (release) exchange.release();
        return HC_OK;
    }
    Loan loan = Loan::of_bytes(exchange, answer.body, terms.token);
    answer.lent = &loan.chain();
    const ErrorKind kind = exchange.respond(answer);
    if (kind == ErrorKind::ok) loan.kept();
    return status_of(noted(exchange, kind, answer.flags.fin, release));
}

hc_status respond_here(Exchange& exchange, const Answer& answer, const Terms& terms) {
    if (terms.interim()) [[unlikely]] {
        return status_of(exchange.interim(answer.status, answer.fields));
    }
    return releasing(exchange, answer.flags.release, [&] [[gnu::always_inline]] () -> hc_status {
        if (terms.lends()) [[unlikely]]
            return respond_lending(exchange, answer, terms);
        const ErrorKind kind = exchange.respond(answer);
        return status_of(noted(exchange, kind, answer.flags.fin, answer.flags.release));
    });
}

hc_status send_here(Exchange& exchange, std::string_view bytes, std::uint32_t flags,
                    std::uint64_t token) {
    if (is_websocket(exchange)) [[unlikely]]
        return HC_E_STATE;
    if ((flags & HC_NOCOPY) == 0) return status_of(exchange.send(bytes, send_flags(flags)));
    if (bytes.empty()) {
        const ErrorKind kind = exchange.send(bytes, {.fin = (flags & HC_FIN) != 0});
        if (kind != ErrorKind::ok) return status_of(kind);
        report_sent(exchange, token);
        if ((flags & HC_RELEASE) != 0) exchange.release();
        return HC_OK;
    }
    Loan loan = Loan::of_bytes(exchange, bytes, token);
    const ErrorKind kind = exchange.send(loan.chain(), send_flags(flags));
    if (kind == ErrorKind::ok) loan.kept();
    return status_of(kind);
}

// -- on other threads -----------------------------------------------------------------------------

/// What the worker would refuse at once, found out beforehand.
hc_status examine_answer(const Exchange& exchange, const Answer& answer, bool interim) {
    if (interim ? !http::is_interim(answer.status) || answer.status == 101
                : answer.status < 200 || answer.status > 599) {
        return HC_E_INVALID;
    }
    const auto facts = h1::examine(answer.fields);
    if (!facts) return status_of(facts.error().kind);
    const bool announced = facts->has_content_length && answer.flags.fin;
    // A length may be announced to a HEAD; whether it is one cannot be read while the head moves.
    const bool no_body = http::never_has_body(answer.status) || !exchange.head_settled() ||
                         exchange.head().method == http::Method::head;
    if (announced && !no_body && facts->content_length != answer.body.size()) return HC_E_INVALID;
    return HC_OK;
}

/// True when it is sure that nothing was answered yet.
bool unanswered(const Exchange& exchange) noexcept {
    return tracked(exchange) && !has(exchange, Bit::responded);
}

/// Marks what a call to the worker will have done, unless another did before.
hc_status claim(Exchange& exchange, std::uint32_t flags) noexcept {
    if (has(exchange, Bit::closed)) return HC_E_CLOSED;
    if (!set(exchange, Bit::responded)) return HC_E_STATE;
    if ((flags & HC_FIN) != 0) set(exchange, Bit::finished);
    if ((flags & HC_RELEASE) != 0) mark_released(exchange);
    return HC_OK;
}

hc_status respond_away(const Away& away, const Answer& answer, const Terms& terms) {
    Exchange& exchange = away.exchange();
    if (const hc_status bad = examine_answer(exchange, answer, terms.interim()); bad != HC_OK) {
        return bad;
    }
    KeptFields fields(answer.fields);
    if (terms.interim()) {
        if (has(exchange, Bit::closed)) return HC_E_CLOSED;
        if (has(exchange, Bit::responded)) return HC_E_STATE;
        return away.post([status = answer.status, fields = std::move(fields)](Exchange& there) {
            // One to a client that knows none (HTTP/1.0) is let be: it says nothing by itself.
            there.interim(status, fields.fields());
            return ErrorKind::ok;
        });
    }
    std::optional<Loan> loan;
    Chain body;
    if (terms.lends()) {
        loan.emplace(Loan::of_bytes(exchange, answer.body, terms.token));
    } else {
        body.append(answer.body);
    }
    if (const hc_status bad = claim(exchange, terms.flags); bad != HC_OK) return bad;
    if (loan) body = loan->take();
    return away.post([status = answer.status, fields = std::move(fields), body = std::move(body),
                      flags = answer.flags](Exchange& there) mutable {
        return there.respond({.status = status,
                              .fields = fields.fields(),
                              .body = {},
                              .flags = flags,
                              .lent = body.empty() ? nullptr : &body});
    });
}

hc_status push_away(const Away& away, const link::Promise& promise) {
    const Exchange& exchange = away.exchange();
    if (has(exchange, Bit::closed)) return HC_E_CLOSED;
    const ErrorKind bad = link::examine(promise, exchange.context().limits);
    if (bad != ErrorKind::ok) return status_of(bad);
    if (exchange.head_settled() && exchange.head().version < http::Version::http_2) {
        return HC_E_UNSUPPORTED;
    }
    if (has(exchange, Bit::finished)) return HC_E_STATE;
    return away.post([method = promise.method, path = std::string(promise.path),
                      fields = KeptFields(promise.fields)](Exchange& there) {
        // A hint that cannot be given is no reason to end the exchange.
        there.promise({method, path, fields.fields()});
        return ErrorKind::ok;
    });
}

/// `chain` makes the bytes into a chain, once it is sure that they are taken.
template <class MakeChain>
hc_status send_away(const Away& away, std::uint64_t size, std::uint32_t flags, MakeChain&& chain) {
    Exchange& exchange = away.exchange();
    if (has(exchange, Bit::closed)) return HC_E_CLOSED;
    if (has(exchange, Bit::finished) || unanswered(exchange)) return HC_E_STATE;
    if (has(exchange, Bit::websocket)) return HC_E_STATE;
    if (!exchange.accept_remote(size)) {
        if (set(exchange, Bit::wants_writable)) {
            away.post([](Exchange& there) {
                there.want_writable();
                return ErrorKind::ok;
            });
        }
        return HC_E_AGAIN;
    }
    if ((flags & HC_FIN) != 0) set(exchange, Bit::finished);
    if ((flags & HC_RELEASE) != 0) mark_released(exchange);
    return away.post([bytes = chain(), flags = send_flags(flags)](Exchange& there) mutable {
        return there.send_arrived(bytes, flags);
    });
}

hc_status send_bytes_away(const Away& away, std::string_view bytes, std::uint32_t flags,
                          std::uint64_t token) {
    return send_away(away, bytes.size(), flags, [&] {
        if ((flags & HC_NOCOPY) != 0) return Loan::of_bytes(away.exchange(), bytes, token).take();
        Chain copy;
        copy.append(bytes);
        return copy;
    });
}

hc_status send_any(hc_exchange exchange, std::string_view bytes, std::uint32_t flags,
                   std::uint64_t token) {
    return on_exchange(
        exchange,
        [&](Exchange& here) {
            return releasing(here, (flags & HC_RELEASE) != 0,
                             [&] { return send_here(here, bytes, flags, token); });
        },
        [&](const Away& away) { return send_bytes_away(away, bytes, flags, token); });
}

std::string_view view(const void* bytes, std::size_t n) noexcept {
    return {static_cast<const char*>(bytes), n};
}

} // namespace
} // namespace hc::capi

using namespace hc::capi;
using hc::link::Answer;
using hc::link::Exchange;

hc_status hc_respond(hc_exchange exchange, int32_t status, const hc_header* headers,
                     size_t nheaders, const void* body, size_t n, uint32_t flags, uint64_t token) {
    return barrier([&]() -> hc_status {
        if (!respond_flags_are_sound(flags) || (body == nullptr && n > 0) ||
            !are_given(headers, nheaders)) {
            return HC_E_INVALID;
        }
        if (flags == HC_INTERIM ? n > 0 : status < 200 || status > 599) return HC_E_INVALID;
        // Copies, not references: what is referred to lives in memory, not in registers.
        const auto answer = [=] {
            return Answer{.status = status,
                          .fields = fields_of(headers, nheaders),
                          .body = view(body, n),
                          .flags = send_flags(flags)};
        };
        if (Exchange* here = find_here(exchange)) [[likely]] {
            return respond_here(*here, answer(), {flags, token});
        }
        return on_exchange_elsewhere(
            exchange,
            [=](Exchange& there) { return respond_here(there, answer(), {flags, token}); },
            [=](const Away& away) { return respond_away(away, answer(), {flags, token}); });
    });
}

hc_status hc_send(hc_exchange exchange, const void* bytes, size_t n, uint32_t flags,
                  uint64_t token) {
    return barrier([&]() -> hc_status {
        constexpr std::uint32_t allowed = HC_FIN | HC_RELEASE | HC_NOCOPY;
        if (!flags_are_sound(flags, allowed) || (bytes == nullptr && n > 0)) return HC_E_INVALID;
        return send_any(exchange, view(bytes, n), flags, token);
    });
}

hc_status hc_send_file(hc_exchange exchange, intptr_t fd, uint64_t offset, uint64_t length,
                       uint32_t flags, uint64_t token) {
    return barrier([&]() -> hc_status {
        const bool past_end = offset > static_cast<std::uint64_t>(INT64_MAX) ||
                              length > static_cast<std::uint64_t>(INT64_MAX) - offset;
        if (!flags_are_sound(flags, HC_FIN | HC_RELEASE) || fd < 0 || past_end) return HC_E_INVALID;
        if (length == 0) return send_any(exchange, {}, flags | HC_NOCOPY, token);
        return on_exchange(
            exchange,
            [&](Exchange& here) {
                return releasing(here, (flags & HC_RELEASE) != 0, [&]() -> hc_status {
                    if (is_websocket(here)) return HC_E_STATE;
                    Loan loan = Loan::of_file(here, fd, offset, length, token);
                    const hc::ErrorKind kind = here.send(loan.chain(), send_flags(flags));
                    if (kind == hc::ErrorKind::ok) loan.kept();
                    return status_of(kind);
                });
            },
            [&](const Away& away) {
                const std::uint64_t counted = std::min(length, hc::Chain::file_weight);
                return send_away(away, counted, flags, [&] {
                    return Loan::of_file(away.exchange(), fd, offset, length, token).take();
                });
            });
    });
}

hc_status hc_upgrade(hc_exchange exchange, int32_t status, const hc_header* headers,
                     size_t nheaders) {
    return barrier([&]() -> hc_status {
        const bool good_status = status == 101 || (status >= 200 && status <= 299);
        if (!good_status || !are_given(headers, nheaders)) return HC_E_INVALID;
        const auto fields = fields_of(headers, nheaders);
        return on_exchange(
            exchange,
            [&](Exchange& here) {
                return status_of(noted(here, here.upgrade(status, fields), false, false));
            },
            [&](const Away& away) -> hc_status {
                if (const auto facts = hc::h1::examine(fields); !facts) {
                    return status_of(facts.error().kind);
                }
                KeptFields kept(fields);
                if (const hc_status bad = claim(away.exchange(), 0); bad != HC_OK) return bad;
                return away.post([status, kept = std::move(kept)](Exchange& there) {
                    return there.upgrade(status, kept.fields());
                });
            });
    });
}

hc_status hc_push(hc_exchange exchange, int32_t method, const char* path, size_t n,
                  const hc_header* headers, size_t nheaders) {
    return barrier([&]() -> hc_status {
        const bool known = method == HC_METHOD_GET || method == HC_METHOD_HEAD;
        if (!known || path == nullptr || !are_given(headers, nheaders)) return HC_E_INVALID;
        const auto which = static_cast<hc::http::Method>(method);
        const auto fields = fields_of(headers, nheaders);
        return on_exchange(
            exchange,
            [&](Exchange& here) { return status_of(here.promise({which, {path, n}, fields})); },
            [&](const Away& away) { return push_away(away, {which, {path, n}, fields}); });
    });
}

hc_status hc_finish(hc_exchange exchange, const hc_header* trailers, size_t ntrailers) {
    return barrier([&]() -> hc_status {
        if (!are_given(trailers, ntrailers)) return HC_E_INVALID;
        const auto fields = fields_of(trailers, ntrailers);
        return on_exchange(
            exchange,
            [&](Exchange& here) -> hc_status {
                if (is_websocket(here)) return HC_E_STATE;
                return status_of(noted(here, here.finish(fields), true, false));
            },
            [&](const Away& away) -> hc_status {
                if (const auto facts = hc::h1::examine(fields); !facts) {
                    return status_of(facts.error().kind);
                }
                KeptFields kept(fields);
                if (has(away.exchange(), Bit::closed)) return HC_E_CLOSED;
                if (unanswered(away.exchange())) return HC_E_STATE;
                if (has(away.exchange(), Bit::websocket)) return HC_E_STATE;
                if (!set(away.exchange(), Bit::finished)) return HC_E_STATE;
                return away.post([kept = std::move(kept)](Exchange& there) {
                    return there.finish(kept.fields());
                });
            });
    });
}
