// What the C API keeps with an exchange: marks in a word of the exchange's own, and a Bridge, made
// with the request for a queue or for the pool; for an inline exchange only when its head is asked
// for after the callback. Any thread that has the exchange pinned may use both.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "capi/src/head.hpp"
#include "core/base/error.hpp"
#include "core/link/exchange.hpp"

namespace hc::capi {

class Lane;
class QueueCore;

/// What calls from other threads have asked for (the worker may not have got it yet), and what they
/// must know. In Exchange::user_bits.
enum class Bit : std::uint32_t {
    released = 1,
    responded = 2,
    finished = 4,
    wants_writable = 8, // a want_writable() is on its way or waits
    closed = 16,        // on_closed came
    body_ended = 32,    // on_body_end came: trailers may be read
    known = 64,         // on_request came: the user is set, other threads may ask for it
};

inline bool has(const link::Exchange& exchange, Bit bit) noexcept {
    const auto mask = static_cast<std::uint32_t>(bit);
    return (exchange.user_bits.load(std::memory_order_acquire) & mask) != 0;
}
/// True when this call set it.
inline bool set(link::Exchange& exchange, Bit bit) noexcept {
    const auto mask = static_cast<std::uint32_t>(bit);
    return (exchange.user_bits.fetch_or(mask, std::memory_order_acq_rel) & mask) == 0;
}
inline void clear(link::Exchange& exchange, Bit bit) noexcept {
    exchange.user_bits.fetch_and(~static_cast<std::uint32_t>(bit), std::memory_order_acq_rel);
}
/// On the worker, before anybody was told of the exchange: other threads turn it away until then.
inline void make_known(link::Exchange& exchange) noexcept {
    exchange.user_bits.store(static_cast<std::uint32_t>(Bit::known), std::memory_order_release);
}
/// Why the worker aborts an exchange: a call of another thread that it could not do. In the upper
/// half of the same word.
inline void set_failure(link::Exchange& exchange, ErrorKind why) noexcept {
    const auto number = static_cast<std::uint32_t>(-static_cast<std::int32_t>(why));
    exchange.user_bits.fetch_or(number << 16, std::memory_order_relaxed);
}
inline ErrorKind failure_of(const link::Exchange& exchange) noexcept {
    const std::uint32_t number = exchange.user_bits.load(std::memory_order_relaxed) >> 16;
    return static_cast<ErrorKind>(-static_cast<std::int32_t>(number));
}

class Bridge final : public link::Exchange::Attachment {
public:
    Bridge() = default;
    Bridge(QueueCore& to, bool consumer_is_elsewhere) noexcept
        : queue(&to), tracked(consumer_is_elsewhere) {}
    explicit Bridge(std::shared_ptr<Lane> to) noexcept : lane(std::move(to)), tracked(true) {}
    ~Bridge() override;

    /// The tables, made at the first call. Several threads may ask at once: one table wins.
    const hc_head& head_of(const link::Exchange& exchange);
    FieldTable& trailers_of(const link::Exchange& exchange);

    QueueCore* const queue = nullptr; // lives as long as the server's users
    const std::shared_ptr<Lane> lane; // its place on the pool, when it is handled there
    /// All calls are expected from other threads, so that the marks tell how far the answer is.
    const bool tracked = false;
    Ends ends; // written before others can see the bridge

private:
    std::atomic<HeadTable*> head_{nullptr};
    std::atomic<FieldTable*> trailers_{nullptr};
};

/// The bridge of an exchange, or nullptr. On its worker, or pinned.
inline Bridge* bridge_of(const link::Exchange& exchange) noexcept {
    return static_cast<Bridge*>(exchange.attachment.load(std::memory_order_acquire));
}

inline bool tracked(const link::Exchange& exchange) noexcept {
    const Bridge* bridge = bridge_of(exchange);
    return bridge != nullptr && bridge->tracked;
}

/// The bridge of an exchange, made when there is none. On its worker, or pinned.
Bridge& make_bridge(link::Exchange& exchange);
/// The same with one that the caller has made.
Bridge& settle_bridge(link::Exchange& exchange, std::unique_ptr<Bridge> made);

} // namespace hc::capi
