// Runs a small concurrent program under every schedule within some bounds.
//
// The program is a function. It makes its objects out of the atomics of model/atomics.hpp, spawns
// threads, joins them, and says with require() what must hold. It must do the same each time but
// for what the schedule decides. Threads that wait, wait through the model (Mutex, Parker), never
// in a loop of loads: a loop that others must end makes runs without an end.
//
// When a run fails, the outcome names its schedule. Set HTTPCORE_MODEL_REPLAY to that name and run
// the one test again: only that schedule runs, and its steps are printed.
#pragma once

#include <cstdint>
#include <functional>
#include <ostream>
#include <string>

#include "tests/support/model/execution.hpp"

namespace hc::model {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool is_sanitized = true;
#elif defined(__has_feature)
inline constexpr bool is_sanitized = __has_feature(address_sanitizer);
#else
inline constexpr bool is_sanitized = false;
#endif

/// For programs with many schedules: a sanitized build, which takes some twenty times as long for
/// each, looks at those with one switch less.
constexpr std::uint32_t deep(std::uint32_t preemptions) {
    return is_sanitized ? preemptions - 1 : preemptions;
}

struct Outcome {
    std::uint64_t schedules = 0;
    bool complete = false; // every schedule within the bounds ran, and none failed
    std::string failure;   // empty: none
    std::string schedule;  // of the failure
    std::string trace;     // of the failure, a step a line

    explicit operator bool() const noexcept { return complete; }
};
std::ostream& operator<<(std::ostream& out, const Outcome& outcome);

/// Stops at the first schedule that fails.
Outcome explore(const Limits& limits, const std::function<void()>& body);
/// Runs the one schedule of that name, which explore() with the same limits gave.
Outcome replay(const Limits& limits, const std::string& schedule,
               const std::function<void()>& body);

// For code inside a run.

inline void spawn(std::function<void()> body) { Execution::current().spawn(std::move(body)); }
inline void join() noexcept { Execution::current().join(); }
inline void require(bool holds, const char* what) noexcept {
    if (!holds) Execution::current().fail(what);
}

} // namespace hc::model
