// mpsc: many senders, one receiver. channel<T>(capacity) makes senders wait while it is full;
// unbounded_channel<T>() takes what memory there is.
//
// T must move without throwing, see channel_state.hpp.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <utility>

#include "core/runtime/sync/channel_state.hpp"

namespace hc::runtime::mpsc {

template <class T>
class Sender;
template <class T>
class UnboundedSender;
template <class T>
class Receiver;

namespace detail {

/// One of the senders: the channel closes when the last one goes.
template <class T>
class SenderHandle {
public:
    using State = sync_detail::ChannelState<T>;

    explicit SenderHandle(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}
    SenderHandle(const SenderHandle& other) noexcept : state_(other.state_) {
        if (state_ != nullptr) state_->add_sender();
    }
    SenderHandle(SenderHandle&& other) noexcept = default;
    SenderHandle& operator=(SenderHandle other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~SenderHandle() {
        if (state_ != nullptr) state_->drop_sender();
    }
    State* operator->() const noexcept { return state_.get(); }
    State& operator*() const noexcept { return *state_; }
    bool operator==(const SenderHandle& other) const noexcept { return state_ == other.state_; }

private:
    std::shared_ptr<State> state_;
};

} // namespace detail

/// A channel of `capacity` values, which must not be 0.
template <class T>
std::pair<Sender<T>, Receiver<T>> channel(std::size_t capacity) {
    auto state = std::make_shared<sync_detail::ChannelState<T>>(capacity);
    return {Sender<T>(state), Receiver<T>(state)};
}

/// A channel whose senders never wait. Its bound is elsewhere: in what makes them send.
template <class T>
std::pair<UnboundedSender<T>, Receiver<T>> unbounded_channel() {
    using State = sync_detail::ChannelState<T>;
    auto state = std::make_shared<State>(State::unbounded);
    return {UnboundedSender<T>(state), Receiver<T>(state)};
}

/// A place in the channel that is kept free for its owner. Destroying it gives the place to the
/// next. Not beyond the sender it came from.
template <class T>
class [[nodiscard]] Permit {
public:
    Permit(Permit&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    Permit& operator=(Permit other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~Permit() {
        if (state_ != nullptr) state_->give_back();
    }
    /// Never waits, and works after a close as well, as long as there is a receiver; without one
    /// the value is destroyed.
    void send(T value) && noexcept { std::exchange(state_, nullptr)->fill(value); }

private:
    friend class Sender<T>;
    using State = sync_detail::ChannelState<T>;
    explicit Permit(State& state) noexcept : state_(&state) {}

    State* state_;
};

/// One of the senders; a copy is one more. Copies may be used on several threads at once, one copy
/// on one at a time while it is moved or destroyed. The channel is closed when the last one goes.
/// Its futures and permits must not live longer than the sender they came from.
template <class T>
class Sender {
public:
    class Send;
    class Reserve;
    using Closed = typename sync_detail::ChannelState<T>::EndWait;

    /// Ready when the value is in the channel, or will not be: `closed`, and the value back. First
    /// come, first served. Dropping the future before that sends nothing.
    Send send(T value) { return Send(*state_, std::move(value)); }
    /// `again` when there is no room, or others wait for it; `closed`.
    std::expected<void, SendError<T>> try_send(T value) {
        return state_->try_send(std::move(value));
    }
    /// A place for a value that is not there yet, or `closed`.
    Reserve reserve() noexcept { return Reserve(*state_); }
    std::expected<Permit<T>, ErrorKind> try_reserve() noexcept {
        if (const ErrorKind kind = state_->try_reserve(); kind != ErrorKind::ok) {
            return std::unexpected(kind);
        }
        return Permit<T>(*state_);
    }
    /// Ready when nothing is accepted any more: the receiver is gone, or closed the channel.
    Closed closed() noexcept { return Closed(*state_); }
    bool is_closed() const noexcept { return state_->is_closed(); }
    /// How many values could be sent now if nobody waited.
    std::size_t capacity() const noexcept { return state_->room(); }
    std::size_t max_capacity() const noexcept { return state_->capacity(); }
    bool same_channel(const Sender& other) const noexcept { return state_ == other.state_; }

private:
    using State = sync_detail::ChannelState<T>;
    friend std::pair<Sender, Receiver<T>> channel<T>(std::size_t capacity);
    explicit Sender(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}
    static Permit<T> permit(State& state) noexcept { return Permit<T>(state); }

    detail::SenderHandle<T> state_;
};

/// Move it before the first poll only.
template <class T>
class Sender<T>::Send {
public:
    Poll<std::expected<void, SendError<T>>> poll(Context& context) {
        using enum sync_detail::Verdict;
        using Answer = std::expected<void, SendError<T>>;
        const auto verdict = wait_.ask(context, &value_);
        if (verdict == none_yet) return pending;
        if (verdict == granted) return Answer();
        return Answer(std::unexpected(SendError<T>{ErrorKind::closed, std::move(value_)}));
    }

private:
    friend class Sender;
    Send(State& state, T value) : wait_(state), value_(std::move(value)) {}

    typename State::RoomWait wait_;
    T value_;
};

/// Move it before the first poll only.
template <class T>
class Sender<T>::Reserve {
public:
    Poll<std::expected<Permit<T>, ErrorKind>> poll(Context& context) noexcept {
        using enum sync_detail::Verdict;
        using Answer = std::expected<Permit<T>, ErrorKind>;
        const auto verdict = wait_.ask(context, nullptr);
        if (verdict == none_yet) return pending;
        if (verdict == granted) return Answer(Sender::permit(*state_));
        return Answer(std::unexpected(ErrorKind::closed));
    }

private:
    friend class Sender;
    explicit Reserve(State& state) noexcept : state_(&state), wait_(state) {}

    State* state_;
    typename State::RoomWait wait_;
};

/// The same for a channel without a bound, so that sending never waits.
template <class T>
class UnboundedSender {
public:
    using Closed = typename sync_detail::ChannelState<T>::EndWait;

    /// `closed`, and the value back.
    std::expected<void, SendError<T>> send(T value) { return state_->try_send(std::move(value)); }
    Closed closed() noexcept { return Closed(*state_); }
    bool is_closed() const noexcept { return state_->is_closed(); }
    bool same_channel(const UnboundedSender& other) const noexcept {
        return state_ == other.state_;
    }

private:
    using State = sync_detail::ChannelState<T>;
    friend std::pair<UnboundedSender, Receiver<T>> unbounded_channel<T>();
    explicit UnboundedSender(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}

    detail::SenderHandle<T> state_;
};

/// The receiver, bounded or not. One thread at a time. When it goes the channel is closed, and what
/// is in it is destroyed. A moved from one may only be assigned to and destroyed.
template <class T>
class Receiver {
public:
    using Recv = typename sync_detail::ChannelState<T>::ItemWait;

    Receiver(Receiver&& other) noexcept = default;
    Receiver& operator=(Receiver other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~Receiver() {
        if (state_ != nullptr) state_->abandon();
    }

    /// The oldest value; nothing when the channel is closed (or all senders are gone) and empty,
    /// with no permit out. Dropping the future takes nothing out. Not beyond the receiver.
    Recv recv() noexcept { return Recv(*state_); }
    /// `again` when there is none yet, `closed` when there will be none.
    std::expected<T, ErrorKind> try_recv() noexcept { return state_->try_recv(); }
    /// Accepts no more. What is there, or was promised by a permit, can still be received.
    void close() noexcept { state_->close(); }
    bool is_closed() const noexcept { return state_->is_closed(); }
    std::size_t size() const noexcept { return state_->size(); }

private:
    using State = sync_detail::ChannelState<T>;
    friend std::pair<Sender<T>, Receiver> channel<T>(std::size_t capacity);
    friend std::pair<UnboundedSender<T>, Receiver> unbounded_channel<T>();
    explicit Receiver(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}

    std::shared_ptr<State> state_;
};

} // namespace hc::runtime::mpsc
