// What the runtime costs, for ./dev bench runtime: tokio's scheduler benchmarks and the small
// things.
//
//     bench_runtime NAME WORKERS CPU_MS
//
// runs iterations until they took so much CPU time, and prints "NAME operations wall_ns cpu_ns": of
// all threads of the process, for the iterations alone. The same names, made of the same steps, are
// in peer/src/main.rs.
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "core/runtime/runtime.hpp"
#include "tests/bench/runtime/bench.hpp"

namespace hc::bench {

Spent Stopwatch::read() noexcept {
    timespec cpu{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    const auto wall = std::chrono::steady_clock::now().time_since_epoch();
    return {std::chrono::nanoseconds(wall).count(), cpu.tv_sec * 1'000'000'000LL + cpu.tv_nsec};
}

namespace {

const Benchmark* find(std::string_view name) {
    for (const auto& list :
         {task_benchmarks(), sync_benchmarks(), timer_benchmarks(), udp_benchmarks()}) {
        for (const Benchmark& each : list) {
            if (each.name == name) return &each;
        }
    }
    return nullptr;
}

int failed(const Error& why) {
    std::fprintf(stderr, "bench_runtime: %s\n", why.message.c_str());
    return 1;
}

int run(const Benchmark& benchmark, std::uint32_t workers, std::uint32_t cpu_ms) {
    auto runtime = runtime::Runtime::create({.workers = workers});
    if (!runtime) return failed(runtime.error());
    if (auto started = (*runtime)->start(); !started) return failed(started.error());
    const auto once = [&] { return (*runtime)->block_on(benchmark.once()); };
    for (int i = 0; i < 3; ++i) {
        if (auto done = once(); !done) return failed(done.error());
    }
    if (benchmark.part != nullptr) benchmark.part(); // of what only warmed up
    Spent spent;
    std::int64_t iterations = 0;
    for (const Stopwatch watch; spent.cpu_ns < cpu_ms * 1'000'000LL; ++iterations) {
        (void)once();
        if (benchmark.part == nullptr) {
            spent = watch.spent();
        } else {
            spent += benchmark.part();
        }
    }
    std::printf("%s %lld %lld %lld\n", benchmark.name.data(),
                static_cast<long long>(benchmark.operations * iterations),
                static_cast<long long>(spent.wall_ns), static_cast<long long>(spent.cpu_ns));
    return 0;
}

bool number(const char* text, std::uint32_t& into) {
    const char* end = text + std::strlen(text);
    return std::from_chars(text, end, into).ptr == end && into > 0;
}

} // namespace
} // namespace hc::bench

int main(int argc, char** argv) {
    std::uint32_t workers = 0;
    std::uint32_t cpu_ms = 0;
    const auto* benchmark = argc == 4 ? hc::bench::find(argv[1]) : nullptr;
    if (benchmark == nullptr || !hc::bench::number(argv[2], workers) ||
        !hc::bench::number(argv[3], cpu_ms)) {
        std::fprintf(stderr, "usage: bench_runtime NAME WORKERS CPU_MS\n");
        return 2;
    }
    return hc::bench::run(*benchmark, workers, cpu_ms);
}
