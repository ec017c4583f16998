#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

#include "core/runtime/runtime.hpp"
#include "tests/unit/backend.hpp"

namespace hc::runtime {
namespace {

using namespace std::chrono_literals;

struct Seen {
    static constexpr int producers = 3;
    std::array<std::atomic<int>, producers> next{};
    std::atomic<bool> ordered{true};
};

class Numbered final : public Message {
public:
    Numbered(Seen& seen, std::size_t producer, int number)
        : seen_(seen), producer_(producer), number_(number) {}
    void run(Worker& worker) override {
        auto& next = seen_.next[producer_];
        if (next != number_ || !worker.is_current()) seen_.ordered = false;
        next = number_ + 1;
    }

private:
    Seen& seen_;
    std::size_t producer_;
    int number_;
};

/// Posts from several threads; each often waits until its message ran, so that the worker falls
/// asleep between them. Hangs when a message is lost.
void exchange_messages(Worker& worker, Seen& seen, int each, std::latch* done) {
    std::vector<std::thread> threads;
    for (std::size_t p = 0; p < Seen::producers; ++p) {
        threads.emplace_back([&, p] {
            for (int n = 0; n < each; ++n) {
                worker.post(std::make_unique<Numbered>(seen, p, n));
                if (n % 4 != 0) continue;
                while (seen.next[p] <= n) std::this_thread::yield();
            }
            while (seen.next[p] < each) std::this_thread::yield();
            if (done != nullptr) done->count_down();
        });
    }
    for (auto& thread : threads) thread.join();
}

TEST(Inbox, KeepsEachProducersOrderAndLosesNothing) {
    auto runtime = *Runtime::create({.io = hc::test::backend()});
    ASSERT_TRUE(runtime->start().has_value());
    Seen seen;
    exchange_messages(runtime->worker(0), seen, 5000, nullptr);
    EXPECT_TRUE(seen.ordered);
}

// The same with a host that turns only when the worker's descriptor says so is in driven_test.cpp.

class Sets final : public Message {
public:
    explicit Sets(std::latch& latch) : latch_(latch) {}
    void run(Worker&) override { latch_.count_down(); }

private:
    std::latch& latch_;
};

// A worker with nothing to wait for sleeps for ever: only the post can end that.
TEST(Inbox, WakesASleepingWorkerAtOnce) {
    auto runtime = *Runtime::create({.io = hc::test::backend()});
    ASSERT_TRUE(runtime->start().has_value());
    for (int i = 0; i < 2000; ++i) {
        std::latch done(1);
        runtime->worker(0).post(std::make_unique<Sets>(done));
        done.wait();
    }
}

struct Tells final : Message {
    Tells(Inbox& inbox, std::vector<int>& log, int number)
        : inbox_(inbox), log_(log), number_(number) {}
    ~Tells() override { log_.push_back(-number_); }
    void run(Worker&) override {
        log_.push_back(number_);
        if (number_ == 1) inbox_.push(*new Tells(inbox_, log_, 9));
    }
    Inbox& inbox_;
    std::vector<int>& log_;
    int number_;
};

TEST(Inbox, RunsWhatIsThereAndDropsTheRest) {
    RuntimeOptions options;
    options.workers = 0;
    auto runtime = *Runtime::create(options);
    std::vector<int> log;
    {
        Inbox inbox;
        EXPECT_TRUE(inbox.empty());
        inbox.push(*new Tells(inbox, log, 1));
        inbox.push(*new Tells(inbox, log, 2));
        inbox.run_all(runtime->worker(0));
        EXPECT_EQ(log, (std::vector{1, -1, 2, -2}));
        EXPECT_FALSE(inbox.empty()); // what was pushed meanwhile
    }
    EXPECT_EQ(log, (std::vector{1, -1, 2, -2, -9}));
}

} // namespace
} // namespace hc::runtime
