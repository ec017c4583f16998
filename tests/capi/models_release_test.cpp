// What functions on the pool may count on when exchanges, servers and runtimes are let go.
#include "tests/capi/models.hpp"

#include <future>

namespace capi_test {
namespace {

const std::string post = "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: ";

/// Body that had arrived, and waited for its turn, when the function released the exchange.
TEST(Models, NoBodyComesToAFunctionThatReleasedItsExchange) {
    constexpr int pieces = 5;
    for (const bool by_answer : {true, false}) {
        Journal journal;
        Gate gate;
        Model model("pool", {{"server.pool_threads", "1"}},
                    {{"*", [&](const hc_event& event) {
                          journal.add(event);
                          if (event.type == HC_EV_REQUEST) {
                              EXPECT_EQ(hc_recv(event.obj, UINT64_MAX), HC_OK);
                              gate.wait();
                          }
                          if (event.type != HC_EV_BODY) return;
                          EXPECT_EQ(bytes_of(event), "piece");
                          EXPECT_EQ(by_answer ? answer(event.obj, "enough", 413)
                                              : hc_release(event.obj),
                                    HC_OK);
                      }}});
        Client client(model.port);
        client.send(post + std::to_string(5 * pieces) + "\r\n\r\n");
        ASSERT_TRUE(gate.reached());
        for (int i = 0; i < pieces; ++i) {
            const std::uint64_t before = model.count("received_bytes_total");
            client.send("piece");
            ASSERT_TRUE(model.reaches("received_bytes_total", before + 5));
        }
        gate.open();
        EXPECT_EQ(read_response(client).status, by_answer ? 413 : 500);
        ASSERT_TRUE(model.reaches("requests_active", 0));
        model.stop();
        EXPECT_EQ(journal.count(HC_EV_REQUEST), 1U);
        EXPECT_EQ(journal.count(HC_EV_BODY), 1U);
        EXPECT_EQ(journal.count(HC_EV_BODY_END), 0U);
        EXPECT_EQ(journal.count(HC_EV_CLOSED), 0U);
    }
}

/// The client left while the function ran; it learns of that by no event once it has released.
TEST(Models, NoEndIsToldToAFunctionThatReleasedItsExchange) {
    Journal journal;
    Gate gate;
    Model model("pool", {{"server.pool_threads", "1"}},
                {{"/held",
                  [&](const hc_event& event) {
                      journal.add(event);
                      if (event.type != HC_EV_REQUEST) return;
                      gate.wait();
                      EXPECT_EQ(hc_release(event.obj), HC_OK);
                  }},
                 {"/other", [](const hc_event& event) {
                      if (event.type == HC_EV_REQUEST) answer(event.obj, "x");
                  }}});
    Client client = ask(model.port, "/held");
    ASSERT_TRUE(gate.reached());
    client.reset();
    ASSERT_TRUE(model.reaches("connections_open", 0));
    gate.open();
    ASSERT_TRUE(model.reaches("requests_active", 0));
    EXPECT_EQ(get(model.port, "/other").body, "x"); // behind it, on the same thread
    model.stop();
    EXPECT_EQ(journal.count(HC_EV_REQUEST), 1U);
    EXPECT_EQ(journal.count(HC_EV_CLOSED), 0U);
}

/// A server that was given up while functions had exchanges of it in their hands goes with the last
/// of them: `arg` is dropped though the runtime lives on.
TEST(Models, AServerThatWasReleasedGoesWithItsLastExchange) {
    for (const char* execution : {"inline", "pool"}) {
        struct State {
            std::atomic<hc_exchange> exchange{0};
            Journal journal;
            std::promise<void> dropped;
        } state;
        const Config config(
            Pairs{{"server.execution", execution}, {"listen.address", "127.0.0.1:0"}});
        hc_runtime* runtime = nullptr;
        hc_server* server = nullptr;
        ASSERT_EQ(hc_runtime_create(config.get(), &runtime, nullptr), HC_OK);
        ASSERT_EQ(hc_server_create(runtime, config.get(), &server, nullptr), HC_OK);
        ASSERT_EQ(hc_server_route(server, "", "*", 0, nullptr), HC_OK);
        hc_inline handler{};
        handler.size = sizeof handler;
        handler.arg = &state;
        handler.on_event = [](void* arg, const hc_event* event) {
            static_cast<State*>(arg)->journal.add(*event);
        };
        handler.drop = [](void* arg) { static_cast<State*>(arg)->dropped.set_value(); };
        ASSERT_EQ(hc_server_bind_inline(server, 0, &handler), HC_OK);
        const std::uint16_t port = listen_on(server, config);
        ASSERT_EQ(hc_runtime_start(runtime), HC_OK);
        Client first = ask(port);
        Client second = ask(port);
        ASSERT_TRUE(state.journal.wait_for(HC_EV_REQUEST, 2));
        EXPECT_EQ(hc_server_release(server), HC_OK);
        first.read_to_end();
        second.read_to_end();
        ASSERT_TRUE(state.journal.wait_for(HC_EV_CLOSED, 2));
        const auto exchanges = state.journal.of(HC_EV_REQUEST);
        auto dropped = state.dropped.get_future();
        EXPECT_EQ(hc_release(exchanges[0].obj), HC_OK);
        const hc_head* head = nullptr; // of the other one it is still there
        EXPECT_EQ(hc_head_get(exchanges[1].obj, &head), HC_OK);
        EXPECT_EQ(dropped.wait_for(0ms), std::future_status::timeout);
        EXPECT_EQ(hc_release(exchanges[1].obj), HC_OK);
        EXPECT_EQ(dropped.wait_for(patience), std::future_status::ready) << execution;
        hc_runtime_stop(runtime, nullptr, 0);
        hc_runtime_join(runtime, -1);
        hc_runtime_release(runtime);
    }
}

/// Takes credit for all, is held up by the first bytes of body, and keeps what it was given.
struct Reader {
    Gate gate;
    std::atomic<bool> held{false};
    std::string first;
    std::string second;
    std::promise<void> dropped;

    static void on_event(void* arg, const hc_event* event) {
        auto& it = *static_cast<Reader*>(arg);
        if (event->type == HC_EV_REQUEST) EXPECT_EQ(hc_recv(event->obj, UINT64_MAX), HC_OK);
        if (event->type != HC_EV_BODY) return;
        if (it.held.exchange(true)) {
            it.second += bytes_of(*event);
        } else {
            it.gate.wait();
            it.first = bytes_of(*event);
        }
    }
    static void on_drop(void* arg) { static_cast<Reader*>(arg)->dropped.set_value(); }
};

/// Comes to its end while the threads of a released runtime do, of which nothing tells.
void run_another_runtime() {
    const Config plain;
    hc_runtime* other = nullptr;
    ASSERT_EQ(hc_runtime_create(plain.get(), &other, nullptr), HC_OK);
    ASSERT_EQ(hc_runtime_start(other), HC_OK);
    ASSERT_EQ(hc_runtime_stop(other, nullptr, 0), HC_OK);
    ASSERT_EQ(hc_runtime_join(other, -1), HC_OK);
    hc_runtime_release(other);
}

/// The bytes of a call are there until it returns, whatever is released meanwhile.
TEST(Models, BodyStaysForTheCallThoughAllIsReleased) {
    for (const char* workers : {"0", "2"}) {
        Reader reader;
        const Config config(Pairs{{"server.execution", "pool"},
                                  {"server.pool_threads", "1"},
                                  {"runtime.workers", workers},
                                  {"listen.address", "127.0.0.1:0"}});
        hc_runtime* runtime = nullptr;
        hc_server* server = nullptr;
        ASSERT_EQ(hc_runtime_create(config.get(), &runtime, nullptr), HC_OK);
        ASSERT_EQ(hc_server_create(runtime, config.get(), &server, nullptr), HC_OK);
        ASSERT_EQ(hc_server_route(server, "", "*", 0, nullptr), HC_OK);
        const hc_inline handler{sizeof handler, &Reader::on_event, &reader, &Reader::on_drop, 0};
        ASSERT_EQ(hc_server_bind_inline(server, 0, &handler), HC_OK);
        const std::uint16_t port = listen_on(server, config);
        ASSERT_EQ(hc_runtime_start(runtime), HC_OK);
        const auto turn_until = [&](const std::function<bool()>& condition) {
            return eventually([&] {
                if (*workers == '0') {
                    EXPECT_EQ(hc_runtime_turn(runtime, 0), HC_OK);
                    EXPECT_EQ(hc_runtime_flush(runtime), HC_OK);
                }
                return condition();
            });
        };
        Client client(port);
        client.send(post + "100000\r\n\r\n" + std::string(1'000, '1'));
        ASSERT_TRUE(turn_until([&] { return reader.held.load(); }));
        const std::uint64_t before = metric(runtime, "received_bytes_total");
        client.send(std::string(2'000, '2'));
        ASSERT_TRUE(
            turn_until([&] { return metric(runtime, "received_bytes_total") == before + 2'000; }));
        EXPECT_EQ(hc_server_release(server), HC_OK);
        EXPECT_EQ(hc_runtime_release(runtime), HC_OK);
        client.read_to_end();
        run_another_runtime();
        reader.gate.open();
        ASSERT_EQ(reader.dropped.get_future().wait_for(patience), std::future_status::ready);
        EXPECT_EQ(reader.first, std::string(1'000, '1'));
        EXPECT_EQ(reader.second, std::string(2'000, '2'));
    }
}

/// A pool that comes when the runtime ends, or has ended, is one that nobody waits for.
TEST(Models, AServerMadeAfterTheStopHoldsNothingUp) {
    for (const char* workers : {"0", "1"}) {
        const Config config(Pairs{{"server.execution", "pool"},
                                  {"runtime.workers", workers},
                                  {"listen.address", "127.0.0.1:0"}});
        hc_runtime* runtime = nullptr;
        hc_queue* queue = nullptr;
        hc_server* servers[2]{};
        ASSERT_EQ(hc_runtime_create(config.get(), &runtime, nullptr), HC_OK);
        ASSERT_EQ(hc_queue_create(runtime, 0, &queue), HC_OK);
        ASSERT_EQ(hc_runtime_start(runtime), HC_OK);
        ASSERT_EQ(hc_runtime_stop(runtime, queue, 0), HC_OK);
        EXPECT_EQ(hc_server_create(runtime, config.get(), &servers[0], nullptr), HC_OK);
        hc_event event{};
        std::uint32_t n = 0;
        ASSERT_TRUE(eventually([&] {
            if (*workers == '0') hc_runtime_turn(runtime, 0);
            EXPECT_EQ(hc_queue_poll(queue, &event, 1, 0, &n), HC_OK);
            return n > 0;
        }));
        EXPECT_EQ(event.type, HC_EV_STOPPED);
        EXPECT_EQ(hc_server_create(runtime, config.get(), &servers[1], nullptr), HC_OK);
        EXPECT_EQ(hc_runtime_join(runtime, std::chrono::nanoseconds(patience).count()), HC_OK);
        for (hc_server* server : servers) hc_server_release(server);
        hc_queue_release(queue);
        hc_runtime_release(runtime);
    }
}

} // namespace
} // namespace capi_test
