// Waiting for many futures of one type: join_all(vector) and try_join_all(vector).
#pragma once

#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/base/result.hpp"
#include "core/runtime/future/child_set.hpp"
#include "core/runtime/future/join.hpp"
#include "core/runtime/task.hpp"

namespace hc::runtime {

namespace future_detail {
template <class T>
using VectorOf = std::conditional_t<std::is_void_v<T>, void, std::vector<Stored<T>>>;
} // namespace future_detail

/// See join_all().
template <Future F>
class [[nodiscard]] JoinVector {
public:
    using Value = future_detail::VectorOf<FutureValue<F>>;

    explicit JoinVector(std::vector<F> futures) : children_(std::move(futures)) {}

    Poll<Value> poll(Context& context) {
        if (!children_.poll(context, [](auto&) { return true; })) return pending;
        if constexpr (std::is_void_v<Value>) {
            return Poll<void>::ready();
        } else {
            Value values;
            values.reserve(children_.children().size());
            for (auto& child : children_.children()) values.push_back(std::move(child.value()));
            return values;
        }
    }

private:
    future_detail::ChildSet<F> children_;
};

/// Waits for all of the futures within one task; gives a vector of their values in the same order
/// (nothing when they are void). Each has a waker of its own, and a poll asks only those that were
/// woken: a wake costs the same whether there are ten or ten thousand.
///
/// Each future is destroyed as soon as it is ready. What one throws goes to whoever polls, and the
/// join is over. Giving up drops them all, with the values that were there already.
template <Future F>
JoinVector<F> join_all(std::vector<F> futures) {
    return JoinVector<F>(std::move(futures));
}

/// See try_join_all().
template <ResultFuture F>
class [[nodiscard]] TryJoinVector {
    using Inside = typename FutureValue<F>::value_type;

public:
    using Value = Result<future_detail::VectorOf<Inside>>;

    explicit TryJoinVector(std::vector<F> futures) : children_(std::move(futures)) {}

    Poll<Value> poll(Context& context) {
        std::optional<Error> error;
        const bool all = children_.poll(context, [&](auto& child) {
            if (child.value()) return true;
            error = std::move(child.value().error());
            return false;
        });
        if (error) {
            for (auto& child : children_.children()) child.drop();
            return Value(fail(*std::move(error)));
        }
        if (!all) return pending;
        if constexpr (std::is_void_v<Inside>) {
            return Value();
        } else {
            std::vector<Inside> values;
            values.reserve(children_.children().size());
            for (auto& child : children_.children()) values.push_back(*std::move(child.value()));
            return Value(std::move(values));
        }
    }

private:
    future_detail::ChildSet<F> children_;
};

/// The same for futures whose values are Results: gives a Result of a vector of what is in them.
/// The first error is the answer, at once; the other futures are dropped before it is given.
template <ResultFuture F>
TryJoinVector<F> try_join_all(std::vector<F> futures) {
    return TryJoinVector<F>(std::move(futures));
}

} // namespace hc::runtime
