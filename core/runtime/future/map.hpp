// map(): a future whose value goes through a function.
#pragma once

#include <functional>
#include <type_traits>
#include <utility>

#include "core/runtime/task.hpp"

namespace hc::runtime {

namespace future_detail {
template <class Call, class T>
struct MapValue {
    using type = std::invoke_result_t<Call, T>;
};
template <class Call>
struct MapValue<Call, void> {
    using type = std::invoke_result_t<Call>;
};
} // namespace future_detail

/// See map(). `F` is the future's type, or a reference to it for a named one.
template <Future F, class Call>
class [[nodiscard]] Map {
    using From = FutureValue<F>;
    using To = typename future_detail::MapValue<Call, From>::type;

public:
    template <class G>
    Map(G&& future, Call call) : future_(std::forward<G>(future)), call_(std::move(call)) {}

    Poll<To> poll(Context& context) {
        auto polled = future_.poll(context);
        if (!polled.is_ready()) return pending;
        if constexpr (std::is_void_v<From> && std::is_void_v<To>) {
            std::invoke(std::move(call_));
            return Poll<void>::ready();
        } else if constexpr (std::is_void_v<From>) {
            return std::invoke(std::move(call_));
        } else if constexpr (std::is_void_v<To>) {
            std::invoke(std::move(call_), std::move(polled).value());
            return Poll<void>::ready();
        } else {
            return std::invoke(std::move(call_), std::move(polled).value());
        }
    }

private:
    F future_;
    Call call_;
};

/// The value of `future` as `call` makes it: `call(value)`, or `call()` when the value is void;
/// what it gives may be void, too. It is called once, during the poll that finds the future ready,
/// and what it throws goes to whoever polls. A temporary future lives inside, a named one stays
/// where it is. Giving up is what it is for the future.
template <Future F, class Call>
Map<F, std::decay_t<Call>> map(F&& future, Call&& call) {
    return Map<F, std::decay_t<Call>>(std::forward<F>(future), std::forward<Call>(call));
}

} // namespace hc::runtime
