// Promises of httpcore.h that only show when something else happens at the same time: other input,
// other threads that call, a peer that leaves or reads nothing. tests/mutation breaks them.
#include "tests/capi/promises.hpp"

#include <map>

namespace capi_test {
namespace {

const auto function_deliveries = testing::Values(Delivery::inline_worker, Delivery::driven_inline,
                                                 Delivery::pool, Delivery::driven_pool);
const auto inline_deliveries = testing::Values(Delivery::inline_worker, Delivery::driven_inline);
const auto queue_deliveries = testing::Values(Delivery::queue, Delivery::driven_queue);
const auto name = [](const auto& it) { return name_of(it.param); };

class PromisesOf : public testing::TestWithParam<Delivery> {};
INSTANTIATE_TEST_SUITE_P(Deliveries, PromisesOf, every_delivery, name);
class InlinePromisesOf : public testing::TestWithParam<Delivery> {};
INSTANTIATE_TEST_SUITE_P(Deliveries, InlinePromisesOf, inline_deliveries, name);
class FunctionPromisesOf : public testing::TestWithParam<Delivery> {};
INSTANTIATE_TEST_SUITE_P(Deliveries, FunctionPromisesOf, function_deliveries, name);

// -- lifetimes ------------------------------------------------------------------------------------

TEST_P(PromisesOf, HeadStaysAsItWasWhileOtherInputComes) {
    Journal journal;
    Program program(GetParam(), [&](const hc_event& event) { journal.add(event); });
    Client client(program.port());
    client.send(request("/there?query"));
    ASSERT_TRUE(journal.wait_for(HC_EV_REQUEST));
    const hc_exchange exchange = journal.last(HC_EV_REQUEST).obj;
    const hc_head* head = nullptr;
    ASSERT_TRUE(eventually([&] { return hc_head_get(exchange, &head) == HC_OK; }));
    Client other(program.port());
    other.send(request("/" + std::string(3'000, 'z'))); // through the same buffer of the worker
    ASSERT_TRUE(journal.wait_for(HC_EV_REQUEST, 2));
    EXPECT_EQ(text(head->path), "/there");
    EXPECT_EQ(text(head->query), "query");
    ASSERT_EQ(head->nheaders, 1U);
    EXPECT_EQ(text(head->headers[0].value), "test");
    EXPECT_EQ(answer(exchange, "late"), HC_OK);
    EXPECT_EQ(read_response(client).body, "late");
}

class QueuePromisesOf : public testing::TestWithParam<Delivery> {};
INSTANTIATE_TEST_SUITE_P(Deliveries, QueuePromisesOf, queue_deliveries, name);

TEST_P(QueuePromisesOf, BodyStaysUntilTheLastOfItIsConsumed) {
    Journal journal;
    Program program(
        GetParam(),
        [&](const hc_event& event) {
            journal.add(event);
            if (event.type != HC_EV_REQUEST) return;
            if (event.n == 0) hc_recv(event.obj, UINT64_MAX);
            if (event.n == 1) answer(event.obj, "other");
        },
        {.config = {}, .workers = 1, .inflight_max = 0, .routes = {{"", "/body"}, {"", "*"}}});
    Client client(program.port());
    client.send("POST /body HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbody");
    ASSERT_TRUE(journal.wait_for(HC_EV_BODY));
    const hc_event body = journal.last(HC_EV_BODY);
    ASSERT_EQ(bytes_of(body), "body");
    EXPECT_EQ(hc_consume(body.obj, 3), HC_OK);
    EXPECT_EQ(get(program.port()).body, "other"); // so the worker has done it
    EXPECT_EQ(bytes_of(body).back(), 'y');
    EXPECT_EQ(hc_consume(body.obj, 1), HC_OK);
    EXPECT_EQ(answer(body.obj, "seen"), HC_OK);
    EXPECT_EQ(read_response(client).body, "seen");
}

TEST_P(InlinePromisesOf, HeadIsNotForOtherThreadsWhileItMayMove) {
    Journal journal;
    Gate gate;
    Program program(GetParam(), [&](const hc_event& event) {
        journal.add(event);
        if (event.type == HC_EV_REQUEST) gate.wait();
    });
    Client client(program.port());
    client.send(request("/there"));
    ASSERT_TRUE(gate.reached());
    const hc_exchange exchange = journal.last(HC_EV_REQUEST).obj;
    const hc_head* head = nullptr;
    EXPECT_EQ(hc_head_get(exchange, &head), HC_E_AGAIN);
    EXPECT_EQ(head, nullptr);
    gate.open();
    ASSERT_TRUE(eventually([&] { return hc_head_get(exchange, &head) == HC_OK; }));
    EXPECT_EQ(text(head->path), "/there");
}

// -- sending --------------------------------------------------------------------------------------

TEST_P(PromisesOf, WritableComesAtTheLowWatermark) {
    constexpr std::size_t high = 16'000'000;
    constexpr std::size_t low = 1'000'000;
    const std::string chunk(50'000, 'c');
    Journal journal;
    std::atomic<std::size_t> taken{0};
    const auto fill = [&](hc_exchange exchange) {
        std::size_t n = 0;
        while (hc_send(exchange, chunk.data(), chunk.size(), 0, 0) == HC_OK) n += chunk.size();
        return n;
    };
    Program program(GetParam(),
                    [&](const hc_event& event) {
                        if (event.type == HC_EV_REQUEST) {
                            EXPECT_EQ(hc_respond(event.obj, 200, nullptr, 0, nullptr, 0, 0, 0),
                                      HC_OK);
                            EXPECT_GE(fill(event.obj), high);
                        } else if (event.type == HC_EV_WRITABLE) {
                            taken = fill(event.obj);
                        } else if (event.type == HC_EV_CLOSED) {
                            hc_release(event.obj);
                        }
                        journal.add(event);
                    },
                    {.config = {{"limits.write_high_watermark_bytes", std::to_string(high)},
                                {"limits.write_low_watermark_bytes", std::to_string(low)}}});
    Client client(program.port(), 16'384);
    client.send(request("/"));
    // What is read makes room, until the report comes; from then on nothing does.
    while (journal.count(HC_EV_WRITABLE) == 0) ASSERT_FALSE(client.receive(1'000'000).empty());
    EXPECT_GE(taken.load(), high - low);
    client.reset();
    EXPECT_TRUE(journal.wait_for(HC_EV_CLOSED));
}

TEST_P(PromisesOf, ClosedIsOkOnlyForAnAnswerHandedOverWhole) {
    const std::string large(30'000'000, 'l'); // more than the kernel takes from a peer at rest
    Journal journal;
    Program program(GetParam(), [&](const hc_event& event) {
        if (event.type == HC_EV_REQUEST) {
            EXPECT_EQ(hc_respond(event.obj, 200, nullptr, 0, large.data(), large.size(), HC_FIN, 0),
                      HC_OK);
        } else if (event.type == HC_EV_CLOSED) {
            EXPECT_EQ(hc_release(event.obj), HC_OK);
        }
        journal.add(event);
    });
    Client client(program.port(), 16'384);
    client.send(request("/"));
    EXPECT_EQ(client.read(100'000).size(), 100'000U);
    client.reset();
    ASSERT_TRUE(journal.wait_for(HC_EV_CLOSED));
    EXPECT_EQ(journal.last(HC_EV_CLOSED).status, HC_E_RESET);
    EXPECT_EQ(get(program.port()).body.size(), large.size());
    ASSERT_TRUE(journal.wait_for(HC_EV_CLOSED, 2));
    EXPECT_EQ(journal.last(HC_EV_CLOSED).status, HC_OK);
}

// -- ledgers --------------------------------------------------------------------------------------

TEST_P(FunctionPromisesOf, BytesCountAsConsumedWhenTheCallbackReturns) {
    constexpr std::size_t buffer = 65'536;
    const std::string body(1'000'000, 'b');
    std::atomic<hc_exchange> exchange{0};
    std::atomic<std::size_t> delivered{0};
    Program program(GetParam(),
                    [&](const hc_event& event) {
                        if (event.type == HC_EV_REQUEST) exchange = event.obj;
                        if (event.type == HC_EV_BODY) delivered += event.n;
                        if (event.type == HC_EV_BODY_END) answer(event.obj, "all");
                    },
                    {.config = {{"limits.exchange_buffer_bytes_max", std::to_string(buffer)}}});
    Client client(program.port());
    std::thread sender([&] {
        client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\n" + body);
    });
    // Without credit the bytes gather in the exchange up to its bound.
    EXPECT_TRUE(
        eventually([&] { return metric(program.runtime(), "received_bytes_total") >= buffer; }));
    EXPECT_TRUE(eventually([&] { return exchange != 0; }));
    EXPECT_EQ(delivered, 0U);
    EXPECT_EQ(hc_recv(exchange, UINT64_MAX), HC_OK);
    sender.join();
    EXPECT_EQ(read_response(client).body, "all");
    EXPECT_EQ(delivered, body.size());
}

TEST_P(PromisesOf, CreditIsCumulativeAndSaturates) {
    Journal journal;
    std::atomic<std::size_t> delivered{0};
    Program program(GetParam(), [&](const hc_event& event) {
        if (event.type == HC_EV_BODY) {
            delivered += event.n;
            EXPECT_EQ(hc_consume(event.obj, event.n), HC_OK);
        } else if (event.type == HC_EV_BODY_END) {
            EXPECT_EQ(answer(event.obj, "all"), HC_OK);
        }
        journal.add(event);
    });
    Client client(program.port());
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 50000\r\n\r\n" +
                std::string(40'000, 'b'));
    ASSERT_TRUE(journal.wait_for(HC_EV_REQUEST));
    const hc_exchange exchange = journal.last(HC_EV_REQUEST).obj;
    std::size_t granted = 0;
    for (const std::size_t more : {1U, 999U, 9'000U}) {
        granted += more;
        ASSERT_EQ(hc_recv(exchange, more), HC_OK);
        EXPECT_TRUE(eventually([&] { return delivered >= granted; }));
        EXPECT_EQ(delivered, granted);
    }
    ASSERT_EQ(hc_recv(exchange, UINT64_MAX), HC_OK);
    ASSERT_EQ(hc_recv(exchange, UINT64_MAX), HC_OK); // the exchange lives: its body has not ended
    EXPECT_TRUE(eventually([&] { return delivered == 40'000; }));
    client.send(std::string(10'000, 'b'));
    EXPECT_EQ(read_response(client).body, "all");
    EXPECT_EQ(delivered, 50'000U);
}

TEST_P(PromisesOf, HeldBytesStopThePeer) {
    constexpr std::size_t buffer = 65'536;
    const std::string body(64'000'000, 'b'); // more than all buffers of the kernel
    Journal journal;
    Program program(GetParam(), [&](const hc_event& event) { journal.add(event); },
                    {.config = {{"limits.exchange_buffer_bytes_max", std::to_string(buffer)}}});
    Client client(program.port());
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 64000000\r\n\r\n");
    // Nobody wants it: what was not stopped would be read to its end, however fast.
    EXPECT_LT(client.send_some(body, 200ms), body.size());
    EXPECT_TRUE(
        eventually([&] { return metric(program.runtime(), "received_bytes_total") >= buffer; }));
    EXPECT_LE(metric(program.runtime(), "received_bytes_total"), buffer + 65'536 + 1'000);
    EXPECT_EQ(journal.count(HC_EV_BODY), 0U);
}

TEST_P(PromisesOf, AnExchangeHoldsItsConnectionUntilItIsReleased) {
    Journal journal;
    Program program(GetParam(), [&](const hc_event& event) {
        journal.add(event);
        if (event.type == HC_EV_REQUEST) {
            EXPECT_EQ(hc_respond(event.obj, 200, nullptr, 0, "x", 1, HC_FIN, 0), HC_OK);
        }
    });
    Client client(program.port());
    client.send(request("/1") + request("/2"));
    EXPECT_EQ(read_response(client).body, "x");
    ASSERT_TRUE(journal.wait_for(HC_EV_CLOSED));
    // The same worker serves others meanwhile, but not the request behind the first.
    EXPECT_EQ(get(program.port()).body, "x");
    EXPECT_EQ(journal.count(HC_EV_REQUEST), 2U);
    EXPECT_EQ(hc_release(journal.of(HC_EV_REQUEST)[0].obj), HC_OK);
    EXPECT_EQ(read_response(client).body, "x");
    EXPECT_EQ(journal.count(HC_EV_REQUEST), 3U);
}

TEST_P(PromisesOf, AnExchangeCountsUntilItIsReleasedThoughItsPeerIsGone) {
    Journal journal;
    Program program(GetParam(),
                    [&](const hc_event& event) {
                        if (event.type == HC_EV_REQUEST && event.n == 1) answer(event.obj, "ok");
                        journal.add(event);
                    },
                    {.config = {{"limits.exchanges_max", "1"}},
                     .workers = 1,
                     .inflight_max = 0,
                     .routes = {{"", "/hold"}, {"", "*"}}});
    {
        Client client(program.port());
        client.send(request("/hold"));
        ASSERT_TRUE(journal.wait_for(HC_EV_REQUEST));
        client.reset();
    }
    ASSERT_TRUE(journal.wait_for(HC_EV_CLOSED));
    EXPECT_EQ(get(program.port()).status, 503);
    EXPECT_EQ(hc_release(journal.last(HC_EV_CLOSED).obj), HC_OK);
    EXPECT_TRUE(eventually([&] { return get(program.port()).status == 200; }));
}

// -- events ---------------------------------------------------------------------------------------

TEST_P(PromisesOf, EventsOfOneExchangeKeepTheirOrder) {
    constexpr std::size_t clients = 20;
    std::mutex mutex;
    std::map<hc_exchange, std::vector<std::uint32_t>> seen;
    Journal journal;
    Program program(GetParam(), [&](const hc_event& event) {
        if (event.obj != 0) {
            const std::lock_guard lock(mutex);
            seen[event.obj].push_back(event.type);
        }
        if (event.type == HC_EV_REQUEST) hc_recv(event.obj, UINT64_MAX);
        if (event.type == HC_EV_BODY) hc_consume(event.obj, event.n);
        if (event.type == HC_EV_BODY_END) {
            hc_respond(event.obj, 200, nullptr, 0, "x", 1, HC_FIN, 0);
        }
        if (event.type == HC_EV_CLOSED) hc_release(event.obj);
        journal.add(event);
    });
    std::vector<Client> all;
    for (std::size_t i = 0; i < clients; ++i) {
        all.emplace_back(program.port());
        all.back().send("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
    }
    for (Client& client : all) EXPECT_EQ(read_response(client).body, "x");
    ASSERT_TRUE(journal.wait_for(HC_EV_CLOSED, clients));
    program.stop();
    ASSERT_EQ(seen.size(), clients);
    for (const auto& [exchange, types] : seen) {
        ASSERT_GE(types.size(), 4U);
        std::vector<std::uint32_t> expected(types.size(), HC_EV_BODY);
        expected.front() = HC_EV_REQUEST;
        *(expected.end() - 2) = HC_EV_BODY_END;
        expected.back() = HC_EV_CLOSED;
        EXPECT_EQ(types, expected);
    }
}

TEST_P(PromisesOf, NoEventOfAnExchangeComesAfterItsRelease) {
    std::mutex mutex;
    std::map<hc_exchange, std::vector<std::uint32_t>> seen;
    Journal journal;
    Program program(GetParam(), [&](const hc_event& event) {
        journal.add(event);
        if (event.obj != 0) {
            const std::lock_guard lock(mutex);
            seen[event.obj].push_back(event.type);
        }
        if (event.type == HC_EV_REQUEST && event.flags == HC_EVF_END) {
            EXPECT_EQ(answer(event.obj, "x"), HC_OK); // and releases
        } else if (event.type == HC_EV_REQUEST) {
            EXPECT_EQ(hc_release(event.obj), HC_OK);
        }
    });
    for (int i = 0; i < 5; ++i) EXPECT_EQ(get(program.port()).body, "x");
    for (int i = 0; i < 5; ++i) {
        Client client(program.port());
        client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbody");
        EXPECT_EQ(read_response(client).status, 500);
    }
    program.stop();
    EXPECT_EQ(seen.size(), 10U);
    for (const auto& [exchange, types] : seen) EXPECT_EQ(types, std::vector{HC_EV_REQUEST});
}

/// What ends or feeds an exchange from inside its callback.
void act_inside(const hc_event& event, bool elsewhere) {
    const hc_exchange e = event.obj;
    const hc_header five{{"content-length", 14}, {"5", 1}, HC_FIELD_CONTENT_LENGTH, 0};
    switch (event.n) {
    case 0: EXPECT_EQ(hc_abort(e, 0), HC_OK); break;
    case 1: EXPECT_EQ(hc_recv(e, UINT64_MAX), HC_OK); break;
    case 2: // fewer bytes than announced: the exchange is reset
        EXPECT_EQ(hc_respond(e, 200, &five, 1, nullptr, 0, 0, 0), HC_OK);
        // Another thread's call is taken on trust; the failure follows.
        EXPECT_EQ(hc_finish(e, nullptr, 0), elsewhere ? HC_OK : HC_E_STATE);
        break;
    case 3:
        EXPECT_EQ(hc_respond(e, 200, nullptr, 0, nullptr, 0, HC_NOCOPY | HC_FIN, 1), HC_OK);
        break;
    default: ADD_FAILURE() << "no such route";
    }
}

TEST_P(FunctionPromisesOf, CallbacksOfOneExchangeNeverNest) {
    std::atomic<int> depth = 0; // one exchange at a time is asked for
    Journal journal;
    Program program(GetParam(),
                    [&](const hc_event& event) {
                        if (event.obj == 0) return;
                        EXPECT_EQ(depth, 0) << "event " << event.type;
                        ++depth;
                        if (event.type == HC_EV_REQUEST) {
                            act_inside(event, is_elsewhere(GetParam()));
                        }
                        if (event.type == HC_EV_BODY) hc_recv(event.obj, 1);
                        if (event.type == HC_EV_BODY_END) {
                            hc_respond(event.obj, 200, nullptr, 0, "x", 1, HC_FIN, 0);
                        }
                        if (event.type == HC_EV_CLOSED) hc_release(event.obj);
                        --depth;
                        journal.add(event);
                    },
                    {.config = {},
                     .workers = 1,
                     .inflight_max = 0,
                     .routes = {{"", "/abort"}, {"", "/recv"}, {"", "/short"}, {"", "/nothing"}}});
    std::size_t closed = 0;
    for (const char* target : {"/abort", "/recv", "/short", "/nothing"}) {
        Client client(program.port());
        client.send("POST " + std::string(target) +
                    " HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbody");
        EXPECT_TRUE(journal.wait_for(HC_EV_CLOSED, ++closed)) << target;
    }
    EXPECT_TRUE(journal.wait_for(HC_EV_SENT));
    program.stop();
    EXPECT_EQ(journal.count(HC_EV_CLOSED), 4U);
    EXPECT_EQ(journal.count(HC_EV_SENT), 1U);
}

// -- handles --------------------------------------------------------------------------------------

/// True when only the generation tells the two apart.
bool same_slot(hc_exchange one, hc_exchange other) { return ((one ^ other) >> 28) == 0; }

TEST_P(PromisesOf, AnIdStaysGoneWhenItsSlotIsUsedAgain) {
    constexpr int most = 5'000; // slots are reused first-in first-out: after some thousand at most
    std::atomic<hc_exchange> first{0};
    std::atomic<hc_exchange> current{0};
    std::atomic<bool> again{false};
    Program program(GetParam(), [&](const hc_event& event) {
        if (event.type != HC_EV_REQUEST) return;
        if (first == 0) first = event.obj;
        const hc_head* head = nullptr;
        if (event.obj != first && same_slot(event.obj, first)) {
            // On the worker, where that is the caller; and below from elsewhere.
            EXPECT_EQ(hc_head_get(first, &head), HC_E_GONE);
            EXPECT_EQ(answer(first, "old"), HC_E_GONE);
            EXPECT_EQ(hc_release(first), HC_E_GONE);
            current = event.obj;
            again = true;
        } else {
            EXPECT_EQ(answer(event.obj, "x"), HC_OK);
        }
    });
    Client client(program.port());
    for (int i = 0; i < most && !again; ++i) {
        client.send(request("/"));
        while (!again && !client.readable()) std::this_thread::yield();
        if (!again) {
            ASSERT_EQ(read_response(client).body, "x");
        }
    }
    ASSERT_TRUE(again) << "no slot was used again";
    const hc_head* head = nullptr;
    EXPECT_EQ(hc_head_get(first, &head), HC_E_GONE);
    EXPECT_EQ(answer(first, "old"), HC_E_GONE);
    EXPECT_EQ(hc_release(first), HC_E_GONE);
    EXPECT_EQ(answer(current, "new"), HC_OK);
    EXPECT_EQ(read_response(client).body, "new");
}

TEST_P(PromisesOf, OtherThreadsMayCallWhileExchangesEnd) {
    constexpr int rounds = 1'000;
    std::atomic<hc_exchange> current{0};
    std::atomic<bool> over{false};
    Program program(GetParam(), [&](const hc_event& event) {
        if (event.type != HC_EV_REQUEST) return;
        current = event.obj;
        EXPECT_EQ(answer(event.obj, "x"), HC_OK);
    });
    std::vector<std::thread> callers;
    for (int i = 0; i < 2; ++i) {
        callers.emplace_back([&] {
            while (!over) {
                const hc_head* head = nullptr;
                hc_head_get(current, &head);
                hc_recv(current, 1);
                hc_consume(current, 0);
            }
        });
    }
    Client client(program.port());
    for (int i = 0; i < rounds; ++i) {
        client.send(request("/"));
        const Response response = read_response(client);
        EXPECT_EQ(response.body, "x");
        if (response.body != "x") break;
    }
    over = true;
    for (std::thread& caller : callers) caller.join();
    // Each was freed, and freed once.
    EXPECT_TRUE(eventually([&] { return metric(program.runtime(), "requests_active") == 0; }))
        << metric(program.runtime(), "requests_active");
}

} // namespace
} // namespace capi_test
