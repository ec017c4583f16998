// Of several futures the first that is ready: select(), select_fair() and race().
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>

#include "core/base/random.hpp"
#include "core/runtime/coop.hpp"
#include "core/runtime/future/child.hpp"
#include "core/runtime/task.hpp"

namespace hc::runtime {

namespace future_detail {

/// Where the next fair select of this thread begins. A counter would fall in step with selects that
/// take turns, and then always begin at the same place; this does not.
inline constinit thread_local Random starts __attribute__((tls_model("initial-exec"))){0};

/// The futures of a select and how they are asked.
template <class... F>
class Selection {
public:
    template <class... G>
    explicit Selection(std::in_place_t, G&&... futures) : children_(std::forward<G>(futures)...) {}

    /// Asks one after the other from number `start` on, and those before it last, until
    /// `take(place, value)` got the value of one; drops them all then. False: all are pending.
    template <class Take>
    bool ask(Context& context, std::size_t start, Take&& take) {
        auto left = static_cast<std::uint32_t>(sizeof...(F));
        const auto one = [&]<std::size_t I>(std::in_place_index_t<I> place) {
            const coop::Share share(left--);
            auto polled = std::get<I>(children_).poll(context);
            if (!polled.is_ready()) return false;
            take(place, stored(std::move(polled)));
            return true;
        };
        const bool found = [&]<std::size_t... I>(std::index_sequence<I...>) {
            return ((I >= start && one(std::in_place_index<I>)) || ...) ||
                   ((I < start && one(std::in_place_index<I>)) || ...);
        }(std::index_sequence_for<F...>{});
        if (found) std::apply([](auto&... child) { (child.drop(), ...); }, children_);
        return found;
    }

private:
    std::tuple<Child<F>...> children_;
};

} // namespace future_detail

/// See select() and select_fair().
template <bool fair, Future... F>
class [[nodiscard]] Select {
public:
    using Value = std::variant<future_detail::Stored<FutureValue<F>>...>;

    template <class... G>
    explicit Select(std::in_place_t, G&&... futures)
        : selection_(std::in_place, std::forward<G>(futures)...) {}

    Poll<Value> poll(Context& context) {
        std::size_t start = 0;
        if constexpr (fair) start = future_detail::starts.below(sizeof...(F));
        std::optional<Value> first;
        selection_.ask(context, start, [&](auto place, auto&& value) {
            first.emplace(place, std::forward<decltype(value)>(value));
        });
        if (!first) return pending;
        return std::move(*first);
    }

private:
    future_detail::Selection<F...> selection_;
};

/// Waits for the first of several futures. The answer is a variant: its index says which one it
/// was, and std::get<index> gives the value (std::monostate for void). They are asked in order, so
/// that of several that are ready the first one wins: put what must not be missed in front. However
/// much the ones in front find to do, those behind are asked, too.
///
/// The others are dropped when one is ready, before the answer is given. Temporaries live inside;
/// named futures are referred to and stay as they are, to be awaited again:
///
///     auto next = queue.receive();
///     auto first = co_await select(next, sleep(1s));
///     if (first.index() == 1) co_await next; // not lost
///
/// What a future throws goes to whoever polls. Giving up drops what lives inside; nothing is lost
/// when that is so for each of them.
template <Future... F>
    requires(sizeof...(F) > 0)
Select<false, F...> select(F&&... futures) {
    return Select<false, F...>(std::in_place, std::forward<F>(futures)...);
}

/// The same, but it begins at another place each time, so that none waits for ever because others
/// are always ready.
template <Future... F>
    requires(sizeof...(F) > 0)
Select<true, F...> select_fair(F&&... futures) {
    return Select<true, F...>(std::in_place, std::forward<F>(futures)...);
}

/// See race().
template <Future First, Future... F>
class [[nodiscard]] Race {
public:
    using Value = FutureValue<First>;

    template <class... G>
    explicit Race(std::in_place_t, G&&... futures)
        : selection_(std::in_place, std::forward<G>(futures)...) {}

    Poll<Value> poll(Context& context) {
        std::optional<future_detail::Stored<Value>> first;
        selection_.ask(context, 0, [&](auto, auto&& value) {
            first.emplace(std::forward<decltype(value)>(value));
        });
        if (!first) return pending;
        if constexpr (std::is_void_v<Value>) {
            return Poll<void>::ready();
        } else {
            return std::move(*first);
        }
    }

private:
    future_detail::Selection<First, F...> selection_;
};

/// A select() of futures that have one value type, for when it does not matter which one it was.
template <Future First, Future... F>
    requires(std::same_as<FutureValue<First>, FutureValue<F>> && ...)
Race<First, F...> race(First&& first, F&&... futures) {
    return Race<First, F...>(std::in_place, std::forward<First>(first),
                             std::forward<F>(futures)...);
}

} // namespace hc::runtime
