// What the runtime costs, for ./dev bench runtime: tokio's scheduler benchmarks and the small
// things.
//
//     bench_runtime NAME WORKERS ITERATIONS
//
// prints "NAME operations wall_ns cpu_ns": of all threads of the process, for the iterations alone.
// The same names, made of the same steps, are in peer/src/main.rs.
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "core/runtime/runtime.hpp"
#include "core/runtime/sleep.hpp"
#include "core/runtime/spawn.hpp"
#include "core/runtime/sync/mutex.hpp"
#include "core/runtime/sync/oneshot.hpp"
#include "core/runtime/timer_wheel.hpp"

namespace {

using namespace hc;
using namespace hc::runtime;

std::int64_t cpu_ns() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const auto ns = [](const timeval& at) {
        return at.tv_sec * 1'000'000'000LL + at.tv_usec * 1000LL;
    };
    return ns(used.ru_utime) + ns(used.ru_stime);
}

/// The other end of what a benchmark waits for.
class Done {
public:
    Poll<void> poll(Context& context) {
        return done_.poll(context) ? Poll<void>::ready() : pending;
    }
    void set() noexcept { done_.complete(); }

private:
    Completion done_;
};
struct Wait {
    std::shared_ptr<Done> done;
    Poll<void> poll(Context& context) { return done->poll(context); }
};

// -- tokio's four ---------------------------------------------------------------------------------

constexpr int chain_length = 1000;

Task<void> chain(int left, std::shared_ptr<Done> done) {
    if (left == 0) {
        done->set();
    } else {
        spawn(chain(left - 1, std::move(done))).detach();
    }
    co_return;
}

Task<void> chained_spawn() {
    auto done = std::make_shared<Done>();
    spawn(chain(chain_length, done)).detach();
    co_await Wait{done};
}

constexpr int pings = 1000;

struct Countdown {
    explicit Countdown(int from) : left(from) {}
    std::atomic<int> left;
    Done done;
    void tell() {
        if (left.fetch_sub(1, std::memory_order_relaxed) == 1) done.set();
    }
};
struct WaitAll {
    std::shared_ptr<Countdown> countdown;
    Poll<void> poll(Context& context) { return countdown->done.poll(context); }
};

Task<void> pong(OneshotReceiver<int> ping, OneshotSender<int> reply) {
    (void)co_await std::move(ping);
    (void)reply.send(0);
}

Task<void> ping(std::shared_ptr<Countdown> rest) {
    auto [to, there] = oneshot<int>();
    auto [back, here] = oneshot<int>();
    spawn(pong(std::move(there), std::move(back))).detach();
    (void)to.send(0);
    (void)co_await std::move(here);
    rest->tell();
}

Task<void> ping_pong_all(std::shared_ptr<Countdown> rest) {
    for (int i = 0; i < pings; ++i) spawn(ping(rest)).detach();
    co_return;
}

Task<void> ping_pong() {
    auto rest = std::make_shared<Countdown>(pings);
    spawn(ping_pong_all(rest)).detach();
    co_await WaitAll{rest};
}

constexpr int spawns = 10'000;

Task<void> tells(std::shared_ptr<Countdown> rest) {
    rest->tell();
    co_return;
}

Task<void> spawn_many() {
    auto rest = std::make_shared<Countdown>(spawns);
    for (int i = 0; i < spawns; ++i) spawn(tells(rest)).detach();
    co_await WaitAll{rest};
}

constexpr int yielders = 200;
constexpr int yields = 1000;

Task<void> yielder(std::shared_ptr<Countdown> rest) {
    for (int i = 0; i < yields; ++i) co_await yield_now();
    rest->tell();
}

Task<void> yield_many() {
    auto rest = std::make_shared<Countdown>(yielders);
    for (int i = 0; i < yielders; ++i) spawn(yielder(rest)).detach();
    co_await WaitAll{rest};
}

// -- the small things -----------------------------------------------------------------------------

Task<void> nothing() { co_return; }

/// Spawned and run on the same worker.
Task<void> spawn_here_on_worker() {
    for (int round = 0; round < 100; ++round) {
        std::vector<JoinHandle<void>> handles;
        handles.reserve(100);
        for (int i = 0; i < 100; ++i) handles.push_back(spawn_local(nothing()));
        for (auto& handle : handles) (void)co_await handle;
    }
}
Task<void> spawn_here() { (void)co_await spawn(spawn_here_on_worker()); }

Task<void> yield_alone_on_worker() {
    for (int i = 0; i < 10'000; ++i) co_await yield_now();
}
Task<void> yield_here() { (void)co_await spawn(yield_alone_on_worker()); }

Task<void> timer_on_worker() {
    Worker& worker = *Worker::current();
    struct Nothing {
        static void fire(Timer&) noexcept {}
    };
    Timer timer(&Nothing::fire);
    Random random(3);
    for (int i = 0; i < 10'000; ++i) {
        worker.timers().set(timer,
                            worker.now() + std::chrono::milliseconds(1 + (i * 7919) % 60'000));
        worker.timers().cancel(timer);
    }
    co_return;
}
Task<void> timer_add_cancel() { (void)co_await spawn(timer_on_worker()); }

struct Once {
    Sleep sleep;
    Poll<void> poll(Context& context) {
        (void)sleep.poll(context);
        return Poll<void>::ready();
    }
};
Task<void> sleep_on_worker() {
    for (int i = 0; i < 10'000; ++i) co_await Once{sleep(std::chrono::seconds(1 + i % 60))};
}
Task<void> sleep_add_cancel() { (void)co_await spawn(sleep_on_worker()); }

constexpr int lockers = 100;
constexpr int locks = 100;

Task<void> locker(std::shared_ptr<Mutex<int>> mutex, std::shared_ptr<Countdown> rest) {
    for (int i = 0; i < locks; ++i) {
        auto guard = co_await mutex->lock();
        ++*guard;
    }
    rest->tell();
}
Task<void> mutex_contended() {
    auto mutex = std::make_shared<Mutex<int>>(0);
    auto rest = std::make_shared<Countdown>(lockers);
    for (int i = 0; i < lockers; ++i) spawn(locker(mutex, rest)).detach();
    co_await WaitAll{rest};
}

struct Benchmark {
    std::string_view name;
    Task<void> (*once)();
    int operations; // of one iteration
};

constexpr Benchmark benchmarks[] = {
    {"chained_spawn", &chained_spawn, chain_length},
    {"ping_pong", &ping_pong, pings},
    {"spawn_many", &spawn_many, spawns},
    {"yield_many", &yield_many, yielders* yields},
    {"spawn_here", &spawn_here, 10'000},
    {"yield_here", &yield_here, 10'000},
    {"timer_add_cancel", &timer_add_cancel, 10'000},
    {"sleep_add_cancel", &sleep_add_cancel, 10'000},
    {"mutex_contended", &mutex_contended, lockers* locks},
};

int run(const Benchmark& benchmark, std::uint32_t workers, int iterations) {
    auto runtime = *Runtime::create({.workers = workers});
    if (!runtime->start()) return 1;
    for (int i = 0; i < 3; ++i) (void)runtime->block_on(benchmark.once());
    const std::int64_t cpu = cpu_ns();
    const auto wall = std::chrono::steady_clock::now();
    for (int i = 0; i < iterations; ++i) (void)runtime->block_on(benchmark.once());
    const auto took = std::chrono::steady_clock::now() - wall;
    const std::int64_t used = cpu_ns() - cpu;
    std::printf("%s %lld %lld %lld\n", benchmark.name.data(),
                static_cast<long long>(benchmark.operations) * iterations,
                static_cast<long long>(took.count()), static_cast<long long>(used));
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    if (argc == 4) {
        for (const Benchmark& benchmark : benchmarks) {
            if (benchmark.name == argv[1]) {
                return run(benchmark, static_cast<std::uint32_t>(std::atoi(argv[2])),
                           std::atoi(argv[3]));
            }
        }
    }
    std::fprintf(stderr, "usage: bench_runtime NAME WORKERS ITERATIONS\n");
    return 2;
}
