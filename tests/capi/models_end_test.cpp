// How execution models end: drains, stops and releases while functions run on the pool.
#include "tests/capi/models.hpp"

#include <future>

namespace capi_test {
namespace {

TEST(Models, ADrainUnderLoadLosesNoAcceptedRequest) {
    constexpr int count = 40;
    Blocked blocked("4", "100");
    std::vector<Client> clients;
    for (int i = 0; i < count; ++i) clients.push_back(ask(blocked.model.port));
    ASSERT_TRUE(blocked.sluice.holds(4));
    ASSERT_TRUE(blocked.model.reaches("pool_queued", count - 4));
    ASSERT_EQ(hc_server_drain(blocked.model.server, blocked.model.queue, 30'000'000'000,
                              30'000'000'000, 9),
              HC_OK);
    EXPECT_EQ(blocked.model.next().type, 0U); // it waits for them
    blocked.sluice.open(count);
    for (Client& client : clients) {
        const Response response = read_response(client);
        EXPECT_EQ(response.status, 200);
        EXPECT_EQ(response.fields.at("connection"), "close");
    }
    const hc_event drained = blocked.model.next(std::chrono::nanoseconds(patience).count());
    EXPECT_EQ(drained.type, HC_EV_DRAINED);
    EXPECT_EQ(drained.data, 0U);
    EXPECT_EQ(blocked.model.count("pool_processed_total"), static_cast<std::uint64_t>(count));
}

TEST(Models, AStopWaitsForWhatRunsAndDropsWhatHasNotBegun) {
    Blocked blocked("2", "10");
    std::vector<Client> clients;
    for (int i = 0; i < 6; ++i) clients.push_back(ask(blocked.model.port));
    ASSERT_TRUE(blocked.sluice.holds(2));
    ASSERT_TRUE(blocked.model.reaches("pool_queued", 4));
    ASSERT_EQ(hc_runtime_stop(blocked.model.runtime, blocked.model.queue, 7), HC_OK);
    for (Client& client : clients) client.read_to_end(); // reset, or answered 503 in time
    EXPECT_EQ(hc_runtime_join(blocked.model.runtime, 0), HC_E_TIMEOUT);
    EXPECT_EQ(blocked.model.next().type, 0U);
    blocked.sluice.open(100);
    const hc_event stopped = blocked.model.next(std::chrono::nanoseconds(patience).count());
    EXPECT_EQ(stopped.type, HC_EV_STOPPED);
    EXPECT_EQ(stopped.token, 7U);
    EXPECT_EQ(hc_runtime_join(blocked.model.runtime, -1), HC_OK);
    EXPECT_EQ(blocked.journal.count(HC_EV_REQUEST), 2U);
    EXPECT_EQ(blocked.journal.count(HC_EV_CLOSED), 2U); // those that were begun, and not released
    for (const hc_event& closed : blocked.journal.of(HC_EV_CLOSED)) {
        EXPECT_EQ(closed.status, HC_E_CLOSED);
    }
}

/// The function runs on when all handles are gone, and its `arg` is dropped once, behind it.
TEST(Models, NothingIsWaitedForWhenAllIsReleased) {
    for (const char* workers : {"0", "2"}) {
        struct State {
            Gate gate;
            std::promise<void> dropped;
            std::atomic<int> calls{0};
        } state;
        const Config config(Pairs{{"server.execution", "pool"},
                                  {"runtime.workers", workers},
                                  {"listen.address", "127.0.0.1:0"}});
        hc_runtime* runtime = nullptr;
        hc_server* server = nullptr;
        ASSERT_EQ(hc_runtime_create(config.get(), &runtime, nullptr), HC_OK);
        ASSERT_EQ(hc_server_create(runtime, config.get(), &server, nullptr), HC_OK);
        ASSERT_EQ(hc_server_route(server, "", "*", 0, nullptr), HC_OK);
        hc_inline handler{};
        handler.size = sizeof handler;
        handler.arg = &state;
        handler.on_event = [](void* arg, const hc_event* event) {
            auto& it = *static_cast<State*>(arg);
            ++it.calls;
            if (event->type == HC_EV_REQUEST) it.gate.wait();
        };
        handler.drop = [](void* arg) { static_cast<State*>(arg)->dropped.set_value(); };
        ASSERT_EQ(hc_server_bind_inline(server, 0, &handler), HC_OK);
        const std::uint16_t port = listen_on(server, config);
        ASSERT_EQ(hc_runtime_start(runtime), HC_OK);
        Client client = ask(port);
        while (*workers == '0' && state.calls == 0) {
            ASSERT_EQ(hc_runtime_turn(runtime, 1'000'000), HC_OK);
            ASSERT_EQ(hc_runtime_flush(runtime), HC_OK);
        }
        ASSERT_TRUE(state.gate.reached());
        EXPECT_EQ(hc_server_release(server), HC_OK);
        EXPECT_EQ(hc_runtime_release(runtime), HC_OK);
        client.read_to_end();
        auto dropped = state.dropped.get_future();
        EXPECT_EQ(dropped.wait_for(0ms), std::future_status::timeout);
        state.gate.open();
        EXPECT_EQ(dropped.wait_for(patience), std::future_status::ready);
        EXPECT_EQ(state.calls, 2); // REQUEST and CLOSED
    }
}

TEST(Models, ReleaseFromInsideAFunctionOnThePoolIsLegal) {
    struct State {
        hc_runtime* runtime = nullptr;
        hc_server* server = nullptr;
        std::atomic<bool> ready{false};
        std::promise<void> dropped;
    } state;
    const Config config(Pairs{{"server.execution", "pool"}, {"listen.address", "127.0.0.1:0"}});
    ASSERT_EQ(hc_runtime_create(config.get(), &state.runtime, nullptr), HC_OK);
    ASSERT_EQ(hc_server_create(state.runtime, config.get(), &state.server, nullptr), HC_OK);
    ASSERT_EQ(hc_server_route(state.server, "", "*", 0, nullptr), HC_OK);
    hc_inline handler{};
    handler.size = sizeof handler;
    handler.arg = &state;
    handler.on_event = [](void* arg, const hc_event* event) {
        auto& it = *static_cast<State*>(arg);
        if (event->type != HC_EV_REQUEST) return;
        while (!it.ready) std::this_thread::yield();
        EXPECT_EQ(hc_server_release(it.server), HC_OK);
        EXPECT_EQ(hc_runtime_release(it.runtime), HC_OK);
    };
    handler.drop = [](void* arg) { static_cast<State*>(arg)->dropped.set_value(); };
    ASSERT_EQ(hc_server_bind_inline(state.server, 0, &handler), HC_OK);
    const std::uint16_t port = listen_on(state.server, config);
    ASSERT_EQ(hc_runtime_start(state.runtime), HC_OK);
    Client client = ask(port);
    state.ready = true;
    client.read_to_end();
    EXPECT_EQ(state.dropped.get_future().wait_for(patience), std::future_status::ready);
}

/// Driven: the host goes on turning while what runs comes to its end, and the last turn tells.
TEST(Models, ADrivenStopIsToldByATurn) {
    Gate gate;
    Journal journal;
    const Config config(Pairs{
        {"server.execution", "pool"}, {"runtime.workers", "0"}, {"listen.address", "127.0.0.1:0"}});
    hc_runtime* runtime = nullptr;
    hc_queue* queue = nullptr;
    hc_server* server = nullptr;
    ASSERT_EQ(hc_runtime_create(config.get(), &runtime, nullptr), HC_OK);
    ASSERT_EQ(hc_queue_create(runtime, 0, &queue), HC_OK);
    ASSERT_EQ(hc_server_create(runtime, config.get(), &server, nullptr), HC_OK);
    ASSERT_EQ(hc_server_route(server, "", "*", 0, nullptr), HC_OK);
    std::pair<Gate*, Journal*> both(&gate, &journal);
    hc_inline handler{};
    handler.size = sizeof handler;
    handler.arg = &both;
    handler.on_event = [](void* arg, const hc_event* event) {
        auto& [held, noted] = *static_cast<std::pair<Gate*, Journal*>*>(arg);
        if (event->type == HC_EV_REQUEST) held->wait();
        noted->add(*event);
    };
    ASSERT_EQ(hc_server_bind_inline(server, 0, &handler), HC_OK);
    Client client = ask(listen_on(server, config));
    ASSERT_EQ(hc_runtime_start(runtime), HC_OK);
    const auto turn = [&] {
        const hc_status status = hc_runtime_turn(runtime, 10'000'000);
        hc_runtime_flush(runtime);
        return status;
    };
    while (metric(runtime, "pool_busy") == 0) ASSERT_EQ(turn(), HC_OK);
    ASSERT_EQ(hc_runtime_stop(runtime, queue, 0), HC_OK);
    for (int i = 0; i < 5; ++i) ASSERT_EQ(turn(), HC_OK); // the function holds it up, not the host
    EXPECT_EQ(journal.count(HC_EV_CLOSED), 0U);
    gate.open();
    hc_event event{};
    std::uint32_t n = 0;
    while (n == 0) {
        ASSERT_EQ(turn(), HC_OK);
        ASSERT_EQ(hc_queue_poll(queue, &event, 1, 0, &n), HC_OK);
    }
    EXPECT_EQ(event.type, HC_EV_STOPPED);
    EXPECT_EQ(journal.count(HC_EV_CLOSED), 1U);
    EXPECT_EQ(turn(), HC_E_CLOSED);
    hc_server_release(server);
    hc_queue_release(queue);
    hc_runtime_release(runtime);
}

} // namespace
} // namespace capi_test
