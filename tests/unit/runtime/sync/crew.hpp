// Threads for the stress tests: some that park, and the workers of a runtime.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/runtime/park.hpp"
#include "core/runtime/runtime.hpp"
#include "core/runtime/task.hpp"
#include "core/runtime/worker.hpp"
#include "tests/unit/backend.hpp"
#include "tests/unit/runtime/sync/probe.hpp"

namespace hc::runtime::test {

/// Runs tasks at the same time, half of them on threads that park and half on the workers of a
/// runtime, and waits for all of them when it is destroyed.
class Crew {
public:
    explicit Crew(std::uint32_t workers = 2) {
        RuntimeOptions options;
        options.workers = workers;
        options.io = hc::test::backend();
        runtime_ = std::move(*Runtime::create(options));
        EXPECT_TRUE(runtime_->start().has_value());
    }
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;
    ~Crew() { finish(); }

    void add(Task<void> task) {
        if (on_thread_ = !on_thread_; on_thread_) {
            threads_.emplace_back([task = std::move(task)]() mutable { park_on(std::move(task)); });
            return;
        }
        std::promise<void> done;
        done_.push_back(done.get_future());
        auto& worker = runtime_->worker(next_worker_++ % runtime_->workers());
        worker.post(std::make_unique<Start>(signalled(std::move(task), std::move(done))));
    }
    void finish() {
        for (auto& thread : threads_) thread.join();
        threads_.clear();
        for (auto& done : done_) done.wait();
        done_.clear();
    }
    Runtime& runtime() { return *runtime_; }

private:
    struct Start final : Message {
        explicit Start(Task<void> of) : task(std::move(of)) {}
        void run(Worker& worker) override { worker.spawn_local(std::move(task)); }
        Task<void> task;
    };
    static Task<void> signalled(Task<void> task, std::promise<void> done) {
        co_await std::move(task);
        done.set_value();
    }

    std::unique_ptr<Runtime> runtime_;
    std::vector<std::thread> threads_;
    std::vector<std::future<void>> done_;
    bool on_thread_ = false;
    std::uint32_t next_worker_ = 0;
};

/// Asks the future once more than it is told to and then gives it up, unless it is ready first.
template <Future F>
class Impatient {
    using Answer = std::optional<typename Held<FutureValue<F>>::type>;

public:
    Impatient(F future, int polls) : future_(std::move(future)), polls_(polls) {}
    /// The future's value, or nothing when it was given up.
    Poll<Answer> poll(Context& context) {
        auto polled = future_->poll(context);
        if (polled.is_ready()) {
            if constexpr (std::is_void_v<FutureValue<F>>) return Answer(std::in_place);
            else return Answer(std::in_place, std::move(polled).value());
        }
        if (polls_-- == 0) {
            future_.reset();
            return Answer();
        }
        context.waker().wake(); // ask again soon
        return pending;
    }

private:
    std::optional<F> future_;
    int polls_;
};

} // namespace hc::runtime::test
