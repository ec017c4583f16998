#include "tests/unit/net/streams/house.hpp"

#include <algorithm>

namespace hc::net::test {

namespace {

class Call final : public runtime::Message {
public:
    explicit Call(std::function<void(Worker&)> call) : call_(std::move(call)) {}
    void run(Worker& worker) override { call_(worker); }

private:
    std::function<void(Worker&)> call_;
};

} // namespace

const runtime::WakerTable WakeCount::table{&WakeCount::clone, &WakeCount::wake, &WakeCount::drop};

std::vector<HouseCase> simulated_houses() {
    std::vector<HouseCase> out;
    if (hc::test::on_io_uring()) return out; // they are the same there
    out.push_back({"sim", 1, {}});
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        auto options = sys::sim::Options::hostile();
        options.stall_max = 50ms;
        out.push_back({"sim_rough_" + std::to_string(seed), seed, options});
    }
    return out;
}

std::vector<HouseCase> all_houses() {
    std::vector<HouseCase> out = simulated_houses();
    out.push_back({"native", std::nullopt, {}});
    return out;
}

void House::SetUp() {
    const HouseCase& chosen = GetParam();
    if (chosen.seed) world_ = std::make_unique<sys::sim::World>(*chosen.seed, chosen.options);
    for (int i = 0; i < 2; ++i) {
        runtime::RuntimeOptions options;
        options.workers = 0;
        options.system = world_.get(); // nullptr: the real one
        options.io = hc::test::backend();
        runtimes_.push_back(std::move(*runtime::Runtime::create(options)));
        ASSERT_TRUE(runtimes_.back()->start());
    }
    system_ = &worker().system();
    turn_all(); // this thread is both workers from now on
}

void House::TearDown() {
    runtimes_.clear();
    if (simulated() && !HasFailure()) {
        EXPECT_EQ(world_->network().open_sockets(), 0U) << "a socket was left open";
    }
}

void House::turn_all() {
    for (auto& runtime : runtimes_) {
        if (runtime == nullptr) continue;
        (void)runtime->worker(0).turn(simulated() ? Duration::zero() : Duration(200us), true);
        runtime->worker(0).flush();
    }
}

bool House::until(const std::function<bool()>& done) {
    const Instant end = system().clock().now() + 60s;
    while (!done()) { // asking may change something: once a round
        if (system().clock().now() >= end) return false;
        turn_all();
        if (simulated() && !world_->step()) world_->advance(1ms);
    }
    return true;
}

void House::settle() {
    for (int i = 0; i < (simulated() ? 50 : 5); ++i) {
        turn_all();
        if (simulated()) world_->step();
    }
}

void House::post(std::size_t index, std::function<void(Worker&)> call) {
    worker(index).post(std::make_unique<Call>(std::move(call)));
}

Task<void> House::guarded(Task<void> task, int* left) {
    try {
        co_await std::move(task);
    } catch (const std::exception& thrown) {
        ADD_FAILURE() << thrown.what();
    }
    --*left;
}

void House::spawn(std::size_t index, Task<void> task) {
    ++left_;
    auto shared = std::make_shared<Task<void>>(guarded(std::move(task), &left_));
    post(index, [shared](Worker& worker) { worker.spawn_local(std::move(*shared)); });
}

void House::run(std::size_t index, Task<void> task) {
    const int before = left_;
    spawn(index, std::move(task));
    EXPECT_TRUE(until([&] { return left_ == before; })) << "a task waits for ever";
}

void House::run_all(std::vector<Task<void>> tasks) {
    const int before = left_;
    for (std::size_t i = 0; i < tasks.size(); ++i) spawn(i % 2, std::move(tasks[i]));
    EXPECT_TRUE(until([&] { return left_ == before; })) << "tasks wait for ever";
}

} // namespace hc::net::test
