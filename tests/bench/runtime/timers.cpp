// Arming a timer and giving it up: what a request that is answered in time does.
#include <chrono>

#include "core/runtime/sleep.hpp"
#include "core/runtime/spawn.hpp"
#include "core/runtime/timer_wheel.hpp"
#include "tests/bench/runtime/bench.hpp"

namespace hc::bench {

using namespace hc::runtime;

namespace {

constexpr int times = 10'000;

/// The wheel alone, at distances that reach its first three levels.
Task<void> timers_on_worker() {
    struct Nothing {
        static void fire(Timer&) noexcept {}
    };
    Worker& worker = *Worker::current();
    Timer timer(&Nothing::fire);
    for (int i = 0; i < times; ++i) {
        const auto after = std::chrono::milliseconds(1 + (i * 7919) % 60'000);
        worker.timers().set(timer, worker.now() + after);
        worker.timers().cancel(timer);
    }
    co_return;
}
Task<void> timer_add_cancel() { (void)co_await spawn(timers_on_worker()); }

/// Polls a sleep once, so that it is armed, and gives it up.
class Once {
public:
    explicit Once(Sleep sleep) noexcept : sleep_(std::move(sleep)) {}
    Poll<void> poll(Context& context) {
        (void)sleep_.poll(context);
        return Poll<void>::ready();
    }

private:
    Sleep sleep_;
};
Task<void> sleeps_on_worker() {
    for (int i = 0; i < times; ++i) co_await Once(sleep(std::chrono::seconds(1 + i % 60)));
}
Task<void> sleep_add_cancel() { (void)co_await spawn(sleeps_on_worker()); }

constexpr Benchmark benchmarks[] = {
    {"timer_add_cancel", &timer_add_cancel, times},
    {"sleep_add_cancel", &sleep_add_cancel, times},
};

} // namespace

std::span<const Benchmark> timer_benchmarks() { return benchmarks; }

} // namespace hc::bench
