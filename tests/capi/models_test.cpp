// Execution models: where the functions of routes run, the pool's bound, its counters and warning.
#include "tests/capi/models.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <set>

namespace capi_test {
namespace {

// -- where functions run --------------------------------------------------------------------------

TEST(Models, InlineRunsAllOnTheWorkerAlsoWhatIsMarked) {
    std::mutex mutex;
    std::set<std::thread::id> threads;
    const auto note = [&](const hc_event& event) {
        if (event.type != HC_EV_REQUEST) return;
        const std::lock_guard lock(mutex);
        threads.insert(std::this_thread::get_id());
        answer(event.obj, "x");
    };
    Model model("inline", {}, {{"/light", note}, {"/heavy", note, HC_INLINE_BLOCKING}});
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(get(model.port, "/light").body, "x");
        EXPECT_EQ(get(model.port, "/heavy").body, "x");
    }
    EXPECT_EQ(threads.size(), 1U);
    EXPECT_EQ(model.count("pool_threads"), 0U);
    EXPECT_EQ(model.count("pool_processed_total"), 0U);
}

TEST(Models, APoolRunsAsManyAtOnceAsItHasThreads) {
    Blocked blocked("3", "10");
    std::vector<Client> clients;
    for (int i = 0; i < 5; ++i) clients.push_back(ask(blocked.model.port));
    ASSERT_TRUE(blocked.sluice.holds(3)); // all at once, each on a thread of its own
    EXPECT_TRUE(blocked.model.reaches("pool_queued", 2));
    EXPECT_EQ(blocked.model.count("pool_busy"), 3U);
    EXPECT_EQ(blocked.model.count("pool_threads"), 3U);
    blocked.sluice.open(5);
    for (Client& client : clients) EXPECT_EQ(read_response(client).body, "done");
    EXPECT_TRUE(blocked.model.reaches("pool_processed_total", 5));
    EXPECT_TRUE(blocked.model.reaches("pool_busy", 0));
}

TEST(Models, AHybridRunsLightRoutesOnTheWorkerThoughThePoolIsBusy) {
    Sluice sluice;
    std::mutex mutex;
    std::set<std::thread::id> light;
    std::set<std::thread::id> heavy;
    Model model("hybrid", {{"server.pool_threads", "2"}},
                {{"/light",
                  [&](const hc_event& event) {
                      if (event.type != HC_EV_REQUEST) return;
                      const std::lock_guard lock(mutex);
                      light.insert(std::this_thread::get_id());
                      answer(event.obj, "light");
                  }},
                 {"/heavy",
                  [&](const hc_event& event) {
                      if (event.type != HC_EV_REQUEST) return;
                      {
                          const std::lock_guard lock(mutex);
                          heavy.insert(std::this_thread::get_id());
                      }
                      sluice.pass();
                      answer(event.obj, "heavy");
                  },
                  HC_INLINE_BLOCKING}});
    std::vector<Client> waiting;
    for (int i = 0; i < 4; ++i) waiting.push_back(ask(model.port, "/heavy"));
    ASSERT_TRUE(sluice.holds(2));
    for (int i = 0; i < 10; ++i) EXPECT_EQ(get(model.port, "/light").body, "light");
    EXPECT_EQ(light.size(), 1U);
    sluice.open(4);
    for (Client& client : waiting) EXPECT_EQ(read_response(client).body, "heavy");
    EXPECT_EQ(heavy.size(), 2U);
    EXPECT_FALSE(heavy.contains(*light.begin()));
    EXPECT_TRUE(model.reaches("pool_processed_total", 4)); // none of the light ones
}

TEST(Models, FlagsAreCheckedAndReadOnlyWhereTheStructHasThem) {
    const Config config(Pairs{{"server.execution", "hybrid"}});
    hc_runtime* runtime = nullptr;
    hc_server* server = nullptr;
    ASSERT_EQ(hc_runtime_create(config.get(), &runtime, nullptr), HC_OK);
    ASSERT_EQ(hc_server_create(runtime, config.get(), &server, nullptr), HC_OK);
    hc_inline handler{};
    handler.size = sizeof handler;
    handler.on_event = [](void*, const hc_event*) {};
    handler.flags = 0x80;
    EXPECT_EQ(hc_server_bind_inline(server, 1, &handler), HC_E_INVALID);
    handler.size = offsetof(hc_inline, flags); // of a program that knows none
    EXPECT_EQ(hc_server_bind_inline(server, 1, &handler), HC_OK);
    handler.size = offsetof(hc_inline, drop);
    EXPECT_EQ(hc_server_bind_inline(server, 2, &handler), HC_E_INVALID);
    hc_server_release(server);
    hc_runtime_release(runtime);
}

TEST(Models, TheOptionsHaveTheirNamesAndBounds) {
    hc_config* config = nullptr;
    ASSERT_EQ(hc_config_create(&config), HC_OK);
    const auto set = [&](const char* key, const char* value) {
        hc_error* error = nullptr;
        const hc_status status = hc_config_set(config, key, value, std::strlen(value), &error);
        const std::string message = hc_error_message(error);
        hc_error_release(error);
        return std::pair(status, message);
    };
    for (const char* name : {"inline", "pool", "hybrid"}) {
        EXPECT_EQ(set("server.execution", name).first, HC_OK) << name;
    }
    const auto [status, message] = set("server.execution", "threads");
    EXPECT_EQ(status, HC_E_INVALID);
    EXPECT_NE(message.find("inline, pool, hybrid"), std::string::npos) << message;
    EXPECT_EQ(set("server.pool_threads", "0").first, HC_E_INVALID);
    EXPECT_EQ(set("server.pool_threads", "64").first, HC_OK);
    EXPECT_EQ(set("server.pool_queue_max", "0").first, HC_OK);
    const char* schema = nullptr;
    ASSERT_EQ(hc_config_schema(&schema, nullptr), HC_OK);
    const std::string text = schema;
    const std::size_t at = text.find("\"server.execution\"");
    ASSERT_NE(at, std::string::npos);
    EXPECT_LT(text.find("\"hybrid\"", at), text.find("\"key\"", at));
    EXPECT_EQ(hc_has_feature("pool"), 1);
    hc_config_release(config);
}

// -- the order of one exchange --------------------------------------------------------------------

/// Many uploads on many threads: each has its events one at a time and in order.
TEST(Models, EventsOfOneExchangeNeverRunAtTheSameTime) {
    constexpr int uploads = 16;
    constexpr int pieces = 200;
    struct Upload {
        std::atomic<int> inside{0};
        std::string body; // no lock: one call at a time, each after the other
    };
    std::mutex mutex;
    std::map<hc_exchange, std::unique_ptr<Upload>> all;
    std::atomic<int> overlaps{0};
    std::atomic<int> at_once{0};
    std::atomic<int> most_at_once{0};
    Model model("pool", {{"server.pool_threads", "8"}, {"runtime.workers", "2"}},
                {{"*", [&](const hc_event& event) {
                      Upload* upload = nullptr;
                      {
                          const std::lock_guard lock(mutex);
                          auto& place = all[event.obj];
                          if (place == nullptr) place = std::make_unique<Upload>();
                          upload = place.get();
                      }
                      if (upload->inside.fetch_add(1) != 0) ++overlaps;
                      const int now = ++at_once;
                      int seen = most_at_once;
                      while (seen < now && !most_at_once.compare_exchange_weak(seen, now)) {}
                      if (event.type == HC_EV_REQUEST) hc_recv(event.obj, UINT64_MAX);
                      if (event.type == HC_EV_BODY) upload->body += bytes_of(event);
                      std::this_thread::yield();
                      --at_once;
                      upload->inside.fetch_sub(1);
                      if (event.type == HC_EV_BODY_END) answer(event.obj, upload->body);
                  }}});
    std::vector<std::thread> clients;
    std::atomic<int> good{0};
    for (int i = 0; i < uploads; ++i) {
        clients.emplace_back([&, i] {
            Client client(model.port);
            client.send("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
            std::string whole;
            for (int piece = 0; piece < pieces; ++piece) {
                const std::string text = std::to_string(i * 1'000 + piece) + ';';
                client.send(std::to_string(text.size()) + "\r\n" + text + "\r\n");
                whole += text;
            }
            client.send("0\r\n\r\n");
            if (read_response(client).body == whole) ++good;
        });
    }
    for (std::thread& client : clients) client.join();
    EXPECT_EQ(good, uploads);
    EXPECT_EQ(overlaps, 0);
    EXPECT_GT(most_at_once, 1);
}

/// What comes while the function blocks waits, and bounds what is read.
TEST(Models, BodyWaitsForAFunctionThatBlocksAndStopsThePeer) {
    constexpr std::size_t buffer = 65'536;
    Gate gate;
    Journal journal;
    std::atomic<std::size_t> got{0};
    Model model("pool", {{"limits.exchange_buffer_bytes_max", std::to_string(buffer)}},
                {{"*", [&](const hc_event& event) {
                      if (event.type == HC_EV_REQUEST) {
                          hc_recv(event.obj, UINT64_MAX);
                          gate.wait();
                      }
                      if (event.type == HC_EV_BODY) {
                          const std::string_view bytes = bytes_of(event);
                          got += static_cast<std::size_t>(std::ranges::count(bytes, 'b'));
                      }
                      if (event.type == HC_EV_BODY_END) answer(event.obj, "all");
                      journal.add(event);
                  }}});
    Client client(model.port);
    const std::string body(40'000'000, 'b'); // more than all buffers of the kernel
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 40000000\r\n\r\n");
    ASSERT_TRUE(gate.reached());
    const std::size_t sent = client.send_some(body, 200ms);
    EXPECT_LT(sent, body.size());
    EXPECT_LE(model.count("received_bytes_total"), buffer + 65'536 + 1'000);
    EXPECT_EQ(journal.count(HC_EV_BODY), 0U);
    gate.open();
    client.send(std::string_view(body).substr(sent));
    EXPECT_EQ(read_response(client).body, "all");
    EXPECT_EQ(got, body.size());
}

// -- the bound ------------------------------------------------------------------------------------

TEST(Models, BeyondTheQueueARequestIsAnswered503AtOnce) {
    Blocked blocked("2", "3");
    std::vector<Client> taken;
    for (int i = 0; i < 5; ++i) taken.push_back(ask(blocked.model.port));
    ASSERT_TRUE(blocked.sluice.holds(2));
    ASSERT_TRUE(blocked.model.reaches("pool_queued", 3));
    for (int i = 0; i < 3; ++i) {
        const Response refused = get(blocked.model.port);
        EXPECT_EQ(refused.status, 503);
        EXPECT_EQ(refused.fields.at("retry-after"), "5");
    }
    EXPECT_EQ(blocked.model.count("pool_refused_total"), 3U);
    EXPECT_EQ(blocked.model.count("requests_refused_total"), 3U);
    blocked.sluice.open(1); // one place
    EXPECT_TRUE(blocked.model.reaches("pool_queued", 2));
    Client another = ask(blocked.model.port);
    EXPECT_TRUE(blocked.model.reaches("pool_queued", 3));
    EXPECT_EQ(get(blocked.model.port).status, 503);
    blocked.sluice.open(100);
    for (Client& client : taken) EXPECT_EQ(read_response(client).body, "done");
    EXPECT_EQ(read_response(another).body, "done");
    EXPECT_EQ(blocked.journal.count(HC_EV_REQUEST), 6U);
}

TEST(Models, WithoutAQueueThereAreTheThreads) {
    Blocked blocked("2", "0");
    Client first = ask(blocked.model.port);
    Client second = ask(blocked.model.port);
    ASSERT_TRUE(blocked.sluice.holds(2));
    EXPECT_EQ(get(blocked.model.port).status, 503);
    blocked.sluice.open(100);
    EXPECT_EQ(read_response(first).body, "done");
    EXPECT_EQ(read_response(second).body, "done");
    EXPECT_TRUE(blocked.model.reaches("pool_busy", 0));
    EXPECT_EQ(get(blocked.model.port).body, "done");
}

/// What was begun and waits for something else than a thread takes none of the places.
TEST(Models, ARequestThatIsAnsweredLaterTakesNoPlace) {
    Journal journal;
    Model model("pool", {{"server.pool_threads", "1"}, {"server.pool_queue_max", "0"}},
                {{"*", [&](const hc_event& event) {
                      if (event.type == HC_EV_CLOSED) hc_release(event.obj);
                      journal.add(event);
                  }}});
    std::vector<Client> clients;
    for (std::size_t i = 1; i <= 10; ++i) {
        clients.push_back(ask(model.port));
        ASSERT_TRUE(journal.wait_for(HC_EV_REQUEST, i));
        ASSERT_TRUE(model.reaches("pool_busy", 0));
    }
    for (const hc_event& event : journal.of(HC_EV_REQUEST)) {
        EXPECT_EQ(answer(event.obj, "late"), HC_OK);
    }
    for (Client& client : clients) EXPECT_EQ(read_response(client).body, "late");
    EXPECT_EQ(model.count("pool_refused_total"), 0U);
}

TEST(Models, ARequestWhoseClientLeftIsNotBegunAndFreesItsPlace) {
    Blocked blocked("1", "1");
    Client busy = ask(blocked.model.port);
    ASSERT_TRUE(blocked.sluice.holds(1));
    ask(blocked.model.port).reset();
    ASSERT_TRUE(blocked.model.reaches("requests_total", 2));
    ASSERT_TRUE(blocked.model.reaches("requests_active", 1)); // the library released it
    EXPECT_EQ(blocked.model.count("pool_queued"), 0U);
    Client third = ask(blocked.model.port);
    ASSERT_TRUE(blocked.model.reaches("pool_queued", 1));
    blocked.sluice.open(100);
    EXPECT_EQ(read_response(busy).body, "done");
    EXPECT_EQ(read_response(third).body, "done");
    blocked.model.stop();
    EXPECT_EQ(blocked.journal.count(HC_EV_REQUEST), 2U);
    EXPECT_EQ(blocked.journal.count(HC_EV_CLOSED), 0U);
}

/// Connections that send their heads byte by byte cost no thread, however many there are.
TEST(Models, SlowClientsTakeNoThread) {
    Model model("pool", {{"server.pool_threads", "2"}, {"server.pool_queue_max", "0"}},
                {{"*", [](const hc_event& event) {
                      if (event.type == HC_EV_REQUEST) answer(event.obj, "served");
                  }}});
    std::vector<Client> slow;
    for (int i = 0; i < 300; ++i) {
        slow.emplace_back(model.port);
        slow.back().send("GET / HTTP/1.1\r\nHos");
    }
    ASSERT_TRUE(model.reaches("connections_open", 300));
    for (int i = 0; i < 20; ++i) {
        for (Client& client : slow) client.send("t");
        EXPECT_EQ(get(model.port).body, "served");
        ASSERT_TRUE(model.reaches("pool_busy", 0));
    }
    EXPECT_EQ(model.count("pool_processed_total"), 20U);
    EXPECT_EQ(model.count("pool_refused_total"), 0U);
}

// -- what is told ---------------------------------------------------------------------------------

TEST(Models, AWarningIsLoggedWhenMoreThanFourOfFiveThreadsAreBusy) {
    Blocked blocked("10", "10");
    std::vector<Client> clients;
    for (int i = 0; i < 8; ++i) clients.push_back(ask(blocked.model.port));
    ASSERT_TRUE(blocked.sluice.holds(8));
    EXPECT_TRUE(blocked.model.warnings().empty());
    for (int i = 0; i < 4; ++i) clients.push_back(ask(blocked.model.port));
    ASSERT_TRUE(blocked.sluice.holds(10));
    ASSERT_TRUE(eventually([&] { return !blocked.model.warnings().empty(); }));
    blocked.sluice.open(100);
    for (Client& client : clients) EXPECT_EQ(read_response(client).body, "done");
    const auto lines = blocked.model.warnings();
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_NE(lines[0].find("9 of 10 threads are busy"), std::string::npos) << lines[0];
}

TEST(Models, JsonHasTheCountersToo) {
    Blocked blocked("2", "7");
    blocked.sluice.open(3);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(get(blocked.model.port).body, "done");
    ASSERT_TRUE(blocked.model.reaches("pool_processed_total", 3));
    ASSERT_TRUE(blocked.model.reaches("pool_busy", 0));
    std::string json(20'000, '\0');
    ASSERT_EQ(hc_metrics(blocked.model.runtime, HC_METRICS_JSON, json.data(), json.size(), nullptr),
              HC_OK);
    EXPECT_NE(json.find("\"pool_threads\":2,\"pool_busy\":0,\"pool_queued\":0,"
                        "\"pool_processed\":3,\"pool_refused\":0,"),
              std::string::npos)
        << json.c_str();
}

} // namespace
} // namespace capi_test
