// Cooperation: a task that always finds something ready gives way after a while.
//
// A channel that is never empty, a socket that never runs dry: a task that awaits such things in a
// loop would never be pending, and nothing else on its worker would ever run. So whoever polls a
// task gives it a budget, and every future of this library that waits for something outside of the
// task (a message, a permit, a socket, a time) spends one unit when it is about to be ready. With
// none left it wakes its task and answers pending: the task is polled again behind the others, with
// a new budget.
//
// The budget is the thread's, since it is set before and looked at during one poll. Outside of a
// task (a future that is polled by hand, say) there is no limit.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/runtime/waker.hpp"

namespace hc::runtime::coop {

/// What one poll of a task may spend.
inline constexpr std::uint32_t budget_of_a_poll = 128;
inline constexpr std::uint32_t unlimited = UINT32_MAX;

namespace detail {
inline constinit thread_local std::uint32_t left __attribute__((tls_model("initial-exec"))) =
    unlimited;
} // namespace detail

/// For the futures: asked when the answer is ready to be taken, before anything is taken. False:
/// the task has been woken, answer pending.
///
///     if (queue.empty()) { keep the waker; return pending; }
///     if (!coop::spend(context)) return pending;
///     return queue.take();
inline bool spend(Context& context) noexcept {
    if (detail::left == unlimited) return true;
    if (detail::left == 0) {
        context.waker().wake();
        return false;
    }
    --detail::left;
    return true;
}

/// The same in two steps, for futures that find out whether they are ready under a lock, where
/// nothing must be woken. `proceed` comes before the lock and takes nothing (false: the task has
/// been woken, answer pending); `took` goes with what is taken.
inline bool proceed(Context& context) noexcept {
    if (detail::left != 0) return true;
    context.waker().wake();
    return false;
}
inline void took() noexcept {
    if (detail::left != unlimited) --detail::left;
}

/// True when nothing is left to spend: for a future with many others inside, to ask no more of
/// them.
inline bool is_exhausted() noexcept { return detail::left == 0; }

/// For those who poll tasks: the budget in force until the end of the scope.
class Budget {
public:
    explicit Budget(std::uint32_t units = budget_of_a_poll) noexcept
        : before_(std::exchange(detail::left, units)) {}
    ~Budget() { detail::left = before_; }
    Budget(const Budget&) = delete;
    Budget& operator=(const Budget&) = delete;

private:
    std::uint32_t before_;
};

/// For a future that asks several others within one poll: until the end of the scope one of them
/// may spend its share of what is left, where `those` are still to be asked, this one included.
/// What it leaves goes to those behind it. Without shares the first that always finds something
/// would spend everything, every time, and those behind it would never get anywhere.
class Share {
public:
    explicit Share(std::uint32_t those) noexcept {
        const std::uint32_t left = detail::left;
        if (left == unlimited || left == 0) return;
        detail::left = std::max<std::uint32_t>(left / std::max<std::uint32_t>(those, 1), 1);
        kept_ = left - detail::left;
    }
    ~Share() { detail::left += kept_; }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

private:
    std::uint32_t kept_ = 0; // for those behind
};

} // namespace hc::runtime::coop
