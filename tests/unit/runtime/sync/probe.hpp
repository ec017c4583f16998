// A future polled by hand, with a waker that counts its wakes and its references.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "core/runtime/task.hpp"
#include "core/runtime/waker.hpp"

namespace hc::runtime::test {

class CountingWaker {
public:
    Waker waker() {
        ++references_;
        return {&table, this};
    }
    int wakes() const { return wakes_; }
    int references() const { return references_; }

private:
    std::atomic<int> wakes_{0};
    std::atomic<int> references_{0};

    static CountingWaker& of(void* data) noexcept { return *static_cast<CountingWaker*>(data); }
    static void* clone(void* data) { return ++of(data).references_, data; }
    static void wake(void* data) noexcept { ++of(data).wakes_; }
    static void drop(void* data) noexcept { --of(data).references_; }
    static constexpr WakerTable table{&clone, &wake, &drop};
};

template <class T>
struct Held {
    using type = T;
};
template <>
struct Held<void> {
    using type = std::monostate;
};

/// Holds the future, and sees at its end that nobody kept a waker of it.
template <Future F>
class Probe {
public:
    using Value = typename Held<FutureValue<F>>::type;

    explicit Probe(F future) : future_(std::move(future)) {}
    Probe(const Probe&) = delete;
    Probe& operator=(const Probe&) = delete;
    ~Probe() {
        drop();
        waker_ = {};
        EXPECT_EQ(counter_.references(), 0) << "a waker was kept";
    }

    /// True when it is ready; value() is what it gave.
    bool poll() {
        const Waker waker = waker_;
        Context context(waker);
        auto polled = future_->poll(context);
        if (!polled.is_ready()) return false;
        if constexpr (std::is_void_v<FutureValue<F>>) {
            value_.emplace();
        } else {
            value_.emplace(std::move(polled).value());
        }
        return true;
    }
    /// The same as another task: the waker is a new one.
    bool poll_as(const Waker& waker) {
        waker_ = waker;
        return poll();
    }
    Value& value() { return *value_; }
    /// What a guard or a permit does when it goes.
    void let_go() { value_.reset(); }
    void drop() { future_.reset(); }
    int wakes() const { return counter_.wakes(); }

private:
    CountingWaker counter_;
    Waker waker_ = counter_.waker();
    std::optional<F> future_;
    std::optional<Value> value_;
};

/// Counts those that live, and the copies and moves that were made.
struct Tracked {
    static inline std::atomic<int> alive{0};
    int number;

    explicit Tracked(int of) : number(of) { ++alive; }
    Tracked(const Tracked& other) : number(other.number) { ++alive; }
    Tracked(Tracked&& other) noexcept : number(std::exchange(other.number, -1)) { ++alive; }
    Tracked& operator=(const Tracked&) = default;
    Tracked& operator=(Tracked&& other) noexcept {
        number = std::exchange(other.number, -1);
        return *this;
    }
    ~Tracked() { --alive; }
    bool operator==(int other) const { return number == other; }
};

} // namespace hc::runtime::test
