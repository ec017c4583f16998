// timers: a heartbeat beside work with a deadline, and what happens when the deadline is missed.
#include <chrono>
#include <string>

#include "core/runtime/local_executor.hpp"
#include "core/runtime/sleep.hpp"
#include "core/runtime/spawn.hpp"
#include "examples/cpp/example.hpp"

namespace {

using namespace hc;
using namespace hc::runtime;
using namespace std::chrono_literals;

Task<void> heartbeat(Duration period) {
    Interval beat(period);
    for (int n = 0;; ++n) {
        co_await beat.tick();
        example::say("beat " + std::to_string(n));
    }
}

Task<int> work(Duration needed) {
    co_await sleep(needed);
    co_return 42;
}

Task<void> all() {
    auto beating = spawn_local(heartbeat(20ms));
    const Result<int> in_time = co_await timeout(1s, work(50ms));
    example::say("in time: " + std::to_string(*in_time));
    const Result<int> late = co_await timeout(50ms, work(1h));
    example::say("late: " + late.error().message);
    beating.abort();
    const Result<void> ended = co_await beating;
    example::say("heartbeat: " + std::string(name(ended.error().kind)));
}

} // namespace

int main() {
    auto executor = LocalExecutor::create();
    if (!executor) return 1;
    return executor->block_on(all()) ? 0 : 1;
}
