// The run queue of one worker: it pushes and pops, others steal half of it when they run dry.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "core/runtime/sched/atomics.hpp"

namespace hc::runtime::sched {

/// A bounded first-in first-out queue of pointers with one owner and any number of thieves.
///
/// Three indices run along a ring of `Capacity` slots, and never backwards:
///
///            steal         real            tail
///     ---------|-------------|---------------|---------
///       free   | being copied|    queued     |   free
///              | by a thief  |               |
///
/// `steal` and `real` are the two halves of one word, head_, so that one compare-and-swap sees and
/// changes both. They differ exactly while one thief copies; meanwhile no other may begin.
///
/// Who may touch what:
///  - tail_ is written by the owner alone, and only ever grows.
///  - head_ is changed by compare-and-swap. The owner moves `real` (and `steal` with it, unless a
///    thief copies). A thief moves `real` when steal == real, which claims the slots between; by
///    moving `steal` up to `real` it gives them back.
///  - The slots in [real, tail) are read by the owner, after it moved `real` beyond them. Slots in
///    [steal, real) are read by the one thief that claimed them. All other slots are the owner's to
///    write. No slot is read by one who has not claimed it, so slots are plain memory.
///
/// Why nothing is read stale, in terms of the three edges that the orders below make:
///  (1) owner's store of tail_ (release) -> thief's load of tail_ (acquire): the thief sees the
///      slots below the tail that it read, and what their items point to.
///  (2) thief's give-back (release) -> owner's load of head_ (acquire) before it writes a slot: the
///      thief has read the slot before the owner uses it again.
///  (3) whoever moves `real` (release) -> another's load of head_ (acquire): whoever moved it had
///      seen a tail beyond it, so the other, which loads tail_ after head_, sees one too:
///      tail - real is never negative.
/// Each change of head_ is a read-modify-write, so it hands on what earlier ones released.
///
/// Indices are 32 bits and wrap; only differences are used. A thief would be deceived if between
/// its load of head_ and its compare-and-swap exactly 2^32 items went through the queue.
///
/// T is only pointed to. What is left in a queue when it is destroyed is not freed.
template <class T, std::uint32_t Capacity = 256, class Atomics = StdAtomics>
class StealQueue {
    static_assert(Capacity >= 2 && (Capacity & (Capacity - 1)) == 0 && Capacity <= 1U << 30,
                  "the capacity is a power of two");

public:
    static constexpr std::uint32_t capacity = Capacity;

    /// `first_index` is where the indices begin: tests let them wrap soon.
    explicit StealQueue(std::uint32_t first_index = 0) noexcept
        : head_(Head{first_index, first_index}.packed()), tail_(first_index) {}
    StealQueue(const StealQueue&) = delete;
    StealQueue& operator=(const StealQueue&) = delete;

    /// Owner. False when the queue is full; the item is then the caller's still.
    bool push(T* item) noexcept { return push_some({&item, 1}) == 1; }

    /// Owner. Pushes the first of `items` as far as there is room, all at once for those who look;
    /// gives how many.
    std::size_t push_some(std::span<T* const> items) noexcept {
        // Edge (2).
        const Head head = Head::of(head_.load(std::memory_order_acquire));
        return append(items.first(std::min<std::size_t>(items.size(), room_above(head))));
    }

    /// Owner. When the queue is full, the older half of it and then `item` go out together: one
    /// call of `overflow(std::span<T*>)` with Capacity / 2 + 1 items in their order, meant for the
    /// queue that all workers share. While a thief makes room anyway, `item` goes out alone.
    template <class Overflow>
    void push_or_overflow(T* item, Overflow&& overflow) {
        for (;;) {
            // Edge (2).
            Head head = Head::of(head_.load(std::memory_order_acquire));
            if (room_above(head) > 0) {
                append({&item, 1});
                return;
            }
            if (head.steal != head.real) {
                std::forward<Overflow>(overflow)(std::span<T*>(&item, 1));
                return;
            }
            std::array<T*, Capacity / 2 + 1> out;
            if (!take_older_half(head, out)) continue; // a thief was faster: there may be room
            out.back() = item;
            std::forward<Overflow>(overflow)(std::span<T*>(out));
            return;
        }
    }

    /// Owner. The oldest item, or null when the queue is empty.
    T* pop() noexcept {
        // Relaxed: the owner wrote the slots and the tail itself, and reads no more than those.
        std::uint64_t seen = head_.load(std::memory_order_relaxed);
        const std::uint32_t tail = tail_.load(std::memory_order_relaxed);
        for (;;) {
            const Head head = Head::of(seen);
            if (head.real == tail) return nullptr;
            const std::uint32_t next = head.real + 1;
            // While a thief copies, `steal` is not ours to move.
            const Head moved{head.steal == head.real ? next : head.steal, next};
            // Release: edge (3).
            if (head_.compare_exchange_weak(seen, moved.packed(), std::memory_order_release,
                                            std::memory_order_relaxed)) {
                return slot(head.real).load();
            }
        }
    }

    /// The owner of `mine`, which is another queue than this. Takes the older half of this queue,
    /// rounded up: the oldest is returned, to be run at once, the others go into `mine` in their
    /// order. Null when there is nothing, when another thief is busy here, or when `mine` is more
    /// than half full; so null does not prove that this queue is empty.
    T* steal_into(StealQueue& mine) noexcept {
        // Edge (2), in the thief's own queue: it is about to write slots there.
        const Head own = Head::of(mine.head_.load(std::memory_order_acquire));
        if (mine.room_above(own) < Capacity / 2) return nullptr;

        Head claim{0, 0};
        if (!claim_half(claim)) return nullptr;
        T* const first = slot(claim.steal).load();
        // Relaxed: this thread alone writes that tail.
        const std::uint32_t tail = mine.tail_.load(std::memory_order_relaxed);
        const std::uint32_t others = claim.real - claim.steal - 1;
        for (std::uint32_t i = 0; i < others; ++i) {
            mine.slot(tail + i).store(slot(claim.steal + 1 + i).load());
        }
        give_back(claim);
        // Edge (1), for those who steal from `mine`.
        if (others > 0) mine.tail_.store(tail + others, std::memory_order_release);
        return first;
    }

    /// Any thread; a hint, for both ends may move meanwhile. What a thief copies does not count.
    /// For the owner it is exact but for thieves, who only make it less.
    std::uint32_t size() const noexcept {
        // The order of the loads and edge (3): the tail is not older than `real`. It may be newer
        // by more than the ring holds.
        const Head head = Head::of(head_.load(std::memory_order_acquire));
        return std::min(tail_.load(std::memory_order_acquire) - head.real, Capacity);
    }
    bool empty() const noexcept { return size() == 0; }

    /// Owner. How many pushes are certain to succeed.
    std::uint32_t room() const noexcept {
        return room_above(Head::of(head_.load(std::memory_order_acquire)));
    }

private:
    struct Head {
        std::uint32_t steal;
        std::uint32_t real;

        static Head of(std::uint64_t word) noexcept {
            return {static_cast<std::uint32_t>(word >> 32), static_cast<std::uint32_t>(word)};
        }
        std::uint64_t packed() const noexcept { return std::uint64_t{steal} << 32 | real; }
    };

    using Cell = typename Atomics::template Cell<T*>;
    Cell& slot(std::uint32_t index) noexcept { return slots_[index & (Capacity - 1)]; }

    // Owner. Slots that a thief still reads are not free.
    std::uint32_t room_above(Head head) const noexcept {
        // Relaxed: the owner reads what it wrote itself.
        return Capacity - (tail_.load(std::memory_order_relaxed) - head.steal);
    }

    // Owner, which has seen room for them.
    std::size_t append(std::span<T* const> items) noexcept {
        const std::uint32_t tail = tail_.load(std::memory_order_relaxed);
        std::uint32_t next = tail;
        for (T* item : items) slot(next++).store(item);
        // Edge (1).
        if (next != tail) tail_.store(next, std::memory_order_release);
        return items.size();
    }

    // Owner, when the queue is full and no thief copies. False when one came in between.
    bool take_older_half(Head head, std::span<T*> out) noexcept {
        constexpr std::uint32_t half = Capacity / 2;
        const Head moved{head.real + half, head.real + half};
        std::uint64_t seen = head.packed();
        // Release: edge (3). What is read below the owner wrote itself.
        if (!head_.compare_exchange_strong(seen, moved.packed(), std::memory_order_release,
                                           std::memory_order_relaxed)) {
            return false;
        }
        for (std::uint32_t i = 0; i < half; ++i) out[i] = slot(head.real + i).load();
        return true;
    }

    // Thief. On success the slots in [claim.steal, claim.real), at least one, are its to read.
    bool claim_half(Head& claim) noexcept {
        // Edge (3). Acquire also when the exchange fails: it is the load of the next round.
        std::uint64_t seen = head_.load(std::memory_order_acquire);
        for (;;) {
            const Head head = Head::of(seen);
            if (head.steal != head.real) return false; // one thief at a time
            // Edge (1).
            const std::uint32_t count = tail_.load(std::memory_order_acquire) - head.real;
            if (count == 0) return false;
            // Success proves that head_ did not change since it was loaded, hence that the tail,
            // which was loaded between, is at most Capacity further: half of it fits.
            claim = Head{head.real, head.real + (count - count / 2)};
            // Release: edge (3). Nothing is to be acquired here that the loads did not.
            if (head_.compare_exchange_weak(seen, claim.packed(), std::memory_order_release,
                                            std::memory_order_acquire)) {
                return true;
            }
        }
    }

    // Thief. The owner may have popped beyond the claim meanwhile, so `steal` catches up with
    // `real`, wherever that is now.
    void give_back(Head claim) noexcept {
        std::uint64_t seen = claim.packed();
        for (;;) {
            const std::uint32_t real = Head::of(seen).real;
            // Release: edges (2) and (3).
            if (head_.compare_exchange_weak(seen, Head{real, real}.packed(),
                                            std::memory_order_release, std::memory_order_relaxed)) {
                return;
            }
        }
    }

    // Thieves write the first and poll the second: neither should slow the other, nor the slots.
    alignas(cache_line_bytes) typename Atomics::template Atomic<std::uint64_t> head_;
    alignas(cache_line_bytes) typename Atomics::template Atomic<std::uint32_t> tail_;
    alignas(cache_line_bytes) std::array<Cell, Capacity> slots_{};
};

} // namespace hc::runtime::sched
