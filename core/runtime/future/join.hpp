// Waiting for several futures of any types: join_all(a, b, ...) and try_join_all(a, b, ...). Those
// of a vector are in join_vector.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "core/base/result.hpp"
#include "core/runtime/coop.hpp"
#include "core/runtime/future/child.hpp"
#include "core/runtime/task.hpp"

namespace hc::runtime {

namespace future_detail {

/// A child of a join, and its value once it has one.
template <class F>
class Joined {
public:
    using Value = typename Child<F>::Value;

    template <class G>
        requires(!std::is_same_v<std::remove_cvref_t<G>, Joined>)
    explicit Joined(G&& future) : child_(std::forward<G>(future)) {}

    bool is_done() const noexcept { return value_.has_value(); }
    Stored<Value>& value() noexcept { return *value_; }
    /// Asks the child unless it is done; drops it when it is ready. True when it is done.
    bool ask(Context& context) {
        if (is_done()) return true;
        auto polled = child_.poll(context);
        if (!polled.is_ready()) return false;
        value_.emplace(stored(std::move(polled)));
        child_.drop();
        return true;
    }
    void drop() noexcept { child_.drop(); }

private:
    Child<F> child_;
    std::optional<Stored<Value>> value_;
};

/// Asks those of `children` that are not done, each with its share of the budget, and then calls
/// `after(child)` for it, which says whether to go on. True when all are done.
template <class After, class... F>
bool ask_all(Context& context, std::tuple<Joined<F>...>& children, After&& after) {
    return std::apply(
        [&](auto&... child) {
            std::uint32_t left = (std::uint32_t{0} + ... + (child.is_done() ? 0U : 1U));
            bool all = true;
            const auto one = [&](auto& each) {
                if (each.is_done()) return true;
                const coop::Share share(left--);
                if (each.ask(context)) return after(each);
                all = false;
                return true;
            };
            return (one(child) && ...) && all;
        },
        children);
}

template <class T>
inline constexpr bool is_result = false;
template <class T>
inline constexpr bool is_result<Result<T>> = true;

/// What is inside of a Result, as it is kept.
template <class R>
using Inner = Stored<typename R::value_type>;

template <class R>
Inner<R> inner(R&& result) {
    if constexpr (std::is_void_v<typename R::value_type>) {
        return {};
    } else {
        return *std::move(result);
    }
}

} // namespace future_detail

/// A future whose value is a Result<T>.
template <class F>
concept ResultFuture = Future<F> && future_detail::is_result<FutureValue<F>>;

/// See join_all().
template <Future... F>
class [[nodiscard]] JoinAll {
public:
    using Value = std::tuple<future_detail::Stored<FutureValue<F>>...>;

    template <class... G>
    explicit JoinAll(std::in_place_t, G&&... futures) : children_(std::forward<G>(futures)...) {}

    Poll<Value> poll(Context& context) {
        if (!future_detail::ask_all(context, children_, [](auto&) { return true; })) return pending;
        return std::apply([](auto&... child) { return Value(std::move(child.value())...); },
                          children_);
    }

private:
    std::tuple<future_detail::Joined<F>...> children_;
};

/// Waits for all of several futures within one task; gives a tuple of their values (std::monostate
/// for void). Each poll asks all that are not ready yet, so this is for a few; join_all of a vector
/// is for many.
///
/// Temporaries live inside, each until it is ready; named futures are referred to. What one throws
/// goes to whoever polls, and the join is over. Giving up drops what lives inside, with the values
/// that were there already.
template <Future... F>
    requires(sizeof...(F) > 0)
JoinAll<F...> join_all(F&&... futures) {
    return JoinAll<F...>(std::in_place, std::forward<F>(futures)...);
}

/// See try_join_all().
template <ResultFuture... F>
class [[nodiscard]] TryJoinAll {
public:
    using Value = Result<std::tuple<future_detail::Inner<FutureValue<F>>...>>;

    template <class... G>
    explicit TryJoinAll(std::in_place_t, G&&... futures) : children_(std::forward<G>(futures)...) {}

    Poll<Value> poll(Context& context) {
        std::optional<Error> error;
        const bool all = future_detail::ask_all(context, children_, [&](auto& child) {
            if (child.value()) return true;
            error = std::move(child.value().error());
            return false;
        });
        if (error) {
            std::apply([](auto&... child) { (child.drop(), ...); }, children_);
            return Value(fail(*std::move(error)));
        }
        if (!all) return pending;
        return std::apply(
            [](auto&... child) {
                return Value(std::in_place, future_detail::inner(std::move(child.value()))...);
            },
            children_);
    }

private:
    std::tuple<future_detail::Joined<F>...> children_;
};

/// The same for futures whose values are Results: gives a Result of a tuple of what is in them. The
/// first error is the answer, at once; the other futures are dropped before it is given.
template <ResultFuture... F>
    requires(sizeof...(F) > 0)
TryJoinAll<F...> try_join_all(F&&... futures) {
    return TryJoinAll<F...>(std::in_place, std::forward<F>(futures)...);
}

} // namespace hc::runtime
