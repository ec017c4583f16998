// oneshot: one value from one task to another.
//
// Both ends share one allocation without a lock. Its word of flags:
//
//   complete         set once, by the sender: `value` is there, or it will never come. Never set
//                    after `closed`.
//   closed           set once, by the receiver: it does not want the value any more
//   receiver_waits   set and cleared by the receiver: its waker is there
//   sender_waits     set and cleared by the sender: its waker is there
//
// Who may touch what. `value`: the sender before `complete`, the receiver from then on. A waker:
// its own side while its flag is clear. Whoever sets `complete` (or `closed`) and finds the other
// side's flag set owns that waker from then on, takes it out and wakes it. Whoever sets its flag
// and finds the other side's end set already was not seen by it, keeps its waker and does not wait.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <optional>
#include <utility>

#include "core/base/error.hpp"
#include "core/runtime/coop.hpp"
#include "core/runtime/poll.hpp"
#include "core/runtime/waker.hpp"

namespace hc::runtime::oneshot {

template <class T>
class Sender;
template <class T>
class Receiver;

namespace detail {

template <class T>
struct State {
    static constexpr std::uint32_t complete = 1;
    static constexpr std::uint32_t closed = 2;
    static constexpr std::uint32_t receiver_waits = 4;
    static constexpr std::uint32_t sender_waits = 8;

    std::atomic<std::uint32_t> flags{0};
    std::atomic<std::uint32_t> refs{2};
    std::optional<T> value;
    Waker receiver;
    Waker sender;

    std::uint32_t load() const noexcept { return flags.load(std::memory_order_acquire); }
    void drop() noexcept {
        if (refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }
    /// One side waits in `waker` under its flag `waits`, unless the other side has set `end`: then
    /// false.
    bool wait(Waker& waker, std::uint32_t waits, std::uint32_t end, Context& context) {
        std::uint32_t seen = load();
        if ((seen & end) != 0) return false;
        if ((seen & waits) != 0) {
            seen = flags.fetch_and(~waits, std::memory_order_acq_rel);
            if ((seen & end) != 0) return false;
        }
        if (!waker.will_wake(context.waker())) waker = context.waker();
        seen = flags.fetch_or(waits, std::memory_order_acq_rel);
        if ((seen & end) == 0) return true;
        waker = {};
        return false;
    }
    /// The same side does not wait any more.
    void stop_waiting(Waker& waker, std::uint32_t waits, std::uint32_t end) noexcept {
        if ((flags.fetch_and(~waits, std::memory_order_acq_rel) & end) == 0) waker = {};
    }
    /// The sender's end. False when the receiver does not want it.
    bool set_complete() noexcept {
        std::uint32_t seen = flags.load(std::memory_order_relaxed);
        do {
            if ((seen & closed) != 0) return false;
        } while (!flags.compare_exchange_weak(seen, seen | complete, std::memory_order_acq_rel,
                                              std::memory_order_relaxed));
        if ((seen & receiver_waits) != 0) std::exchange(receiver, {}).wake();
        return true;
    }
    /// The receiver's end. The flags before.
    std::uint32_t set_closed() noexcept {
        const std::uint32_t seen = flags.fetch_or(closed, std::memory_order_acq_rel);
        if ((seen & (sender_waits | complete | closed)) == sender_waits) {
            std::exchange(sender, {}).wake();
        }
        return seen;
    }
};

} // namespace detail

/// Both ends; one allocation.
template <class T>
std::pair<Sender<T>, Receiver<T>> channel() {
    auto* const state = new detail::State<T>;
    return {Sender<T>(state), Receiver<T>(state)};
}

/// Gives the value. One thread at a time. A moved from or used up one may only be assigned to and
/// destroyed. Destroying it unused tells the receiver that nothing will come.
template <class T>
class Sender {
public:
    class Closed;

    Sender(Sender&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    Sender& operator=(Sender other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~Sender() {
        if (state_ == nullptr) return;
        state_->set_complete();
        state_->drop();
    }

    /// Gives the value back when the receiver is gone or closed. Otherwise the receiver may take
    /// it; when it goes without that, the value is destroyed with it.
    std::expected<void, T> send(T value) && {
        state_->value.emplace(std::move(value)); // first, since it may throw
        State& state = *std::exchange(state_, nullptr);
        std::optional<T> back;
        if (!state.set_complete()) back = std::exchange(state.value, std::nullopt);
        state.drop();
        if (back) return std::unexpected<T>(std::move(*back));
        return {};
    }
    /// True when nobody will take the value.
    bool is_closed() const noexcept { return (state_->load() & State::closed) != 0; }
    /// Ready when nobody will take the value any more. One at a time; not beyond the sender.
    Closed closed() noexcept { return Closed(*state_); }

private:
    using State = detail::State<T>;
    friend std::pair<Sender, Receiver<T>> channel<T>();
    explicit Sender(State* state) noexcept : state_(state) {}

    State* state_;
};

template <class T>
class Sender<T>::Closed {
public:
    Closed(Closed&& other) noexcept
        : state_(other.state_), waits_(std::exchange(other.waits_, false)) {}
    ~Closed() {
        if (waits_) state_->stop_waiting(state_->sender, State::sender_waits, State::closed);
    }

    Poll<void> poll(Context& context) {
        if (!coop::proceed(context)) return pending;
        waits_ = state_->wait(state_->sender, State::sender_waits, State::closed, context);
        if (waits_) return pending;
        coop::took();
        return Poll<void>::ready();
    }

private:
    friend class Sender;
    explicit Closed(State& state) noexcept : state_(&state) {}

    State* state_;
    bool waits_ = false;
};

/// Takes the value, and is itself the future of it: `co_await std::move(receiver)`, or
/// `co_await receiver` for one that stays where it is. One thread at a time; it may move at any
/// time. A moved from one may only be assigned to and destroyed.
template <class T>
class Receiver {
public:
    Receiver(Receiver&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    Receiver& operator=(Receiver other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~Receiver() {
        if (state_ == nullptr) return;
        if ((state_->set_closed() & State::complete) != 0) {
            state_->value.reset();
        } else {
            state_->receiver = {}; // the sender will not look at it any more
        }
        state_->drop();
    }

    /// The value; nothing when the sender went without sending, or this was closed before it did.
    Poll<std::optional<T>> poll(Context& context) {
        if (!coop::proceed(context)) return pending;
        if ((state_->load() & State::closed) == 0 &&
            state_->wait(state_->receiver, State::receiver_waits, State::complete, context)) {
            return pending;
        }
        coop::took();
        return take();
    }
    /// The value at once: `again` when it may still come, else `closed`.
    std::expected<T, ErrorKind> try_recv() {
        const std::uint32_t flags = state_->load();
        if ((flags & (State::complete | State::closed)) == 0) {
            return std::unexpected(ErrorKind::again);
        }
        auto value = take();
        if (!value) return std::unexpected(ErrorKind::closed);
        return std::move(*value);
    }
    /// No value is accepted from now on; one that was sent before can still be taken.
    void close() noexcept { state_->set_closed(); }

private:
    using State = detail::State<T>;
    friend std::pair<Sender<T>, Receiver> channel<T>();
    explicit Receiver(State* state) noexcept : state_(state) {}

    std::optional<T> take() {
        if ((state_->load() & State::complete) == 0) return std::nullopt;
        return std::exchange(state_->value, std::nullopt);
    }

    State* state_;
};

} // namespace hc::runtime::oneshot
