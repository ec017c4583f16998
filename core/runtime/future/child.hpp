// What the combinators of futures share: their children and the values of those.
#pragma once

#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "core/runtime/task.hpp"

namespace hc::runtime::future_detail {

/// Where values are kept, void is a value like others.
template <class T>
using Stored = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

/// A poll's value as it is kept. `polled` is ready.
template <class T>
Stored<T> stored(Poll<T>&& polled) {
    if constexpr (std::is_void_v<T>) {
        return {};
    } else {
        return std::move(polled).value();
    }
}

/// A future that was given to a combinator. `F` is its type when it lives in here, a reference to
/// it when it stays elsewhere. Once it is dropped, one that lives in here is destroyed.
template <Future F>
class Child {
public:
    using Value = FutureValue<F>;

    template <class G>
        requires(!std::is_same_v<std::remove_cvref_t<G>, Child>)
    explicit Child(G&& future) : future_(std::in_place, std::forward<G>(future)) {}
    Poll<Value> poll(Context& context) { return future_->poll(context); }
    void drop() noexcept { future_.reset(); }

private:
    std::optional<F> future_;
};

template <Future F>
class Child<F&> {
public:
    using Value = FutureValue<F>;

    explicit Child(F& future) noexcept : future_(&future) {}
    Poll<Value> poll(Context& context) { return future_->poll(context); }
    void drop() noexcept {}

private:
    F* future_;
};

} // namespace hc::runtime::future_detail
