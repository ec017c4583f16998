// Handlers that are coroutines: they suspend on the event loop, and end with their exchange.
#include "core/server/task_user.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "core/runtime/sleep.hpp"
#include "core/runtime/spawn.hpp"
#include "tests/unit/server/service.hpp"

namespace hc::server::test {
namespace {

using runtime::Task;

struct Tasks : Service {
    using Service::Service;

    void serve(TaskUser::Handler handler) {
        server = Server::create(*runtime, options).value();
        ASSERT_TRUE(server->route("", "/items/{item}", 0));
        ASSERT_TRUE(server->route("", "/{rest...}", 0));
        ASSERT_TRUE(server->bind(0, std::make_shared<TaskUser>(std::move(handler))));
        ASSERT_TRUE(server->listen(listening).has_value());
        settle();
    }
    std::string talk(std::string_view bytes, Duration limit = 10min) {
        auto peer = connect("198.51.100.1:0", bytes);
        EXPECT_TRUE(until([&] { return peer->over(); }, limit));
        return peer->received();
    }
};

const std::string last = "GET /items/7 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

Task<void> answers_at_once(Call& call) {
    EXPECT_EQ(call.respond(200, {}, "item " + std::string(call.param("item"))), ErrorKind::ok);
    EXPECT_EQ(call.param("other"), "");
    EXPECT_EQ(call.respond(200, {}, "again"), ErrorKind::state);
    co_return;
}

TEST(TaskUser, MayAnswerAtOnce) {
    Tasks service;
    service.serve(&answers_at_once);
    EXPECT_TRUE(service.talk(last).ends_with("\r\n\r\nitem 7"));
}

Task<void> answers_late(Call& call) {
    co_await runtime::sleep(100ms);
    const http::HeadView& head = call.head(); // moved meanwhile
    call.respond(200, {}, std::string(head.text(head.target)) + std::string(call.param("item")));
}

// The event-driven server of the comparison: one worker, and nobody waits for another.
TEST(TaskUser, AThousandSuspendedHandlersTakeTheTimeOfOne) {
    Tasks service;
    service.serve(&answers_late);
    std::vector<std::unique_ptr<sim::Peer>> peers;
    for (int i = 0; i < 1000; ++i) peers.push_back(service.connect("198.51.100.1:0", last));
    const Instant start = service.world.now();
    const auto all_over = [&] {
        return std::ranges::all_of(peers, [](const auto& peer) { return peer->over(); });
    };
    ASSERT_TRUE(service.until(all_over));
    EXPECT_GE(service.world.now() - start, 100ms);
    EXPECT_LT(service.world.now() - start, 300ms);
    for (const auto& peer : peers) EXPECT_TRUE(peer->received().ends_with("/items/77"));
}

Task<void> echoes(Call& call) {
    EXPECT_EQ(call.begin(200, {}), ErrorKind::ok);
    for (;;) {
        const Result<std::string> bytes = co_await call.read(1000);
        if (!bytes) co_return;
        EXPECT_LE(bytes->size(), 1000U);
        if (bytes->empty()) break;
        EXPECT_TRUE((co_await call.send(*bytes)).has_value());
    }
    EXPECT_EQ(call.finish(), ErrorKind::ok);
}

TEST(TaskUser, ReadsTheBodyAndSendsAsMuchAsIsTaken) {
    sim::Options narrow;
    narrow.window_bytes_min = narrow.window_bytes_max = 3'000;
    Tasks service(narrow);
    service.options.connection.write_high_watermark_bytes = 2'000;
    service.options.connection.write_low_watermark_bytes = 500;
    service.serve(&echoes);
    const std::string body(100'000, 'b');
    const std::string text =
        service.talk("POST / HTTP/1.0\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + body);
    EXPECT_TRUE(text.ends_with("\r\n\r\n" + body));
}

/// Says in `alive` how many handlers there are.
struct Alive {
    int& count;
    explicit Alive(int& counter) : count(counter) { ++count; }
    ~Alive() { --count; }
};

TEST(TaskUser, IsDroppedWhereItWaitsWhenTheClientGoes) {
    int alive = 0;
    struct Waits {
        static Task<void> for_ever(Call&, int* alive) {
            const Alive mark(*alive);
            co_await runtime::sleep(24h);
        }
        static Task<void> to_send(Call& call, int* alive) {
            const Alive mark(*alive);
            const std::string bytes(100'000, 'x');
            EXPECT_EQ(call.begin(200, {}), ErrorKind::ok);
            for (;;) (void)co_await call.send(bytes);
        }
        static Task<void> to_read(Call& call, int* alive) {
            const Alive mark(*alive);
            for (;;) {
                const auto bytes = co_await call.read();
                if (!bytes || bytes->empty()) co_await runtime::sleep(24h);
            }
        }
    };
    const std::string post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n123";
    for (auto wait : {&Waits::for_ever, &Waits::to_send, &Waits::to_read}) {
        Tasks service;
        service.serve([&](Call& call) { return wait(call, &alive); });
        auto peer = service.connect("198.51.100.1:0", post);
        peer->pause_reading();
        service.settle();
        EXPECT_EQ(alive, 1);
        peer->reset();
        service.settle();
        EXPECT_EQ(alive, 0);
    }
}

TEST(TaskUser, IsDroppedWithTheServer) {
    int alive = 0;
    struct Waits {
        static Task<void> for_ever(int* alive) {
            const Alive mark(*alive);
            co_await runtime::sleep(24h);
        }
    };
    {
        Tasks service;
        service.serve([&](Call&) { return Waits::for_ever(&alive); });
        auto peer = service.connect("198.51.100.1:0", last);
        service.settle();
        EXPECT_EQ(alive, 1);
    }
    EXPECT_EQ(alive, 0);
}

TEST(TaskUser, WithoutAnAnswerThereIsA500) {
    struct Fails {
        static Task<void> silently(Call&) { co_return; }
        static Task<void> late(Call&) { co_await runtime::sleep(1s); }
        static Task<void> loudly(Call&) {
            co_await runtime::sleep(1s);
            throw std::runtime_error("out of cheese");
        }
    };
    for (auto handler : {&Fails::silently, &Fails::late, &Fails::loudly}) {
        Tasks service;
        service.serve(handler);
        EXPECT_TRUE(service.talk(last).starts_with("HTTP/1.1 500 "));
    }
}

TEST(TaskUser, InTheMiddleOfAnAnswerTheEndIsAReset) {
    struct Half {
        static Task<void> answer(Call& call) {
            EXPECT_EQ(call.begin(200, {}), ErrorKind::ok);
            (void)co_await call.send("half");
        }
    };
    Tasks service;
    service.serve(&Half::answer);
    auto peer = service.connect("198.51.100.1:0", last);
    ASSERT_TRUE(service.until([&] { return peer->over(); }));
    EXPECT_NE(peer->error(), 0);
}

/// A handler that is a coroutine lambda: its frames refer to what the closure has captured.
TEST(TaskUser, WhatAHandlerHasCapturedOutlivesItsTasks) {
    struct Tells {
        const std::shared_ptr<int>& ended;
        ~Tells() { ++*ended; }
    };
    const auto ended = std::make_shared<int>(0);
    Tasks service;
    service.serve([ended](Call&) -> Task<void> {
        const Tells at_the_end{ended};
        co_await runtime::sleep(24h);
    });
    auto peer = service.connect("198.51.100.1:0", last);
    service.settle();
    service.server.reset();
    service.settle();
    EXPECT_EQ(*ended, 1);
    EXPECT_EQ(ended.use_count(), 1);
}

TEST(TaskUser, ADrainWaitsForSuspendedHandlers) {
    Tasks service;
    service.serve(&answers_late);
    std::vector<std::unique_ptr<sim::Peer>> peers;
    for (int i = 0; i < 50; ++i) peers.push_back(service.connect("198.51.100.1:0", last));
    service.turn_for(20ms);
    std::optional<std::uint64_t> reset;
    service.server->drain(1h, 2h, [&](std::uint64_t count) { reset = count; });
    ASSERT_TRUE(service.until([&] { return reset.has_value(); }));
    EXPECT_EQ(*reset, 0U);
    for (const auto& peer : peers) EXPECT_TRUE(peer->received().ends_with("/items/77"));
}

} // namespace
} // namespace hc::server::test
