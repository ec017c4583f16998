// Poll<T>: the answer of a future that was asked whether it is done.
#pragma once

#include <optional>
#include <utility>

namespace hc::runtime {

struct Pending {};
inline constexpr Pending pending{};

/// Ready with a value, or pending.
template <class T>
class [[nodiscard]] Poll {
public:
    Poll(Pending) noexcept {}
    Poll(T value) : value_(std::move(value)) {}

    bool is_ready() const noexcept { return value_.has_value(); }
    T& value() & noexcept { return *value_; }
    T&& value() && noexcept { return *std::move(value_); }

private:
    std::optional<T> value_;
};

template <>
class [[nodiscard]] Poll<void> {
public:
    Poll(Pending) noexcept {}
    static Poll ready() noexcept { return Poll(true); }

    bool is_ready() const noexcept { return ready_; }
    void value() const noexcept {}

private:
    explicit Poll(bool) noexcept : ready_(true) {}
    bool ready_ = false;
};

} // namespace hc::runtime
