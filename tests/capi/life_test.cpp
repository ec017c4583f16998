// Stopping, waiting, releasing in every order, forking: the contracts of lifetimes.
#include "tests/capi/promises.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <numeric>

namespace capi_test {
namespace {

class LifeOf : public testing::TestWithParam<Delivery> {};
INSTANTIATE_TEST_SUITE_P(Deliveries, LifeOf, every_delivery,
                         [](const auto& it) { return name_of(it.param); });

TEST_P(LifeOf, EveryExchangeNotReleasedGetsExactlyOneClosed) {
    Journal journal;
    Program program(GetParam(),
                    [&](const hc_event& event) {
                        if (event.type == HC_EV_REQUEST && event.n == 0) {
                            hc_respond(event.obj, 200, nullptr, 0, "x", 1, HC_FIN, 0);
                        }
                        if (event.type == HC_EV_CLOSED) {
                            EXPECT_EQ(hc_release(event.obj), HC_OK);
                        }
                        journal.add(event); // last: whoever sees it may stop the program
                    },
                    {.config = {},
                     .workers = 1,
                     .inflight_max = 0,
                     .routes = {{"", "/answer"}, {"", "/wait"}}});
    for (int i = 0; i < 10; ++i) EXPECT_EQ(get(program.port(), "/answer").body, "x");
    ASSERT_TRUE(journal.wait_for(HC_EV_CLOSED, 10));
    EXPECT_EQ(journal.last(HC_EV_CLOSED).status, HC_OK);
    {
        Client client(program.port());
        client.send("GET /wait HTTP/1.1\r\nHost: test\r\n\r\n");
        ASSERT_TRUE(journal.wait_for(HC_EV_REQUEST, 11));
        client.reset();
    }
    ASSERT_TRUE(journal.wait_for(HC_EV_CLOSED, 11));
    EXPECT_EQ(journal.last(HC_EV_CLOSED).status, HC_E_RESET);
    Client client(program.port());
    client.send("GET /wait HTTP/1.1\r\nHost: test\r\n\r\n");
    ASSERT_TRUE(journal.wait_for(HC_EV_REQUEST, 12));
    ASSERT_EQ(hc_abort(journal.last(HC_EV_REQUEST).obj, 0), HC_OK);
    ASSERT_TRUE(journal.wait_for(HC_EV_CLOSED, 12));
    EXPECT_EQ(journal.last(HC_EV_CLOSED).status, HC_E_CANCELLED);
    program.stop();
    EXPECT_EQ(journal.count(HC_EV_CLOSED), 12U);
}

/// The answer is on its way to the worker when the worker finds that the peer has gone. The call
/// said that it released the exchange, so it did.
TEST(Life, AnswerThatCrossesAResetIsReleasedAllTheSame) {
    ProgramOptions options;
    std::atomic<hc_exchange> exchange{0};
    std::atomic<bool> crossing{false};
    Program program(
        Delivery::driven_queue,
        [&](const hc_event& event) {
            if (event.type != HC_EV_REQUEST) return;
            exchange = event.obj;
            // The thread that turns waits in here: what comes meanwhile, comes in one turn.
            EXPECT_TRUE(eventually([&] { return crossing.load(); }));
        },
        options);
    Client client(program.port());
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    ASSERT_TRUE(eventually([&] { return exchange != 0; }));
    client.reset();
    EXPECT_EQ(answer(exchange, "too late"), HC_OK);
    EXPECT_EQ(hc_release(exchange), HC_E_GONE);
    crossing = true;
    program.settle();
}

TEST(Life, WhatIsHeldOutlivesServerAndStop) {
    const Config config(Pairs{{"listen.address", "127.0.0.1:0"}, {"runtime.workers", "1"}});
    hc_runtime* runtime = nullptr;
    hc_queue* queue = nullptr;
    hc_server* server = nullptr;
    ASSERT_EQ(hc_runtime_create(config.get(), &runtime, nullptr), HC_OK);
    ASSERT_EQ(hc_queue_create(runtime, 0, &queue), HC_OK);
    ASSERT_EQ(hc_server_create(runtime, config.get(), &server, nullptr), HC_OK);
    ASSERT_EQ(hc_server_route(server, "", "/{what}", 1, nullptr), HC_OK);
    ASSERT_EQ(hc_server_bind_queue(server, 1, queue), HC_OK);
    ASSERT_EQ(hc_server_listen(server, config.get(), nullptr), HC_OK);
    ASSERT_EQ(hc_runtime_start(runtime), HC_OK);
    char address[64];
    ASSERT_EQ(hc_server_address(server, 0, address, sizeof address, nullptr), HC_OK);
    Client client(static_cast<std::uint16_t>(std::atoi(std::strrchr(address, ':') + 1)));
    client.send("GET /held HTTP/1.1\r\nHost: test\r\n\r\n");
    hc_event event{};
    std::uint32_t n = 0;
    ASSERT_EQ(hc_queue_poll(queue, &event, 1, -1, &n), HC_OK);
    ASSERT_EQ(event.type, HC_EV_REQUEST);
    const hc_head* head = nullptr;
    ASSERT_EQ(hc_head_get(event.obj, &head), HC_OK);
    hc_server_release(server);
    // Calls from another thread meet the worker's end at every point of it.
    std::atomic<bool> over{false};
    std::thread caller([&, exchange = event.obj] {
        const hc_head* seen = nullptr;
        while (!over) hc_head_get(exchange, &seen);
    });
    ASSERT_EQ(hc_runtime_stop(runtime, nullptr, 0), HC_OK);
    ASSERT_EQ(hc_runtime_join(runtime, -1), HC_OK);
    over = true;
    caller.join();
    EXPECT_EQ(text(head->path), "/held"); // never released: it is there as long as the runtime
    EXPECT_EQ(text(head->params[0].value), "held");
    hc_queue_release(queue);
    hc_runtime_release(runtime);
}

TEST_P(LifeOf, StoppedIsTheLastEventAndClosesWhatIsOpen) {
    std::mutex mutex;
    std::vector<hc_event> events;
    Journal journal;
    Program program(GetParam(), [&](const hc_event& event) {
        journal.add(event);
        const std::lock_guard lock(mutex);
        events.push_back(event);
    });
    std::vector<Client> clients;
    for (std::size_t i = 0; i < 5; ++i) {
        clients.emplace_back(program.port());
        clients.back().send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    }
    ASSERT_TRUE(journal.wait_for(HC_EV_REQUEST, 5));
    EXPECT_EQ(hc_runtime_join(program.runtime(), 0), HC_E_TIMEOUT); // does not stop it
    program.stop();
    ASSERT_FALSE(events.empty());
    EXPECT_EQ(events.back().type, HC_EV_STOPPED);
    EXPECT_EQ(journal.count(HC_EV_STOPPED), 1U);
    ASSERT_EQ(journal.count(HC_EV_CLOSED), 5U);
    for (const hc_event& closed : journal.of(HC_EV_CLOSED)) {
        EXPECT_EQ(closed.status, HC_E_CLOSED);
    }
    EXPECT_EQ(hc_runtime_stop(program.runtime(), nullptr, 0), HC_E_STATE);
    EXPECT_EQ(hc_runtime_start(program.runtime()), HC_E_STATE);
    EXPECT_EQ(hc_runtime_join(program.runtime(), 0), HC_OK);
}

TEST_P(LifeOf, WaitingInsideACallbackIsADeadlock) {
    hc_runtime* runtime = nullptr;
    hc_queue* queue = nullptr;
    std::atomic<bool> ready{false};
    const bool consumes = GetParam() == Delivery::queue; // on a thread that may wait
    const bool may_poll = is_elsewhere(GetParam());
    Program program(GetParam(), [&](const hc_event& event) {
        if (event.type != HC_EV_REQUEST) return;
        while (!ready) std::this_thread::yield();
        if (!consumes) {
            EXPECT_EQ(hc_runtime_join(runtime, -1), HC_E_DEADLOCK);
        }
        if (!may_poll) {
            hc_event out{};
            uint32_t n = 0;
            const hc_status polled = hc_queue_poll(queue, &out, 1, -1, &n);
            EXPECT_TRUE(polled == HC_E_DEADLOCK || polled == HC_E_STATE) << polled;
        }
        if (GetParam() == Delivery::driven_inline) {
            EXPECT_EQ(hc_runtime_turn(runtime, 0), HC_E_DEADLOCK);
            EXPECT_EQ(hc_runtime_flush(runtime), HC_OK);
        }
        answer(event.obj, "no harm done");
    });
    runtime = program.runtime();
    queue = program.queue();
    ready = true;
    EXPECT_EQ(get(program.port()).body, "no harm done");
}

TEST(Life, JoinInsideAJobIsADeadlock) {
    struct State {
        hc_runtime* runtime;
        hc_status status;
    } state{};
    Journal journal;
    Program program(Delivery::queue, [&](const hc_event& event) { journal.add(event); });
    state.runtime = program.runtime();
    ASSERT_EQ(hc_spawn_blocking(
                  program.queue(),
                  [](void* s) {
                      auto& it = *static_cast<State*>(s);
                      it.status = hc_runtime_join(it.runtime, -1);
                  },
                  &state, 0, nullptr),
              HC_OK);
    ASSERT_TRUE(journal.wait_for(HC_EV_JOB));
    EXPECT_EQ(state.status, HC_E_DEADLOCK);
}

TEST_P(LifeOf, DropOfAnInlineHandlerRunsOnceAfterTheLastEvent) {
    std::atomic<int> events_after_drop{0};
    Program* shown = nullptr;
    auto program = std::make_unique<Program>(GetParam(), [&](const hc_event& event) {
        if (shown != nullptr && shown->drops() > 0 && event.type != HC_EV_STOPPED)
            ++events_after_drop;
        if (event.type == HC_EV_REQUEST) answer(event.obj, "x");
    });
    shown = program.get();
    EXPECT_EQ(get(program->port()).body, "x");
    EXPECT_EQ(program->drops(), 0);
    hc_server_retain(program->server());
    hc_server_release(program->server());
    EXPECT_EQ(program->drops(), 0);
    program->stop();
    EXPECT_EQ(events_after_drop, 0);
}

TEST(Life, DropRunsOnceWhenTheServerAndItsExchangesAreGone) {
    for (const char* workers : {"0", "1", "2"}) {
        static std::atomic<int> drops;
        drops = 0;
        const Config config(Pairs{{"runtime.workers", workers}, {"listen.address", "127.0.0.1:0"}});
        hc_runtime* runtime = nullptr;
        ASSERT_EQ(hc_runtime_create(config.get(), &runtime, nullptr), HC_OK);
        hc_server* server = nullptr;
        ASSERT_EQ(hc_server_create(runtime, config.get(), &server, nullptr), HC_OK);
        ASSERT_EQ(hc_server_route(server, nullptr, "/", 0, nullptr), HC_OK);
        hc_inline handler{};
        handler.size = sizeof handler;
        handler.on_event = [](void*, const hc_event*) {};
        handler.drop = [](void*) { ++drops; };
        ASSERT_EQ(hc_server_bind_inline(server, 0, &handler), HC_OK);
        EXPECT_EQ(hc_server_bind_inline(server, 0, &handler), HC_E_STATE); // no drop for this one
        EXPECT_EQ(drops, 0);
        ASSERT_EQ(hc_server_listen(server, config.get(), nullptr), HC_OK);
        ASSERT_EQ(hc_runtime_start(runtime), HC_OK);
        hc_server_release(server);
        hc_runtime_release(runtime);
        EXPECT_TRUE(eventually([] { return drops == 1; })) << workers << " workers";
    }
}

TEST(Life, ReleaseInEveryOrder) {
    std::array<int, 4> order{};
    std::iota(order.begin(), order.end(), 0);
    int round = 0;
    do {
        for (const bool driven : {false, true}) {
            const bool started = round++ % 4 != 0;
            hc_config* config = nullptr;
            ASSERT_EQ(hc_config_create(&config), HC_OK);
            ASSERT_EQ(hc_config_set(config, "runtime.workers", driven ? "0" : "2", 1, nullptr),
                      HC_OK);
            ASSERT_EQ(hc_config_set(config, "listen.address", "127.0.0.1:0", 11, nullptr), HC_OK);
            hc_runtime* runtime = nullptr;
            ASSERT_EQ(hc_runtime_create(config, &runtime, nullptr), HC_OK);
            hc_queue* queue = nullptr;
            ASSERT_EQ(hc_queue_create(runtime, 0, &queue), HC_OK);
            hc_server* server = nullptr;
            ASSERT_EQ(hc_server_create(runtime, config, &server, nullptr), HC_OK);
            ASSERT_EQ(hc_server_route(server, nullptr, "*", 0, nullptr), HC_OK);
            ASSERT_EQ(hc_server_bind_queue(server, 0, queue), HC_OK);
            ASSERT_EQ(hc_server_listen(server, config, nullptr), HC_OK);
            ASSERT_EQ(hc_timer(queue, 1'000'000'000'000, 0, nullptr), HC_OK);
            if (started) {
                ASSERT_EQ(hc_runtime_start(runtime), HC_OK);
            }
            char address[64];
            ASSERT_EQ(hc_server_address(server, 0, address, sizeof address, nullptr), HC_OK);
            Client client(static_cast<std::uint16_t>(std::stoi(std::strrchr(address, ':') + 1)));
            client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
            if (started) {
                // An exchange that is in the caller's hands and will never be released.
                hc_event event{};
                uint32_t n = 0;
                ASSERT_TRUE(eventually([&] {
                    if (driven) {
                        EXPECT_EQ(hc_runtime_turn(runtime, 0), HC_OK);
                    }
                    EXPECT_EQ(hc_queue_poll(queue, &event, 1, 0, &n), HC_OK);
                    return n == 1;
                }));
            }
            for (const int which : order) {
                if (which == 0) {
                    EXPECT_EQ(hc_config_release(config), HC_OK);
                }
                if (which == 1) {
                    EXPECT_EQ(hc_runtime_release(runtime), HC_OK);
                }
                if (which == 2) {
                    EXPECT_EQ(hc_queue_release(queue), HC_OK);
                }
                if (which == 3) {
                    EXPECT_EQ(hc_server_release(server), HC_OK);
                }
            }
            client.read_to_end(); // everything went: also the connection
        }
    } while (std::ranges::next_permutation(order).found);
}

TEST(Life, ReleaseFromInsideACallbackIsLegal) {
    struct State {
        hc_runtime* runtime = nullptr;
        hc_server* server = nullptr;
        std::atomic<bool> called{false};
    } state;
    const Config config(Pairs{{"listen.address", "127.0.0.1:0"}});
    ASSERT_EQ(hc_runtime_create(config.get(), &state.runtime, nullptr), HC_OK);
    ASSERT_EQ(hc_server_create(state.runtime, config.get(), &state.server, nullptr), HC_OK);
    ASSERT_EQ(hc_server_route(state.server, nullptr, "/", 0, nullptr), HC_OK);
    hc_inline handler{};
    handler.size = sizeof handler;
    handler.arg = &state;
    handler.on_event = [](void* arg, const hc_event* event) {
        auto& it = *static_cast<State*>(arg);
        if (event->type != HC_EV_REQUEST) return;
        EXPECT_EQ(hc_server_release(it.server), HC_OK);
        EXPECT_EQ(hc_runtime_release(it.runtime), HC_OK);
        it.called = true;
    };
    static std::atomic<bool> dropped;
    dropped = false;
    handler.drop = [](void*) { dropped = true; };
    ASSERT_EQ(hc_server_bind_inline(state.server, 0, &handler), HC_OK);
    ASSERT_EQ(hc_server_listen(state.server, config.get(), nullptr), HC_OK);
    char address[64];
    ASSERT_EQ(hc_server_address(state.server, 0, address, sizeof address, nullptr), HC_OK);
    ASSERT_EQ(hc_runtime_start(state.runtime), HC_OK);
    Client client(static_cast<std::uint16_t>(std::stoi(std::strrchr(address, ':') + 1)));
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    client.read_to_end();
    EXPECT_TRUE(state.called);
    EXPECT_TRUE(eventually([] { return dropped.load(); }));
}

TEST_P(LifeOf, DrainFinishesWhatRunsAndThenReports) {
    Journal journal;
    Program program(GetParam(), [&](const hc_event& event) {
        journal.add(event);
        if (event.type == HC_EV_CLOSED) hc_release(event.obj);
    });
    Client busy(program.port());
    busy.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    ASSERT_TRUE(journal.wait_for(HC_EV_REQUEST));
    ASSERT_EQ(hc_server_drain(program.server(), program.queue(), 10'000'000'000, 20'000'000'000, 3),
              HC_OK);
    ASSERT_EQ(answer(journal.last(HC_EV_REQUEST).obj, "finished"), HC_OK);
    const Response response = read_response(busy);
    EXPECT_EQ(response.body, "finished");
    ASSERT_TRUE(journal.wait_for(HC_EV_DRAINED));
    EXPECT_EQ(journal.last(HC_EV_DRAINED).token, 3U);
    EXPECT_EQ(journal.last(HC_EV_DRAINED).data, 0U);
}

TEST_P(LifeOf, DrainResetsAtTheHardDeadline) {
    Journal journal;
    Program program(GetParam(), [&](const hc_event& event) { journal.add(event); });
    Client busy(program.port());
    busy.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    ASSERT_TRUE(journal.wait_for(HC_EV_REQUEST));
    ASSERT_EQ(hc_server_drain(program.server(), program.queue(), 0, 10'000'000, 4), HC_OK);
    ASSERT_TRUE(journal.wait_for(HC_EV_DRAINED));
    EXPECT_EQ(journal.last(HC_EV_DRAINED).data, 1U);
    ASSERT_TRUE(journal.wait_for(HC_EV_CLOSED));
    EXPECT_NE(journal.last(HC_EV_CLOSED).status, HC_OK);
}

/// Such a child has the thread that serves the exchange, as it was in the parent.
TEST_P(LifeOf, AChildForkedInACallbackIsToldToo) {
#if defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "ThreadSanitizer cannot follow a fork of a program with threads";
#endif
    std::atomic<int> ended{-1};
    Program program(GetParam(), [&](const hc_event& event) {
        if (event.type == HC_EV_CLOSED) hc_release(event.obj);
        if (event.type != HC_EV_REQUEST) return;
        const pid_t child = ::fork();
        if (child == 0) {
            const hc_head* head = nullptr;
            int bad = 0;
            for (const hc_status status :
                 {hc_head_get(event.obj, &head), answer(event.obj, "x"), hc_recv(event.obj, 1),
                  hc_abort(event.obj, 0), hc_release(event.obj)}) {
                bad += status == HC_E_FORKED ? 0 : 1;
            }
            ::_exit(bad);
        }
        int status = -1;
        if (child > 0 && ::waitpid(child, &status, 0) == child) ended = status;
        EXPECT_EQ(answer(event.obj, "from the parent"), HC_OK);
    });
    Client client(program.port());
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    EXPECT_EQ(read_response(client).body, "from the parent");
    EXPECT_TRUE(WIFEXITED(ended.load()));
    EXPECT_EQ(WEXITSTATUS(ended.load()), 0);
}

TEST_P(LifeOf, AForkedChildIsToldAndOnlyLeaks) {
#if defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "ThreadSanitizer cannot follow a fork of a program with threads";
#endif
    Journal journal;
    Program program(GetParam(), [&](const hc_event& event) {
        journal.add(event);
        if (event.type == HC_EV_CLOSED) hc_release(event.obj);
    });
    Client client(program.port());
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    ASSERT_TRUE(journal.wait_for(HC_EV_REQUEST));
    const hc_exchange exchange = journal.last(HC_EV_REQUEST).obj;
    hc_op op = 0;
    ASSERT_EQ(hc_timer(program.queue(), 60'000'000'000, 0, &op), HC_OK);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        hc_event event{};
        uint32_t n = 0;
        const hc_status answers[] = {
            answer(exchange, "x"),
            hc_release(exchange),
            hc_recv(exchange, 1),
            hc_cancel(op),
            hc_timer(program.queue(), 0, 0, nullptr),
            hc_queue_poll(program.queue(), &event, 1, -1, &n),
            hc_queue_arm(program.queue()),
            hc_queue_wake(program.queue()),
            hc_runtime_start(program.runtime()),
            hc_runtime_stop(program.runtime(), nullptr, 0),
            hc_runtime_join(program.runtime(), -1),
            hc_runtime_turn(program.runtime(), 0),
            hc_server_drain(program.server(), nullptr, 0, 0, 0),
            hc_metrics(program.runtime(), HC_METRICS_JSON, nullptr, 0, nullptr),
        };
        int bad = 0;
        for (const hc_status status : answers) bad += status == HC_E_FORKED ? 0 : 1;
        bad += hc_server_release(program.server()) == HC_OK ? 0 : 1;
        bad += hc_queue_release(program.queue()) == HC_OK ? 0 : 1;
        bad += hc_runtime_release(program.runtime()) == HC_OK ? 0 : 1;
        // A runtime of its own works.
        hc_runtime* own = nullptr;
        bad += hc_runtime_create(nullptr, &own, nullptr) == HC_OK ? 0 : 1;
        bad += hc_runtime_release(own) == HC_OK ? 0 : 1;
        ::_exit(bad);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
    // The parent has noticed nothing.
    EXPECT_EQ(answer(exchange, "still here"), HC_OK);
    EXPECT_EQ(read_response(client).body, "still here");
}

/// Whoever waits to be accepted is not left waiting by a runtime that ends before it has begun.
TEST(Life, AStopClosesListenersThatNoWorkerHasSeen) {
    for (const char* workers : {"1", "2"}) {
        const Config config(Pairs{{"runtime.workers", workers}, {"listen.address", "127.0.0.1:0"}});
        hc_runtime* runtime = nullptr;
        hc_server* server = nullptr;
        ASSERT_EQ(hc_runtime_create(config.get(), &runtime, nullptr), HC_OK);
        ASSERT_EQ(hc_server_create(runtime, config.get(), &server, nullptr), HC_OK);
        Client client(listen_on(server, config));
        client.send(request("/"));
        ASSERT_EQ(hc_runtime_stop(runtime, nullptr, 0), HC_OK);
        ASSERT_EQ(hc_runtime_join(runtime, -1), HC_OK);
        EXPECT_EQ(client.read_to_end(), ""); // and the server's handle is still there
        EXPECT_EQ(hc_server_listen(server, config.get(), nullptr), HC_E_STATE);
        hc_server_release(server);
        hc_runtime_release(runtime);
    }
}

TEST(Life, NoThreadBeforeStart) {
    const auto threads = [] {
        std::FILE* status = std::fopen("/proc/self/status", "r");
        char line[256];
        int n = 0;
        while (std::fgets(line, sizeof line, status) != nullptr) {
            if (std::strncmp(line, "Threads:", 8) == 0) n = std::atoi(line + 8);
        }
        std::fclose(status);
        return n;
    };
    // Threads of earlier tests end by themselves; wait until their number stands still.
    int before = threads();
    EXPECT_TRUE(eventually([&] {
        std::this_thread::sleep_for(20ms);
        return std::exchange(before, threads()) == before;
    }));
    hc_runtime* runtime = nullptr;
    ASSERT_EQ(hc_runtime_create(nullptr, &runtime, nullptr), HC_OK);
    EXPECT_EQ(threads(), before);
    EXPECT_EQ(hc_runtime_join(runtime, -1), HC_E_STATE);
    ASSERT_EQ(hc_runtime_start(runtime), HC_OK);
    EXPECT_EQ(threads(), before + 1);
    ASSERT_EQ(hc_runtime_stop(runtime, nullptr, 0), HC_OK);
    EXPECT_EQ(hc_runtime_join(runtime, -1), HC_OK);
    hc_runtime_release(runtime);
}

TEST(Life, SixtyFourRuntimesAndNotOneMore) {
    std::vector<hc_runtime*> runtimes;
    hc_runtime* one = nullptr;
    hc_status status = HC_OK;
    for (int i = 0; i < 65 && status == HC_OK; ++i) {
        status = hc_runtime_create(nullptr, &one, nullptr);
        if (status == HC_OK) runtimes.push_back(one);
    }
    EXPECT_EQ(status, HC_E_LIMIT);
    EXPECT_LE(runtimes.size(), 64U);
    for (hc_runtime* runtime : runtimes) hc_runtime_release(runtime);
    EXPECT_TRUE(eventually([&] {
        if (hc_runtime_create(nullptr, &one, nullptr) != HC_OK) return false;
        hc_runtime_release(one);
        return true;
    }));
}

} // namespace
} // namespace capi_test
