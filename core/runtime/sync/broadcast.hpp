// broadcast: every receiver gets every value that is sent while it is there.
//
// A ring of the last `capacity` values under one mutex. Positions count all values ever sent; a
// receiver is a position. One that falls further behind than the ring reaches loses the oldest
// values, is told how many, and goes on with the oldest that is left: senders never wait.
//
// Each slot counts the receivers that have yet to see its value. The last one moves it out, so a
// value does not live longer than somebody may ask for it.
//
// T is copied under the mutex (share what is large by a shared_ptr): its copy and move constructors
// must not use the channel. Values are destroyed outside.
#pragma once

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/error.hpp"
#include "core/runtime/coop.hpp"
#include "core/runtime/poll.hpp"
#include "core/runtime/sync/send_error.hpp"
#include "core/runtime/sync/waiters.hpp"

namespace hc::runtime::broadcast {

/// Why a receiver has no value: `closed`, all senders are gone and everything was received; `again`
/// (from a try_recv), there is none yet; `limit`, it was too slow and has lost `lagged` values.
struct RecvError {
    ErrorKind kind = ErrorKind::closed;
    std::uint64_t lagged = 0;

    bool operator==(const RecvError&) const = default;
};

template <class T>
class Sender;
template <class T>
class Receiver;

namespace detail {

template <class T>
class State {
public:
    using Answer = std::expected<T, RecvError>;

    explicit State(std::size_t capacity) : ring_(capacity) { assert(capacity > 0); }

    void add_sender() noexcept { senders_.fetch_add(1, std::memory_order_relaxed); }
    void drop_sender() noexcept {
        if (senders_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        std::unique_lock lock(mutex_);
        closed_ = true;
        line_.take_all(sync_detail::Verdict::closed, lock);
    }
    /// The position of a new receiver.
    std::uint64_t add_receiver() noexcept {
        const std::lock_guard lock(mutex_);
        ++receivers_;
        return tail_;
    }
    void drop_receiver(std::uint64_t position) noexcept {
        std::unique_lock lock(mutex_);
        --receivers_;
        for (const std::uint64_t end = tail_;; ++position) {
            position = std::max(position, oldest());
            if (position >= end) return;
            Slot& slot = at(position);
            if (--slot.left != 0) continue;
            std::optional<T> unseen;
            unseen.swap(slot.value);
            lock.unlock();
            unseen.reset();
            lock.lock();
        }
    }

    std::expected<std::size_t, SendError<T>> send(T&& value) {
        std::optional<T> incoming(std::move(value));
        std::unique_lock lock(mutex_);
        const std::size_t count = receivers_;
        if (count == 0) {
            lock.unlock();
            return std::unexpected(SendError<T>{ErrorKind::closed, std::move(*incoming)});
        }
        Slot& slot = at(tail_++);
        slot.value.swap(incoming); // an old value is destroyed at the end
        slot.left = count;
        line_.take_all(sync_detail::Verdict::released, lock);
        return count;
    }
    /// Under the mutex. The next value for the receiver at `position`, which goes on from there.
    Answer take(std::uint64_t& position) {
        if (position == tail_) {
            return std::unexpected(RecvError{closed_ ? ErrorKind::closed : ErrorKind::again});
        }
        if (const std::uint64_t first = oldest(); position < first) {
            const std::uint64_t lagged = first - std::exchange(position, first);
            return std::unexpected(RecvError{ErrorKind::limit, lagged});
        }
        Slot& slot = at(position);
        if (slot.left > 1) {
            Answer copy(*slot.value);
            --slot.left;
            ++position;
            return copy;
        }
        slot.left = 0;
        ++position;
        Answer last(std::move(*slot.value));
        slot.value.reset();
        return last;
    }

    sync_detail::ShortMutex& mutex() noexcept { return mutex_; }
    sync_detail::WaitLine& line() noexcept { return line_; }
    std::size_t receivers() noexcept {
        const std::lock_guard lock(mutex_);
        return receivers_;
    }
    std::uint64_t behind(std::uint64_t position) noexcept {
        const std::lock_guard lock(mutex_);
        return tail_ - std::max(position, oldest());
    }

private:
    struct Slot {
        std::optional<T> value;
        std::size_t left = 0; // receivers that have yet to see it
    };

    Slot& at(std::uint64_t position) noexcept { return ring_[position % ring_.size()]; }
    std::uint64_t oldest() const noexcept {
        return tail_ < ring_.size() ? 0 : tail_ - ring_.size();
    }

    std::atomic<std::size_t> senders_{1};
    sync_detail::ShortMutex mutex_;
    std::vector<Slot> ring_;
    std::uint64_t tail_ = 0; // the position of the next value
    std::size_t receivers_ = 1;
    bool closed_ = false;
    sync_detail::WaitLine line_;
};

} // namespace detail

/// A channel that keeps the last `capacity` values, which must not be 0, with one receiver; more
/// come from Sender::subscribe.
template <class T>
std::pair<Sender<T>, Receiver<T>> channel(std::size_t capacity) {
    auto state = std::make_shared<detail::State<T>>(capacity);
    return {Sender<T>(state), Receiver<T>(state, 0)};
}

/// One of the senders; a copy is one more, and may be used on another thread at once. A moved from
/// one may only be assigned to and destroyed.
template <class T>
class Sender {
public:
    Sender(const Sender& other) noexcept : state_(other.state_) {
        if (state_ != nullptr) state_->add_sender();
    }
    Sender(Sender&& other) noexcept = default;
    Sender& operator=(Sender other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~Sender() {
        if (state_ != nullptr) state_->drop_sender();
    }

    /// Never waits. How many receivers will see it; when there are none, `closed` and the value.
    std::expected<std::size_t, SendError<T>> send(T value) const {
        return state_->send(std::move(value));
    }
    /// A receiver of all that is sent from now on.
    Receiver<T> subscribe() const { return Receiver<T>(state_, state_->add_receiver()); }
    std::size_t receiver_count() const noexcept { return state_->receivers(); }

private:
    friend std::pair<Sender, Receiver<T>> channel<T>(std::size_t capacity);
    explicit Sender(std::shared_ptr<detail::State<T>> state) noexcept : state_(std::move(state)) {}

    std::shared_ptr<detail::State<T>> state_;
};

/// One thread at a time. A moved from one may only be assigned to and destroyed.
template <class T>
class Receiver {
public:
    class Recv;

    Receiver(Receiver&& other) noexcept = default;
    Receiver& operator=(Receiver other) noexcept {
        std::swap(state_, other.state_);
        std::swap(position_, other.position_);
        return *this;
    }
    ~Receiver() {
        if (state_ != nullptr) state_->drop_receiver(position_);
    }

    /// The next value. Dropping the future takes nothing. Not beyond the receiver.
    Recv recv() noexcept { return Recv(*this); }
    std::expected<T, RecvError> try_recv() {
        const std::lock_guard lock(state_->mutex());
        return state_->take(position_);
    }
    /// One more, for what is sent from now on.
    Receiver resubscribe() const { return Receiver(state_, state_->add_receiver()); }
    /// How many values wait for it, without those that it has lost.
    std::size_t size() const noexcept { return state_->behind(position_); }

private:
    friend class Sender<T>;
    friend std::pair<Sender<T>, Receiver> channel<T>(std::size_t capacity);
    Receiver(std::shared_ptr<detail::State<T>> state, std::uint64_t position) noexcept
        : state_(std::move(state)), position_(position) {}

    std::shared_ptr<detail::State<T>> state_;
    std::uint64_t position_; // of the next value
};

/// Move it before the first poll only.
template <class T>
class Receiver<T>::Recv : private sync_detail::Waiter {
public:
    Recv(Recv&& other) noexcept : Recv(*other.receiver_) { assert(!other.in_line_); }
    ~Recv() {
        if (!in_line_) return;
        const std::lock_guard lock(receiver_->state_->mutex());
        unlink();
    }

    Poll<std::expected<T, RecvError>> poll(Context& context) {
        if (!coop::proceed(context)) return pending;
        auto& state = *receiver_->state_;
        Waker unused; // dropped after the mutex
        const std::lock_guard lock(state.mutex());
        auto answer = state.take(receiver_->position_);
        if (!answer && answer.error().kind == ErrorKind::again) {
            in_line_ = true;
            unused = state.line().wait(*this, context);
            return pending;
        }
        coop::took();
        return answer;
    }

private:
    friend class Receiver;
    explicit Recv(Receiver& receiver) noexcept : receiver_(&receiver) {}

    Receiver* receiver_;
    bool in_line_ = false;
};

} // namespace hc::runtime::broadcast
