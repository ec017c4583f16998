// Resolvers: literal addresses, this machine, what can be no name, and who gives up. Nothing here
// asks a name server: all of it is answered by the machine itself.
#include "core/net/resolver.hpp"

#include <condition_variable>
#include <mutex>

#include "core/runtime/park.hpp"
#include "tests/unit/net/streams/house.hpp"

namespace hc::net::test {
namespace {

using runtime::park_on;
using runtime::Runtime;

class Resolve : public House {
protected:
    Resolver::Answer resolve(std::string host, std::uint16_t port) {
        std::optional<Resolver::Answer> out;
        SystemResolver resolver(runtime());
        run([](Resolver* from, std::string name, std::uint16_t at,
               std::optional<Resolver::Answer>* answer) -> Task<void> {
            answer->emplace(co_await from->resolve(name, at));
        }(&resolver, std::move(host), port, &out));
        return out.value_or(fail(ErrorKind::internal, "no answer"));
    }
};

TEST_P(Resolve, LiteralAddressesNeedNoThread) {
    for (const std::string text : {"127.0.0.1", "::1", "[::1]", "192.0.2.1"}) {
        EXPECT_EQ(must(resolve(text, 443)), std::vector{*Address::ip_port(text, 443)});
    }
    EXPECT_EQ(runtime().blocking().threads(), 0U);
}

TEST_P(Resolve, Localhost) {
    const std::vector<Address> found = must(resolve("localhost", 80));
    ASSERT_FALSE(found.empty());
    for (const Address& each : found) {
        EXPECT_TRUE(each.host() == "127.0.0.1" || each.host() == "::1") << each.to_string();
        EXPECT_EQ(each.port, 80);
    }
}

TEST_P(Resolve, WhatCanBeNoName) {
    for (const std::string text : {"no..dots", ""}) {
        const auto found = resolve(text, 80);
        ASSERT_FALSE(found);
        EXPECT_EQ(found.error().kind, ErrorKind::not_found) << found.error().message;
    }
}

class SimulatedResolve : public Resolve {};

TEST_P(SimulatedResolve, NamesThatWereAdded) {
    world().add_name("server.test", {*Address::parse("10.0.0.1:0")});
    EXPECT_EQ(must(resolve("server.test", 443)), std::vector{*Address::parse("10.0.0.1:443")});
}

INSTANTIATE_TEST_SUITE_P(Systems, Resolve, testing::ValuesIn(all_houses()), name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SimulatedResolve);
INSTANTIATE_TEST_SUITE_P(Systems, SimulatedResolve, testing::ValuesIn(simulated_houses()), name_of);

/// Jobs that keep a pool's only thread busy until they are let go.
class Gate {
public:
    void wait() {
        std::unique_lock lock(mutex_);
        begun_ = true;
        changed_.notify_all();
        changed_.wait(lock, [this] { return open_; });
    }
    void await_begun() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return begun_; });
    }
    void open() {
        const std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool begun_ = false;
    bool open_ = false;
};

std::unique_ptr<Runtime> with_one_thread() {
    runtime::RuntimeOptions options;
    options.io = hc::test::backend();
    options.limits.blocking_threads_max = 1;
    options.limits.blocking_queue_max = 1;
    auto runtime = std::move(*Runtime::create(options));
    EXPECT_TRUE(runtime->start());
    return runtime;
}

TEST(ResolveThreads, AFullPoolRefuses) {
    auto runtime = with_one_thread();
    SystemResolver resolver(*runtime);
    Gate gate;
    ASSERT_TRUE(runtime->blocking().submit([&] { gate.wait(); }));
    gate.await_begun();
    ASSERT_TRUE(runtime->blocking().submit([] {}));
    const auto refused = park_on(resolver.resolve("localhost", 80));
    EXPECT_EQ(refused.error().kind, ErrorKind::limit);
    EXPECT_TRUE(park_on(resolver.resolve("127.0.0.1", 80))) << "that needs no thread";
    gate.open();
}

TEST(ResolveThreads, AQuestionNobodyWaitsForLeavesNoWaker) {
    auto runtime = with_one_thread();
    SystemResolver resolver(*runtime);
    Gate gate;
    ASSERT_TRUE(runtime->blocking().submit([&] { gate.wait(); }));
    gate.await_begun();
    {
        runtime::Parker parker;
        const runtime::Waker waker = parker.waker();
        Context context(waker);
        auto asked = resolver.resolve("localhost", 80);
        EXPECT_FALSE(asked.poll(context).is_ready());
    }
    gate.open();
    runtime.reset();
}

TEST(ResolveThreads, AStoppedRuntime) {
    auto runtime = with_one_thread();
    SystemResolver resolver(*runtime);
    runtime->stop(nullptr);
    ASSERT_TRUE(runtime->join(std::nullopt));
    EXPECT_EQ(park_on(resolver.resolve("localhost", 80)).error().kind, ErrorKind::closed);
}

} // namespace
} // namespace hc::net::test
