// Gate: a future that is ready when the test says so.
#pragma once

#include <gtest/gtest.h>

#include <exception>
#include <optional>
#include <utility>

#include "core/runtime/future/child.hpp"
#include "core/runtime/poll.hpp"
#include "core/runtime/waker.hpp"

namespace hc::runtime::test {

/// What a Gate's future waits for, and what it noted. Outlives the future.
template <class T>
struct GateState {
    std::optional<future_detail::Stored<T>> value;
    std::exception_ptr error;
    int polls = 0;
    int drops = 0;
    bool done = false;
    Waker waker;

    void open(future_detail::Stored<T> with = {}) {
        value.emplace(std::move(with));
        std::exchange(waker, Waker()).wake();
    }
};

template <class T>
class Gate {
public:
    explicit Gate(GateState<T>& state) noexcept : state_(&state) {}
    Gate(Gate&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    Gate& operator=(Gate&&) = delete;
    ~Gate() {
        if (state_ != nullptr) ++state_->drops;
    }

    Poll<T> poll(Context& context) {
        EXPECT_FALSE(state_->done) << "asked again after it was ready";
        ++state_->polls;
        if (state_->error) std::rethrow_exception(state_->error);
        if (!state_->value) {
            state_->waker = context.waker();
            return pending;
        }
        state_->done = true;
        if constexpr (std::is_void_v<T>) {
            return Poll<void>::ready();
        } else {
            return std::move(*state_->value);
        }
    }

private:
    GateState<T>* state_;
};

} // namespace hc::runtime::test
