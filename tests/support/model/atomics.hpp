// Atomics, mutexes and plain memory that a run of the model controls: a policy in the place of
// core/runtime/sched/atomics.hpp's StdAtomics.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "tests/support/model/execution.hpp"

namespace hc::model {

/// Has the operations of std::atomic that the project uses. Each is one step of the run that it is
/// made in.
template <class T>
class Atomic {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(std::uint64_t));
    using Order = std::memory_order;

public:
    Atomic() noexcept : Atomic(T{}) {}
    Atomic(T value) noexcept : location_(run().new_location(pack(value))) {}
    Atomic(const Atomic&) = delete;
    Atomic& operator=(const Atomic&) = delete;

    T load(Order order = std::memory_order_seq_cst) const noexcept {
        return unpack(run().load(location_, order));
    }
    void store(T value, Order order = std::memory_order_seq_cst) noexcept {
        run().store(location_, pack(value), order);
    }
    T exchange(T value, Order order = std::memory_order_seq_cst) noexcept {
        return modify([](T, T operand) { return operand; }, value, order);
    }
    T fetch_add(T by, Order order = std::memory_order_seq_cst) noexcept {
        return modify([](T a, T b) { return static_cast<T>(a + b); }, by, order);
    }
    T fetch_sub(T by, Order order = std::memory_order_seq_cst) noexcept {
        return modify([](T a, T b) { return static_cast<T>(a - b); }, by, order);
    }
    T fetch_or(T bits, Order order = std::memory_order_seq_cst) noexcept {
        return modify([](T a, T b) { return static_cast<T>(a | b); }, bits, order);
    }
    T fetch_and(T bits, Order order = std::memory_order_seq_cst) noexcept {
        return modify([](T a, T b) { return static_cast<T>(a & b); }, bits, order);
    }
    T fetch_xor(T bits, Order order = std::memory_order_seq_cst) noexcept {
        return modify([](T a, T b) { return static_cast<T>(a ^ b); }, bits, order);
    }
    bool compare_exchange_weak(T& expected, T desired, Order success, Order failure) noexcept {
        return exchange_if(expected, desired, true, success, failure);
    }
    bool compare_exchange_weak(T& expected, T desired,
                               Order order = std::memory_order_seq_cst) noexcept {
        return compare_exchange_weak(expected, desired, order, when_failing(order));
    }
    bool compare_exchange_strong(T& expected, T desired, Order success, Order failure) noexcept {
        return exchange_if(expected, desired, false, success, failure);
    }
    bool compare_exchange_strong(T& expected, T desired,
                                 Order order = std::memory_order_seq_cst) noexcept {
        return compare_exchange_strong(expected, desired, order, when_failing(order));
    }

private:
    static Execution& run() noexcept { return Execution::current(); }
    static std::uint64_t pack(T value) noexcept {
        std::uint64_t word = 0;
        std::memcpy(&word, &value, sizeof value);
        return word;
    }
    static T unpack(std::uint64_t word) noexcept {
        T value;
        std::memcpy(&value, &word, sizeof value);
        return value;
    }
    static Order when_failing(Order order) noexcept {
        if (order == std::memory_order_acq_rel) return std::memory_order_acquire;
        return order == std::memory_order_release ? std::memory_order_relaxed : order;
    }
    template <class Change>
    T modify(Change, T operand, Order order) noexcept {
        const auto change = [](std::uint64_t value, std::uint64_t by) {
            return pack(Change{}(unpack(value), unpack(by)));
        };
        return unpack(run().modify(location_, change, pack(operand), order));
    }
    bool exchange_if(T& expected, T desired, bool weak, Order success, Order failure) noexcept {
        std::uint64_t word = pack(expected);
        const bool done =
            run().compare_exchange(location_, word, pack(desired), weak, success, failure);
        expected = unpack(word);
        return done;
    }

    std::uint32_t location_;
};

/// Plain memory. Two accesses, one of them a write, that nothing orders are a failure of the run,
/// in whichever order they came.
template <class T>
class Cell {
public:
    T load() const noexcept {
        Execution::current().plain_read(accesses_);
        return value_;
    }
    void store(T value) noexcept {
        Execution::current().plain_write(accesses_);
        value_ = value;
    }

private:
    T value_{};
    mutable Execution::Accesses accesses_;
};

class Mutex {
public:
    void lock() noexcept {
        Execution::current().wait_until(
            [](const void* self) { return !static_cast<const Mutex*>(self)->locked_; }, this);
        locked_ = true;
        Execution::current().acquire(view_);
    }
    void unlock() noexcept { // no step of its own: only lock() can tell, and that is one
        locked_ = false;
        Execution::current().release(view_);
    }

private:
    bool locked_ = false;
    View view_;
};

/// What a thread sleeps on. An unpark that comes first makes park() return at once; several are
/// one. Threads that are parked for ever make the run fail.
class Parker {
public:
    void park() noexcept {
        Execution::current().wait_until(
            [](const void* self) { return static_cast<const Parker*>(self)->token_; }, this);
        token_ = false;
        Execution::current().acquire(view_);
    }
    void unpark() noexcept {
        token_ = true;
        Execution::current().release(view_);
    }
    /// For predicates of wait_until(): not an operation of the program.
    bool has_token() const noexcept { return token_; }

private:
    bool token_ = false;
    View view_;
};

struct Atomics {
    template <class T>
    using Atomic = model::Atomic<T>;
    template <class T>
    using Cell = model::Cell<T>;
    using Mutex = model::Mutex;

    static void fence_seq_cst() noexcept { Execution::current().fence_seq_cst(); }
};

// Policies that are wrong on purpose: a test of a structure must fail on them, or it proves little.

/// Orders that promise less than they were asked for.
enum class Drop { acquire_loads, release_stores, release_changes, acquire_changes, everything };

template <Drop drop, class T>
class WeakAtomic : public Atomic<T> {
    using Order = std::memory_order;
    using Base = Atomic<T>;

public:
    using Base::Base;

    T load(Order order) const noexcept {
        const bool drops = drop == Drop::acquire_loads || drop == Drop::everything;
        return Base::load(drops ? std::memory_order_relaxed : order);
    }
    void store(T value, Order order) noexcept {
        const bool drops = drop == Drop::release_stores || drop == Drop::everything;
        Base::store(value, drops ? std::memory_order_relaxed : order);
    }
    T fetch_add(T by, Order order) noexcept { return Base::fetch_add(by, weaker(order)); }
    T fetch_sub(T by, Order order) noexcept { return Base::fetch_sub(by, weaker(order)); }
    T fetch_or(T bits, Order order) noexcept { return Base::fetch_or(bits, weaker(order)); }
    T fetch_and(T bits, Order order) noexcept { return Base::fetch_and(bits, weaker(order)); }
    T fetch_xor(T bits, Order order) noexcept { return Base::fetch_xor(bits, weaker(order)); }
    bool compare_exchange_weak(T& expected, T desired, Order success, Order failure) noexcept {
        return Base::compare_exchange_weak(expected, desired, weaker(success), weaker(failure));
    }
    bool compare_exchange_strong(T& expected, T desired, Order success, Order failure) noexcept {
        return Base::compare_exchange_strong(expected, desired, weaker(success), weaker(failure));
    }

private:
    static Order weaker(Order order) noexcept {
        if (drop == Drop::everything) return std::memory_order_relaxed;
        if (drop == Drop::release_changes) {
            if (order == std::memory_order_release) return std::memory_order_relaxed;
            if (order == std::memory_order_acq_rel) return std::memory_order_acquire;
        }
        if (drop == Drop::acquire_changes) {
            if (order == std::memory_order_acquire) return std::memory_order_relaxed;
            if (order == std::memory_order_acq_rel) return std::memory_order_release;
        }
        return order;
    }
};

template <Drop drop>
struct WeakAtomics : Atomics {
    template <class T>
    using Atomic = WeakAtomic<drop, T>;
};

struct WithoutFences : Atomics {
    static void fence_seq_cst() noexcept {}
};

/// compare_exchange that does not compare: whoever wants a claim has it.
struct BlindExchanges : Atomics {
    template <class T>
    class Atomic : public model::Atomic<T> {
        using Order = std::memory_order;
        using Base = model::Atomic<T>;

    public:
        using Base::Base;

        bool compare_exchange_weak(T&, T desired, Order success, Order) noexcept {
            Base::store(desired, success);
            return true;
        }
        bool compare_exchange_strong(T&, T desired, Order success, Order) noexcept {
            Base::store(desired, success);
            return true;
        }
    };
};

} // namespace hc::model
