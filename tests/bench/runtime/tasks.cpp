// Spawning, yielding and waking: tokio's four, and the same on one worker.
#include <vector>

#include "core/runtime/spawn.hpp"
#include "core/runtime/sync/oneshot.hpp"
#include "tests/bench/runtime/bench.hpp"

namespace hc::bench {

using namespace hc::runtime;

namespace {

// -- tokio's four ---------------------------------------------------------------------------------

constexpr int chain_length = 1000;

Task<void> chain(int left, oneshot::Sender<int> done) {
    if (left == 0) {
        (void)std::move(done).send(0);
    } else {
        spawn(chain(left - 1, std::move(done))).detach();
    }
    co_return;
}
Task<void> chained_spawn() {
    auto [done, here] = oneshot::channel<int>();
    spawn(chain(chain_length, std::move(done))).detach();
    co_await std::move(here);
}

constexpr int pings = 1000;

Task<void> pong(oneshot::Receiver<int> ping, oneshot::Sender<int> reply) {
    co_await std::move(ping);
    (void)std::move(reply).send(0);
}
Task<void> ping(Rest rest) {
    auto [to, there] = oneshot::channel<int>();
    auto [back, here] = oneshot::channel<int>();
    spawn(pong(std::move(there), std::move(back))).detach();
    (void)std::move(to).send(0);
    co_await std::move(here);
    rest->tell();
}
Task<void> ping_all(Rest rest) {
    for (int i = 0; i < pings; ++i) spawn(ping(rest)).detach();
    co_return;
}
Task<void> ping_pong() {
    const Rest rest = countdown(pings);
    spawn(ping_all(rest)).detach();
    co_await *rest;
}

constexpr int spawns = 10'000;

Task<void> tells(Rest rest) {
    rest->tell();
    co_return;
}
Task<void> spawn_many() {
    const Rest rest = countdown(spawns);
    for (int i = 0; i < spawns; ++i) spawn(tells(rest)).detach();
    co_await *rest;
}

constexpr int yielders = 200;
constexpr int yields = 1000;

Task<void> yielder(Rest rest) {
    for (int i = 0; i < yields; ++i) co_await yield_now();
    rest->tell();
}
Task<void> yield_many() {
    const Rest rest = countdown(yielders);
    for (int i = 0; i < yielders; ++i) spawn(yielder(rest)).detach();
    co_await *rest;
}

// -- on one worker --------------------------------------------------------------------------------

constexpr int rounds = 100;
constexpr int a_round = 100;

Task<void> tells_here(int* left) {
    --*left;
    co_return;
}
Task<void> spawner_here() {
    for (int round = 0; round < rounds; ++round) {
        int left = a_round;
        for (int i = 0; i < a_round; ++i) spawn_local(tells_here(&left)).detach();
        while (left > 0) co_await yield_now();
    }
}
Task<void> spawn_local_and_wait() { (void)co_await spawn_local(spawner_here()); }
Task<void> spawn_here() { (void)co_await spawn(spawn_local_and_wait()); }

Task<void> nothing() { co_return; }
Task<void> joiner() {
    for (int round = 0; round < rounds; ++round) {
        std::vector<JoinHandle<void>> handles;
        handles.reserve(a_round);
        for (int i = 0; i < a_round; ++i) handles.push_back(spawn(nothing()));
        for (auto& handle : handles) (void)co_await handle;
    }
}
Task<void> spawn_join() { (void)co_await spawn(joiner()); }

Task<void> yield_alone() {
    for (int i = 0; i < 10'000; ++i) co_await yield_now();
}
Task<void> yield_here() { (void)co_await spawn(yield_alone()); }

constexpr Benchmark benchmarks[] = {
    {"chained_spawn", &chained_spawn, chain_length},
    {"ping_pong", &ping_pong, pings},
    {"spawn_many", &spawn_many, spawns},
    {"yield_many", &yield_many, yielders* yields},
    {"spawn_here", &spawn_here, rounds* a_round},
    {"spawn_join", &spawn_join, rounds* a_round},
    {"yield_here", &yield_here, 10'000},
};

} // namespace

std::span<const Benchmark> task_benchmarks() { return benchmarks; }

} // namespace hc::bench
