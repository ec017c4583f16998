// The two simplest futures: one that has its value already, and one that never gets any.
#pragma once

#include <type_traits>
#include <utility>

#include "core/runtime/poll.hpp"
#include "core/runtime/waker.hpp"

namespace hc::runtime {

/// See ready().
template <class T>
class [[nodiscard]] Ready {
public:
    explicit Ready(T value) : value_(std::move(value)) {}
    Poll<T> poll(Context&) { return std::move(value_); }

private:
    T value_;
};

template <>
class [[nodiscard]] Ready<void> {
public:
    Poll<void> poll(Context&) noexcept { return Poll<void>::ready(); }
};

/// A future that is ready with `value` as soon as it is asked.
template <class T>
Ready<std::decay_t<T>> ready(T&& value) {
    return Ready<std::decay_t<T>>(std::forward<T>(value));
}
inline Ready<void> ready() noexcept { return {}; }

/// See pending_forever().
template <class T>
class [[nodiscard]] PendingForever {
public:
    Poll<T> poll(Context&) noexcept { return pending; }
};

/// A future that is never ready and wakes nobody: only for being dropped.
template <class T = void>
PendingForever<T> pending_forever() noexcept {
    return {};
}

} // namespace hc::runtime
