// Timers and blocking jobs: each ends exactly once, by its event or by a cancel.
#include "tests/capi/support.hpp"

#include <algorithm>
#include <random>
#include <set>

namespace capi_test {
namespace {

class OperationsOf : public testing::TestWithParam<Delivery> {};
INSTANTIATE_TEST_SUITE_P(Deliveries, OperationsOf,
                         testing::Values(Delivery::queue, Delivery::driven_queue),
                         [](const auto& it) { return name_of(it.param); });

TEST_P(OperationsOf, TimersFireOnceAndNotEarly) {
    Journal journal;
    Program program(GetParam(), [&](const hc_event& event) { journal.add(event); });
    const auto start = std::chrono::steady_clock::now();
    hc_op op = 0;
    ASSERT_EQ(hc_timer(program.queue(), 30'000'000, 5, &op), HC_OK);
    EXPECT_NE(op, 0U);
    ASSERT_EQ(hc_timer(program.queue(), 0, 6, nullptr), HC_OK);
    ASSERT_EQ(hc_timer(program.queue(), UINT64_MAX, 7, nullptr), HC_OK);
    ASSERT_TRUE(journal.wait_for(HC_EV_TIMER, 2));
    EXPECT_GE(std::chrono::steady_clock::now() - start, 30ms);
    EXPECT_EQ(journal.of(HC_EV_TIMER)[0].token, 6U);
    EXPECT_EQ(journal.of(HC_EV_TIMER)[1].token, 5U);
    EXPECT_EQ(journal.of(HC_EV_TIMER)[1].obj, op);
    EXPECT_EQ(journal.of(HC_EV_TIMER)[1].status, HC_OK);
    EXPECT_EQ(hc_cancel(op), HC_E_GONE);
    program.stop();
    // The one that would have fired in some centuries was told that it will not.
    ASSERT_EQ(journal.count(HC_EV_TIMER), 3U);
    EXPECT_EQ(journal.last(HC_EV_TIMER).token, 7U);
    EXPECT_EQ(journal.last(HC_EV_TIMER).status, HC_E_CLOSED);
    EXPECT_EQ(hc_timer(program.queue(), 0, 8, nullptr), HC_E_CLOSED);
}

TEST_P(OperationsOf, CancelOrEventNeverBothNeverNeither) {
    std::mutex mutex;
    std::set<hc_op> fired;
    Program program(GetParam(), [&](const hc_event& event) {
        if (event.type != HC_EV_TIMER) return;
        const std::lock_guard lock(mutex);
        EXPECT_TRUE(fired.insert(event.obj).second);
    });
    std::mt19937 random(7);
    std::set<hc_op> all;
    std::set<hc_op> cancelled;
    std::vector<hc_op> waiting;
    for (int i = 0; i < 5'000; ++i) {
        hc_op op = 0;
        ASSERT_EQ(hc_timer(program.queue(), random() % 3'000'000, 0, &op), HC_OK);
        EXPECT_TRUE(all.insert(op).second);
        waiting.push_back(op);
        if (random() % 2 == 0) {
            const hc_op victim = waiting[random() % waiting.size()];
            const hc_status status = hc_cancel(victim);
            ASSERT_TRUE(status == HC_OK || status == HC_E_GONE);
            if (status == HC_OK) {
                EXPECT_TRUE(cancelled.insert(victim).second);
            }
        }
    }
    EXPECT_TRUE(eventually([&] {
        const std::lock_guard lock(mutex);
        return fired.size() + cancelled.size() >= all.size();
    }));
    program.stop();
    EXPECT_EQ(fired.size() + cancelled.size(), all.size());
    EXPECT_TRUE(std::ranges::none_of(cancelled, [&](hc_op op) { return fired.contains(op); }));
    EXPECT_FALSE(cancelled.empty());
    EXPECT_FALSE(fired.empty());
}

TEST_P(OperationsOf, JobsRunElsewhereAndReport) {
    Journal journal;
    Program program(GetParam(), [&](const hc_event& event) { journal.add(event); });
    std::atomic<int> runs{0};
    for (std::uint64_t i = 0; i < 100; ++i) {
        ASSERT_EQ(hc_spawn_blocking(
                      program.queue(), [](void* n) { ++*static_cast<std::atomic<int>*>(n); }, &runs,
                      i, nullptr),
                  HC_OK);
    }
    ASSERT_TRUE(journal.wait_for(HC_EV_JOB, 100));
    EXPECT_EQ(runs, 100);
    std::set<std::uint64_t> tokens;
    for (const hc_event& job : journal.of(HC_EV_JOB)) {
        EXPECT_EQ(job.status, HC_OK);
        EXPECT_TRUE(tokens.insert(job.token).second);
    }
}

struct Gate {
    std::mutex mutex;
    std::condition_variable changed;
    bool open = false;
    int inside = 0;
    static void wait(void* self) {
        auto& gate = *static_cast<Gate*>(self);
        std::unique_lock lock(gate.mutex);
        ++gate.inside;
        gate.changed.notify_all();
        gate.changed.wait(lock, [&] { return gate.open; });
    }
    void let_through() {
        const std::lock_guard lock(mutex);
        open = true;
        changed.notify_all();
    }
    void wait_inside(int n) {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return inside >= n; });
    }
};

TEST_P(OperationsOf, QueuedJobsCanBeCancelledRunningOnesNot) {
    Journal journal;
    Program program(
        GetParam(), [&](const hc_event& event) { journal.add(event); },
        {.config = {{"runtime.blocking_threads_max", "1"}, {"limits.blocking_queue_max", "2"}}});
    Gate gate;
    hc_op running = 0;
    ASSERT_EQ(hc_spawn_blocking(program.queue(), &Gate::wait, &gate, 1, &running), HC_OK);
    gate.wait_inside(1);
    hc_op queued = 0;
    ASSERT_EQ(hc_spawn_blocking(program.queue(), &Gate::wait, &gate, 2, &queued), HC_OK);
    ASSERT_EQ(hc_spawn_blocking(program.queue(), &Gate::wait, &gate, 3, nullptr), HC_OK);
    EXPECT_EQ(hc_spawn_blocking(program.queue(), &Gate::wait, &gate, 4, nullptr), HC_E_LIMIT);
    EXPECT_EQ(hc_cancel(running), HC_E_STATE);
    EXPECT_EQ(hc_cancel(queued), HC_OK);
    EXPECT_EQ(hc_cancel(queued), HC_E_GONE);
    gate.let_through();
    ASSERT_TRUE(journal.wait_for(HC_EV_JOB, 2));
    program.stop();
    ASSERT_EQ(journal.count(HC_EV_JOB), 2U);
    EXPECT_EQ(journal.of(HC_EV_JOB)[0].token, 1U);
    EXPECT_EQ(journal.of(HC_EV_JOB)[1].token, 3U);
}

TEST_P(OperationsOf, StopWaitsForRunningJobsAndDropsQueuedOnes) {
    Journal journal;
    Gate gate;
    Program program(GetParam(), [&](const hc_event& event) { journal.add(event); },
                    {.config = {{"runtime.blocking_threads_max", "1"}}});
    ASSERT_EQ(hc_spawn_blocking(program.queue(), &Gate::wait, &gate, 1, nullptr), HC_OK);
    gate.wait_inside(1);
    ASSERT_EQ(hc_spawn_blocking(program.queue(), &Gate::wait, &gate, 2, nullptr), HC_OK);
    ASSERT_EQ(hc_runtime_stop(program.runtime(), program.queue(), 9), HC_OK);
    EXPECT_EQ(hc_runtime_stop(program.runtime(), nullptr, 0), HC_E_STATE);
    EXPECT_EQ(hc_spawn_blocking(program.queue(), &Gate::wait, &gate, 3, nullptr), HC_E_CLOSED);
    ASSERT_TRUE(journal.wait_for(HC_EV_JOB, 1)); // the queued one
    EXPECT_EQ(journal.last(HC_EV_JOB).status, HC_E_CLOSED);
    EXPECT_EQ(journal.last(HC_EV_JOB).token, 2U);
    EXPECT_EQ(hc_runtime_join(program.runtime(), 0), HC_E_TIMEOUT);
    EXPECT_EQ(journal.count(HC_EV_STOPPED), 0U);
    gate.let_through();
    ASSERT_TRUE(journal.wait_for(HC_EV_STOPPED));
    EXPECT_EQ(journal.last(HC_EV_STOPPED).token, 9U);
    EXPECT_EQ(journal.count(HC_EV_JOB), 2U);
    EXPECT_EQ(journal.of(HC_EV_JOB)[1].status, HC_OK);
}

TEST(Operations, AreBounded) {
    const Config config(Pairs{{"limits.operations_max", "10"}});
    hc_runtime* runtime = nullptr;
    ASSERT_EQ(hc_runtime_create(config.get(), &runtime, nullptr), HC_OK);
    hc_queue* queue = nullptr;
    ASSERT_EQ(hc_queue_create(runtime, 0, &queue), HC_OK);
    hc_op ops[10];
    for (hc_op& op : ops) ASSERT_EQ(hc_timer(queue, 1'000'000'000, 0, &op), HC_OK);
    EXPECT_EQ(hc_timer(queue, 0, 0, nullptr), HC_E_LIMIT);
    EXPECT_EQ(hc_spawn_blocking(queue, [](void*) {}, nullptr, 0, nullptr), HC_E_LIMIT);
    EXPECT_EQ(hc_cancel(ops[3]), HC_OK);
    EXPECT_EQ(hc_timer(queue, 1'000'000'000, 0, nullptr), HC_OK);
    hc_queue_release(queue);
    hc_runtime_release(runtime);
}

} // namespace
} // namespace capi_test
