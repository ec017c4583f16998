// watch: the newest value of something, and word of its changes.
//
// A value is immutable once it is out: a change makes a new one and shares it. So what borrow()
// gives may be kept as long as one likes, across awaits as well, and keeps nobody waiting.
//
//   value, receivers, closed   under `mutex`
//   version                    written under `mutex`, read without: how many changes there were
//   `writers`                  held by a sender that replaces the value, before `mutex`: a change
//                              made from the value before does not lose one made meanwhile. It is
//                              let go before anybody is woken.
#pragma once

#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <mutex>
#include <utility>

#include "core/base/error.hpp"
#include "core/runtime/coop.hpp"
#include "core/runtime/poll.hpp"
#include "core/runtime/sync/send_error.hpp"
#include "core/runtime/sync/waiters.hpp"

namespace hc::runtime::watch {

template <class T>
class Sender;
template <class T>
class Receiver;
/// A value as it was when it was asked for.
template <class T>
using Ref = std::shared_ptr<const T>;

namespace detail {

template <class T>
class State {
public:
    explicit State(std::shared_ptr<T> value) noexcept : value_(std::move(value)) {}

    void add_sender() noexcept { senders_.fetch_add(1, std::memory_order_relaxed); }
    void drop_sender() noexcept {
        if (senders_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        std::unique_lock lock(mutex_);
        closed_ = true;
        changes_.take_all(sync_detail::Verdict::closed, lock);
    }
    std::uint64_t add_receiver() noexcept {
        const std::lock_guard lock(mutex_);
        ++receivers_;
        return version();
    }
    void drop_receiver() noexcept {
        std::unique_lock lock(mutex_);
        if (--receivers_ == 0) ends_.take_all(sync_detail::Verdict::released, lock);
    }

    /// Gives the value that was there; with `only_if_seen` and no receivers, the new one. `writer`
    /// holds `writers`, and does not any more when this wakes somebody.
    std::shared_ptr<T> replace(std::shared_ptr<T> value, bool only_if_seen,
                               std::unique_lock<std::mutex>& writer) noexcept {
        std::unique_lock lock(mutex_);
        if (only_if_seen && receivers_ == 0) return value;
        value_.swap(value);
        version_.fetch_add(1, std::memory_order_release);
        writer.unlock();
        changes_.take_all(sync_detail::Verdict::released, lock);
        return value;
    }
    Ref<T> borrow(std::uint64_t* seen) noexcept {
        const std::lock_guard lock(mutex_);
        if (seen != nullptr) *seen = version();
        return value_;
    }
    std::uint64_t version() const noexcept { return version_.load(std::memory_order_acquire); }
    std::mutex& writers() noexcept { return writers_; }
    sync_detail::ShortMutex& mutex() noexcept { return mutex_; }
    // Under the mutex.
    bool is_closed() const noexcept { return closed_; }
    std::size_t receivers() const noexcept { return receivers_; }
    sync_detail::WaitLine& changes() noexcept { return changes_; }
    sync_detail::WaitLine& ends() noexcept { return ends_; }

private:
    std::atomic<std::uint64_t> version_{0};
    std::atomic<std::size_t> senders_{1};
    std::mutex writers_;
    sync_detail::ShortMutex mutex_;
    std::shared_ptr<T> value_;
    std::size_t receivers_ = 1;
    bool closed_ = false;
    sync_detail::WaitLine changes_; // of receivers
    sync_detail::WaitLine ends_;    // of senders that wait for the last receiver to go
};

/// A receiver that waits for a version it has not seen.
template <class T>
class ChangeWait : private sync_detail::Waiter {
public:
    explicit ChangeWait(State<T>& state) noexcept : state_(&state) {}
    ChangeWait(ChangeWait&& other) noexcept : ChangeWait(*other.state_) { assert(!other.in_line_); }
    ~ChangeWait() {
        if (!in_line_) return;
        const std::lock_guard lock(state_->mutex());
        unlink();
    }

    /// released: `seen` is the newest version now. closed: there will be no other.
    sync_detail::Verdict ask(Context& context, std::uint64_t& seen) noexcept {
        using enum sync_detail::Verdict;
        if (!coop::proceed(context)) return none_yet;
        if (see(seen)) return released;
        Waker unused; // dropped after the mutex
        const std::lock_guard lock(state_->mutex());
        if (see(seen)) return released;
        if (state_->is_closed()) return coop::took(), closed;
        in_line_ = true;
        unused = state_->changes().wait(*this, context);
        return none_yet;
    }

private:
    bool see(std::uint64_t& seen) noexcept {
        const std::uint64_t newest = state_->version();
        if (newest == seen) return false;
        coop::took();
        seen = newest;
        return true;
    }

    State<T>* state_;
    bool in_line_ = false;
};

} // namespace detail

/// A channel that holds `value`, which the receiver has seen.
template <class T>
std::pair<Sender<T>, Receiver<T>> channel(T value) {
    auto state = std::make_shared<detail::State<T>>(std::make_shared<T>(std::move(value)));
    return {Sender<T>(state), Receiver<T>(state, 0)};
}

/// One of the senders; a copy is one more, and may be used on another thread at once. A moved from
/// one may only be assigned to and destroyed.
template <class T>
class Sender {
public:
    class Closed;

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

    /// `closed`, and the value back, when there are no receivers.
    std::expected<void, SendError<T>> send(T value) const {
        auto made = std::make_shared<T>(std::move(value));
        const T* const mine = made.get();
        const auto old = replace(std::move(made), true);
        if (old.get() != mine) return {};
        return std::unexpected(SendError<T>{ErrorKind::closed, std::move(*old)});
    }
    /// Whether or not there are receivers; gives the value that was there.
    Ref<T> send_replace(T value) const {
        return replace(std::make_shared<T>(std::move(value)), false);
    }
    /// `change` is called with a copy of the value, which then takes its place. It must not send on
    /// this channel: other senders wait for it.
    template <class Change>
    void send_modify(Change&& change) const {
        send_if_modified([&change](T& value) {
            std::forward<Change>(change)(value);
            return true;
        });
    }
    /// The same, for a `change` that says whether it changed anything; if not, nothing is sent.
    /// Gives what it says.
    template <class Change>
    bool send_if_modified(Change&& change) const {
        std::shared_ptr<T> value; // the one that is not needed is destroyed after the lock
        std::unique_lock writer(state_->writers());
        value = std::make_shared<T>(*borrow());
        if (!std::forward<Change>(change)(*value)) return false;
        value = state_->replace(std::move(value), false, writer);
        return true;
    }

    Ref<T> borrow() const noexcept { return state_->borrow(nullptr); }
    /// A receiver that has seen the value of now.
    Receiver<T> subscribe() const {
        const std::uint64_t seen = state_->add_receiver();
        return Receiver<T>(state_, seen);
    }
    std::size_t receiver_count() const noexcept {
        const std::lock_guard lock(state_->mutex());
        return state_->receivers();
    }
    bool is_closed() const noexcept { return receiver_count() == 0; }
    /// Ready when there is no receiver. Not beyond the sender.
    Closed closed() const noexcept { return Closed(*state_); }

private:
    using State = detail::State<T>;
    friend std::pair<Sender, Receiver<T>> channel<T>(T value);
    explicit Sender(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}

    std::shared_ptr<T> replace(std::shared_ptr<T> value, bool only_if_seen) const noexcept {
        std::unique_lock writer(state_->writers());
        return state_->replace(std::move(value), only_if_seen, writer);
    }

    std::shared_ptr<State> state_;
};

/// Move it before the first poll only.
template <class T>
class Sender<T>::Closed : private sync_detail::Waiter {
public:
    Closed(Closed&& other) noexcept : Closed(*other.state_) { assert(!other.in_line_); }
    ~Closed() {
        if (!in_line_) return;
        const std::lock_guard lock(state_->mutex());
        unlink();
    }

    Poll<void> poll(Context& context) noexcept {
        if (!coop::proceed(context)) return pending;
        Waker unused; // dropped after the mutex
        const std::lock_guard lock(state_->mutex());
        if (state_->receivers() != 0) {
            in_line_ = true;
            unused = state_->ends().wait(*this, context);
            return pending;
        }
        coop::took();
        return Poll<void>::ready();
    }

private:
    friend class Sender;
    explicit Closed(State& state) noexcept : state_(&state) {}

    State* state_;
    bool in_line_ = false;
};

/// A view of the value that remembers which version it has seen. A copy is one more receiver that
/// has seen the same. One thread at a time each. A moved from one may only be assigned to and
/// destroyed.
template <class T>
class Receiver {
public:
    class Changed;
    template <class Predicate>
    class WaitFor;

    Receiver(const Receiver& other) noexcept : state_(other.state_), seen_(other.seen_) {
        if (state_ != nullptr) state_->add_receiver();
    }
    Receiver(Receiver&& other) noexcept = default;
    Receiver& operator=(Receiver other) noexcept {
        std::swap(state_, other.state_);
        std::swap(seen_, other.seen_);
        return *this;
    }
    ~Receiver() {
        if (state_ != nullptr) state_->drop_receiver();
    }

    /// The newest value, which does not count as seen.
    Ref<T> borrow() const noexcept { return state_->borrow(nullptr); }
    /// The newest value, which is seen from now on.
    Ref<T> borrow_and_update() noexcept { return state_->borrow(&seen_); }
    /// Whether there is a value that it has not seen; `closed` when there is none and never will.
    std::expected<bool, ErrorKind> has_changed() const noexcept {
        const std::lock_guard lock(state_->mutex());
        if (state_->version() != seen_) return true;
        if (state_->is_closed()) return std::unexpected(ErrorKind::closed);
        return false;
    }
    void mark_changed() noexcept { seen_ = state_->version() - 1; }
    void mark_unchanged() noexcept { seen_ = state_->version(); }
    /// Ready when there is a value that it has not seen, which counts as seen then; or `closed`.
    /// Values in between are skipped. Not beyond the receiver.
    Changed changed() noexcept { return Changed(*this); }
    /// The first value, the one of now included, for which `predicate(const T&)` is true; it and
    /// those before count as seen. `closed` when no sender is left to make it so.
    template <class Predicate>
    WaitFor<Predicate> wait_for(Predicate predicate) {
        return WaitFor<Predicate>(*this, std::move(predicate));
    }
    bool same_channel(const Receiver& other) const noexcept { return state_ == other.state_; }

private:
    friend class Sender<T>;
    friend std::pair<Sender<T>, Receiver> channel<T>(T value);
    Receiver(std::shared_ptr<detail::State<T>> state, std::uint64_t seen) noexcept
        : state_(std::move(state)), seen_(seen) {}

    std::shared_ptr<detail::State<T>> state_;
    std::uint64_t seen_;
};

/// Move it before the first poll only.
template <class T>
class Receiver<T>::Changed {
public:
    Poll<std::expected<void, ErrorKind>> poll(Context& context) noexcept {
        using enum sync_detail::Verdict;
        using Answer = std::expected<void, ErrorKind>;
        const auto verdict = wait_.ask(context, receiver_->seen_);
        if (verdict == none_yet) return pending;
        return verdict == closed ? Answer(std::unexpected(ErrorKind::closed)) : Answer();
    }

private:
    friend class Receiver;
    explicit Changed(Receiver& receiver) noexcept : receiver_(&receiver), wait_(*receiver.state_) {}

    Receiver* receiver_;
    detail::ChangeWait<T> wait_;
};

/// Move it before the first poll only.
template <class T>
template <class Predicate>
class Receiver<T>::WaitFor {
public:
    Poll<std::expected<Ref<T>, ErrorKind>> poll(Context& context) {
        using enum sync_detail::Verdict;
        using Answer = std::expected<Ref<T>, ErrorKind>;
        for (;;) {
            if (!looked_) {
                if (!coop::proceed(context)) return pending;
                looked_ = true;
                auto value = receiver_->borrow_and_update();
                if (predicate_(*value)) return coop::took(), Answer(std::move(value));
            }
            const auto verdict = wait_.ask(context, receiver_->seen_);
            if (verdict == none_yet) return pending;
            if (verdict == closed) return Answer(std::unexpected(ErrorKind::closed));
            looked_ = false;
        }
    }

private:
    friend class Receiver;
    WaitFor(Receiver& receiver, Predicate predicate)
        : receiver_(&receiver), predicate_(std::move(predicate)), wait_(*receiver.state_) {}

    Receiver* receiver_;
    Predicate predicate_;
    bool looked_ = false; // at the value that was seen last
    detail::ChangeWait<T> wait_;
};

} // namespace hc::runtime::watch
