// ChannelState<T>: the queue between senders and receivers, of which mpsc and Channel are made.
//
// Everything is under one mutex. Room and items are handed out in the same way, first come, first
// served, and each is counted while it belongs to somebody who has not used it yet:
//
//   reserved   places that belong to a sender: one in line that was woken, or a Permit
//   claimed    items that belong to a receiver in line that was woken
//
//   items + reserved <= capacity        a sender waits only when they are equal
//   claimed <= items                    a receiver waits only when they are equal
//
// So nobody who comes later takes what one who was woken will look for, and one that is destroyed
// instead of looking gives it to the next. Which item a claim is does not matter: who looks first
// takes the oldest.
//
// The end. `closed`: no more room is handed out; what is reserved may still be filled. Drained:
// closed, with no items and nothing reserved; then receivers are told. `abandoned`: the receivers
// are gone; nothing is put in any more.
//
// A value moves into and out of the queue under the mutex. So its move constructor must not throw
// and, like the destructor of a moved from one, not use the channel. Everything else of a value
// happens outside.
#pragma once

#include <atomic>
#include <cassert>
#include <cstddef>
#include <expected>
#include <mutex>
#include <optional>
#include <utility>

#include "core/base/error.hpp"
#include "core/runtime/coop.hpp"
#include "core/runtime/poll.hpp"
#include "core/runtime/sync/block_queue.hpp"
#include "core/runtime/sync/send_error.hpp"
#include "core/runtime/sync/waiters.hpp"

namespace hc::runtime::sync_detail {

template <class T>
class ChannelState {
public:
    class RoomWait;
    class ItemWait;
    class EndWait;
    static constexpr std::size_t unbounded = SIZE_MAX;

    explicit ChannelState(std::size_t capacity) noexcept : capacity_(capacity) {
        assert(capacity > 0);
    }
    ChannelState(const ChannelState&) = delete;
    ChannelState& operator=(const ChannelState&) = delete;

    // -- handles; those who made it have one of each ---------------------------------------------
    void add_sender() noexcept { senders_.fetch_add(1, std::memory_order_relaxed); }
    void drop_sender() noexcept {
        if (senders_.fetch_sub(1, std::memory_order_acq_rel) == 1) close();
    }
    void abandon() noexcept {
        close();
        BlockQueue<T> items; // destroyed after the mutex
        const std::lock_guard lock(mutex_);
        abandoned_ = true;
        items.swap(items_);
    }
    /// Once; then nothing.
    void close() noexcept {
        {
            std::unique_lock lock(mutex_);
            if (std::exchange(closed_, true)) return;
            rooms_.take_all(Verdict::closed, lock);
        }
        {
            std::unique_lock lock(mutex_);
            ends_.take_all(Verdict::released, lock);
        }
        std::unique_lock lock(mutex_);
        if (drained()) takers_.take_all(Verdict::closed, lock);
    }

    // -- without waiting -------------------------------------------------------------------------
    std::expected<void, SendError<T>> try_send(T&& value) noexcept {
        std::unique_lock lock(mutex_);
        if (closed_ || !has_room()) {
            const auto kind = closed_ ? ErrorKind::closed : ErrorKind::again;
            lock.unlock();
            return std::unexpected(SendError<T>{kind, std::move(value)});
        }
        const Waker taker = put(value);
        lock.unlock();
        taker.wake();
        return {};
    }
    ErrorKind try_reserve() noexcept {
        const std::lock_guard lock(mutex_);
        if (closed_) return ErrorKind::closed;
        if (!has_room()) return ErrorKind::again;
        ++reserved_;
        return ErrorKind::ok;
    }
    std::expected<T, ErrorKind> try_recv() noexcept {
        std::unique_lock lock(mutex_);
        if (!has_item()) {
            return std::unexpected(drained() ? ErrorKind::closed : ErrorKind::again);
        }
        std::optional<T> item;
        take(item, lock);
        return std::move(*item);
    }
    /// Fills a place that was reserved. The value is left where it is when nobody will take it.
    void fill(T& value) noexcept {
        std::unique_lock lock(mutex_);
        --reserved_;
        if (abandoned_) return;
        const Waker taker = put(value);
        lock.unlock();
        taker.wake();
    }
    /// Gives back a place that was reserved.
    void give_back() noexcept {
        std::unique_lock lock(mutex_);
        --reserved_;
        free_room(lock);
    }

    std::size_t capacity() const noexcept { return capacity_; }
    std::size_t size() noexcept {
        const std::lock_guard lock(mutex_);
        return items_.size();
    }
    /// Room for so many more. Out of date at once.
    std::size_t room() noexcept {
        const std::lock_guard lock(mutex_);
        return capacity_ - items_.size() - reserved_;
    }
    bool is_closed() noexcept {
        const std::lock_guard lock(mutex_);
        return closed_;
    }

private:
    // All of these under the mutex.
    bool has_room() const noexcept { return items_.size() + reserved_ < capacity_; }
    bool has_item() const noexcept { return claimed_ < items_.size(); }
    bool drained() const noexcept { return closed_ && items_.empty() && reserved_ == 0; }

    /// Into a place that nobody else has; gives the waker of whom the item goes to.
    [[nodiscard]] Waker put(T& value) {
        items_.push(std::move(value));
        return hand_item_on();
    }
    [[nodiscard]] Waker hand_item_on() noexcept {
        if (takers_.empty() || !has_item()) return {};
        ++claimed_;
        return takers_.take_first(Verdict::granted);
    }
    /// An item that nobody else has. Releases the mutex and wakes.
    void take(std::optional<T>& into, std::unique_lock<ShortMutex>& lock) noexcept {
        into.emplace(std::move(items_.front()));
        items_.pop();
        free_room(lock);
    }
    /// After a place became free or an item went. Releases the mutex and wakes.
    void free_room(std::unique_lock<ShortMutex>& lock) noexcept {
        if (drained()) return takers_.take_all(Verdict::closed, lock);
        Waker sender;
        if (!rooms_.empty()) {
            ++reserved_;
            sender = rooms_.take_first(Verdict::granted);
        }
        lock.unlock();
        sender.wake();
    }

    const std::size_t capacity_;
    std::atomic<std::size_t> senders_{1};
    ShortMutex mutex_;
    bool closed_ = false;
    bool abandoned_ = false;
    std::size_t reserved_ = 0;
    std::size_t claimed_ = 0;
    BlockQueue<T> items_;
    WaitLine rooms_;  // of senders
    WaitLine takers_; // of receivers
    WaitLine ends_;   // of those who wait for the close
};

/// A sender's future. Move it before the first poll only; not beyond the channel.
template <class T>
class ChannelState<T>::RoomWait : private Waiter {
public:
    explicit RoomWait(ChannelState& channel) noexcept : channel_(&channel) {}
    RoomWait(RoomWait&& other) noexcept : RoomWait(*other.channel_) { assert(!other.in_line_); }
    ~RoomWait() {
        if (in_line_) give_up();
    }

    /// granted: the value is in the channel, or a place is reserved when there was none.
    Verdict ask(Context& context, T* value) noexcept {
        if (!coop::proceed(context)) return Verdict::none_yet;
        Waker unused; // dropped after the mutex
        std::unique_lock lock(channel_->mutex_);
        if (in_line_ && verdict != Verdict::none_yet) {
            unlink(); // a close lets them go one by one
            in_line_ = false;
            coop::took();
            if (verdict == Verdict::closed) return verdict;
            --channel_->reserved_;
            if (channel_->abandoned_) return Verdict::closed;
        } else if (channel_->closed_) {
            coop::took();
            return Verdict::closed;
        } else if (in_line_ || !channel_->has_room()) {
            in_line_ = true;
            unused = channel_->rooms_.wait(*this, context);
            return Verdict::none_yet;
        } else {
            coop::took();
        }
        if (value == nullptr) {
            ++channel_->reserved_;
            return Verdict::granted;
        }
        const Waker taker = channel_->put(*value);
        lock.unlock();
        taker.wake();
        return Verdict::granted;
    }

private:
    void give_up() noexcept {
        std::unique_lock lock(channel_->mutex_);
        unlink();
        if (verdict != Verdict::granted) return;
        --channel_->reserved_;
        channel_->free_room(lock);
    }

    ChannelState* channel_;
    bool in_line_ = false;
};

/// A receiver's future. Move it before the first poll only; not beyond the channel.
template <class T>
class ChannelState<T>::ItemWait : private Waiter {
public:
    explicit ItemWait(ChannelState& channel) noexcept : channel_(&channel) {}
    ItemWait(ItemWait&& other) noexcept : ItemWait(*other.channel_) { assert(!other.in_line_); }
    ~ItemWait() {
        if (in_line_) give_up();
    }

    /// Nothing once the channel is drained.
    Poll<std::optional<T>> poll(Context& context) noexcept {
        Poll<std::optional<T>> answer{std::optional<T>()}; // made in place: a copy costs a stall
        if (!ask(context, answer.value())) answer = pending;
        return answer;
    }

private:
    bool ask(Context& context, std::optional<T>& item) noexcept {
        if (!coop::proceed(context)) return false;
        Waker unused; // dropped after the mutex
        std::unique_lock lock(channel_->mutex_);
        if (in_line_ && verdict != Verdict::none_yet) {
            unlink(); // the end lets them go one by one
            in_line_ = false;
            coop::took();
            if (verdict == Verdict::closed) return true;
            --channel_->claimed_;
        } else if (in_line_ || !channel_->has_item()) {
            if (!in_line_ && channel_->drained()) {
                coop::took();
                return true;
            }
            in_line_ = true;
            unused = channel_->takers_.wait(*this, context);
            return false;
        } else {
            coop::took();
        }
        channel_->take(item, lock);
        return true;
    }
    void give_up() noexcept {
        std::unique_lock lock(channel_->mutex_);
        unlink();
        if (verdict != Verdict::granted) return;
        --channel_->claimed_;
        const Waker next_taker = channel_->hand_item_on();
        lock.unlock();
        next_taker.wake();
    }

    ChannelState* channel_;
    bool in_line_ = false;
};

/// Waits until the channel is closed. Move it before the first poll only; not beyond the channel.
template <class T>
class ChannelState<T>::EndWait : private Waiter {
public:
    explicit EndWait(ChannelState& channel) noexcept : channel_(&channel) {}
    EndWait(EndWait&& other) noexcept : EndWait(*other.channel_) { assert(!other.in_line_); }
    ~EndWait() {
        if (!in_line_) return;
        const std::lock_guard lock(channel_->mutex_);
        unlink();
    }

    Poll<void> poll(Context& context) noexcept {
        if (!coop::proceed(context)) return pending;
        Waker unused; // dropped after the mutex
        const std::lock_guard lock(channel_->mutex_);
        if (!channel_->closed_) {
            in_line_ = true;
            unused = channel_->ends_.wait(*this, context);
            return pending;
        }
        coop::took();
        return Poll<void>::ready();
    }

private:
    ChannelState* channel_;
    bool in_line_ = false;
};

} // namespace hc::runtime::sync_detail
