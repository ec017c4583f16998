// Channel<T>: work for whoever is free next.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <utility>

#include "core/runtime/sync/channel_state.hpp"

namespace hc::runtime {

/// A queue of at most `capacity` values between any number of tasks, each of which may send and
/// receive. Copies are the same channel. Each value goes to one receiver; receivers that wait are
/// served in the order they came, and so are senders.
///
///     Task<void> worker(Channel<Job> jobs) {
///         while (auto job = co_await jobs.recv()) co_await run(std::move(*job));
///     }
///
/// It ends when somebody closes it: nothing more is accepted, and receivers get what is in it and
/// then nothing. Any thread may call anything. T must move without throwing, see channel_state.hpp.
/// A moved from one may only be assigned to and destroyed.
template <class T>
class Channel {
public:
    class Send;
    class Recv;

    explicit Channel(std::size_t capacity) : state_(std::make_shared<State>(capacity)) {}

    /// Ready when the value is in the channel, or will not be: `closed`, and the value back.
    /// Dropping the future before that sends nothing and gives up its place in line.
    Send send(T value) { return Send(state_, std::move(value)); }
    /// `again` when there is no room, or others wait for it.
    std::expected<void, SendError<T>> try_send(T value) {
        return state_->try_send(std::move(value));
    }
    /// The oldest value; nothing when the channel is closed and empty. Dropping the future takes
    /// nothing out; what it was to get goes to the next.
    Recv recv() { return Recv(state_); }
    /// `again` when there is none that is not somebody's already, or `closed`.
    std::expected<T, ErrorKind> try_recv() { return state_->try_recv(); }
    /// Senders that wait get their values back. Idempotent.
    void close() noexcept { state_->close(); }

    bool is_closed() const noexcept { return state_->is_closed(); }
    std::size_t size() const noexcept { return state_->size(); }
    std::size_t capacity() const noexcept { return state_->capacity(); }
    bool same_channel(const Channel& other) const noexcept { return state_ == other.state_; }

private:
    using State = sync_detail::ChannelState<T>;

    std::shared_ptr<State> state_;
};

/// Keeps the channel. Move it before the first poll only.
template <class T>
class Channel<T>::Send {
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
    friend class Channel;
    Send(std::shared_ptr<State> state, T value)
        : state_(std::move(state)), wait_(*state_), value_(std::move(value)) {}

    std::shared_ptr<State> state_;
    typename State::RoomWait wait_;
    T value_;
};

/// Keeps the channel. Move it before the first poll only.
template <class T>
class Channel<T>::Recv {
public:
    Poll<std::optional<T>> poll(Context& context) noexcept { return wait_.poll(context); }

private:
    friend class Channel;
    explicit Recv(std::shared_ptr<State> state) : state_(std::move(state)), wait_(*state_) {}

    std::shared_ptr<State> state_;
    typename State::ItemWait wait_;
};

} // namespace hc::runtime
