// Two driven workers on one thread, on the real or on a simulated system, and what tasks of the
// tests need to speak over streams.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/net/address.hpp"
#include "core/runtime/runtime.hpp"
#include "core/runtime/task.hpp"
#include "core/sys/sim/world.hpp"
#include "tests/unit/backend.hpp"

namespace hc::net::test {

using namespace std::chrono_literals;
using runtime::Context;
using runtime::Poll;
using runtime::Task;
using runtime::Worker;

inline Address local(std::string_view text = "127.0.0.1:0") { return *Address::parse(text); }

/// What the result holds; an error is thrown, and so ends the test.
template <class T>
T must(Result<T> result) {
    if (!result) throw std::runtime_error("an unexpected error: " + result.error().message);
    return std::move(*result);
}
inline void must(Result<void> result) {
    if (!result) throw std::runtime_error("an unexpected error: " + result.error().message);
}

template <class F>
struct PollFn {
    F ask;
    auto poll(Context& context) { return ask(context); }
};
template <class F>
PollFn(F) -> PollFn<F>;

template <class Stream>
auto read_some(Stream& stream, std::span<char> into) {
    return PollFn{[&stream, into](Context& context) { return stream.poll_read(context, into); }};
}
template <class Stream>
auto write_some(Stream& stream, std::string_view bytes) {
    return PollFn{[&stream, bytes](Context& context) { return stream.poll_write(context, bytes); }};
}

/// Reads until `size` bytes are there, the end comes or an error; that goes to `error`.
template <class Stream>
Task<std::string> read_all(Stream& stream, std::size_t size = SIZE_MAX,
                           std::optional<Error>* error = nullptr) {
    std::string out;
    std::vector<char> into(16 * 1024);
    while (out.size() < size) {
        auto some =
            co_await read_some(stream, {into.data(), std::min(into.size(), size - out.size())});
        if (!some && error != nullptr) *error = some.error();
        if (!some || *some == 0) break;
        out.append(into.data(), *some);
    }
    co_return out;
}
template <class Stream>
Task<Result<void>> write_all(Stream& stream, std::string text) {
    std::string_view left = text;
    while (!left.empty()) {
        auto some = co_await write_some(stream, left);
        if (!some) co_return fail(some.error());
        left.remove_prefix(*some);
    }
    co_return Result<void>();
}

/// Counts how often it is woken, and how many wakers of it there are; those may outlive it.
class WakeCount {
    struct State {
        int wakes = 0;
        int wakers = 0;
        bool owned = true;
    };
    State& state_ = *new State;

public:
    WakeCount() = default;
    WakeCount(const WakeCount&) = delete;
    WakeCount& operator=(const WakeCount&) = delete;
    ~WakeCount() {
        state_.owned = false;
        if (wakers == 0) delete &state_;
    }
    runtime::Waker waker() { return {&table, clone(&state_)}; }
    int& wakes = state_.wakes;
    int& wakers = state_.wakers;

private:
    static void* clone(void* data) {
        ++static_cast<State*>(data)->wakers;
        return data;
    }
    static void wake(void* data) noexcept { ++static_cast<State*>(data)->wakes; }
    static void drop(void* data) noexcept {
        auto* state = static_cast<State*>(data);
        if (--state->wakers == 0 && !state->owned) delete state;
    }
    static const runtime::WakerTable table;
};

struct HouseCase {
    std::string name;
    std::optional<std::uint64_t> seed; // none: the real system
    sys::sim::Options options;
};
inline void PrintTo(const HouseCase& house, std::ostream* out) { *out << house.name; }
inline std::string name_of(const testing::TestParamInfo<HouseCase>& info) {
    return info.param.name;
}
std::vector<HouseCase> simulated_houses();
std::vector<HouseCase> all_houses(); // and the real system, with the backend of this run

class House : public testing::TestWithParam<HouseCase> {
protected:
    void SetUp() override;
    void TearDown() override;

    bool simulated() const { return world_ != nullptr; }
    sys::System& system() { return *system_; }
    sys::sim::World& world() { return *world_; }
    Worker& worker(std::size_t index = 0) { return runtimes_.at(index)->worker(0); }
    runtime::Runtime& runtime(std::size_t index = 0) { return *runtimes_.at(index); }
    /// Ends a worker, as the end of its runtime does.
    void end_worker(std::size_t index) { runtimes_.at(index).reset(); }

    /// Turns all workers until `done`; false when it took too long.
    bool until(const std::function<bool()>& done);
    /// Turns until nothing is likely to come any more.
    void settle();
    /// Runs `call` on a worker, inside one of its turns. It runs with the next turns.
    void post(std::size_t index, std::function<void(Worker&)> call);
    /// A task of a worker; what it throws is a failure of the test.
    void spawn(std::size_t index, Task<void> task);
    /// The same, and waits until it is done.
    void run(std::size_t index, Task<void> task);
    void run(Task<void> task) { run(0, std::move(task)); }
    /// Several, each on its own worker in turn, until all are done.
    void run_all(std::vector<Task<void>> tasks);
    template <class... More>
    void run_all(Task<void> first, More... more) {
        std::vector<Task<void>> tasks;
        tasks.push_back(std::move(first));
        (tasks.push_back(std::move(more)), ...);
        run_all(std::move(tasks));
    }

private:
    Task<void> guarded(Task<void> task, int* left);
    void turn_all();

    std::unique_ptr<sys::sim::World> world_;
    sys::System* system_ = nullptr;
    std::vector<std::unique_ptr<runtime::Runtime>> runtimes_;
    int left_ = 0;
};

} // namespace hc::net::test
