// poll_fn(): a future made of one function.
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

#include "core/runtime/task.hpp"

namespace hc::runtime {

/// See poll_fn().
template <class Call>
class [[nodiscard]] PollFn {
public:
    explicit PollFn(Call call) : call_(std::move(call)) {}
    auto poll(Context& context) { return call_(context); }

private:
    Call call_;
};

/// A future whose poll is `call(Context&)`, which gives a Poll<T>. `call` lives in the future. What
/// it throws goes to whoever polls.
template <class Call>
    requires Future<PollFn<std::decay_t<Call>>>
PollFn<std::decay_t<Call>> poll_fn(Call&& call) {
    return PollFn<std::decay_t<Call>>(std::forward<Call>(call));
}

} // namespace hc::runtime
