// Three ways of delivery, one vocabulary: what a handler sees and can say, in each of them.
#include "tests/capi/support.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <set>

namespace capi_test {
namespace {

class DeliveryOf : public testing::TestWithParam<Delivery> {};
INSTANTIATE_TEST_SUITE_P(Deliveries, DeliveryOf, every_delivery,
                         [](const auto& it) { return name_of(it.param); });

TEST_P(DeliveryOf, AnswersOnKeepAliveConnections) {
    Program program(GetParam(), [](const hc_event& event) {
        if (event.type != HC_EV_REQUEST) return;
        EXPECT_NE(event.obj, 0U);
        EXPECT_EQ(event.flags, HC_EVF_END);
        EXPECT_EQ(event.status, HC_OK);
        EXPECT_EQ(event.n, 0U);
        EXPECT_EQ(event.aux[0], static_cast<std::uint64_t>(HC_METHOD_GET));
        EXPECT_EQ(event.aux[1], static_cast<std::uint64_t>(HC_HTTP_1_1));
        EXPECT_EQ(answer(event.obj, "hello"), HC_OK);
    });
    Client client(program.port());
    for (int i = 0; i < 100; ++i) {
        client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
        const Response response = read_response(client);
        ASSERT_EQ(response.status, 200);
        ASSERT_EQ(response.body, "hello");
    }
}

TEST_P(DeliveryOf, PipelinedRequestsAreAnsweredInOrder) {
    Program program(GetParam(), [](const hc_event& event) {
        if (event.type != HC_EV_REQUEST) return;
        const hc_head* head = nullptr;
        ASSERT_EQ(hc_head_get(event.obj, &head), HC_OK);
        EXPECT_EQ(answer(event.obj, text(head->query)), HC_OK);
    });
    Client client(program.port());
    std::string requests;
    for (int i = 0; i < 200; ++i) {
        requests += "GET /?" + std::to_string(i) + " HTTP/1.1\r\nHost: test\r\n\r\n";
    }
    client.send(requests);
    for (int i = 0; i < 200; ++i) ASSERT_EQ(read_response(client).body, std::to_string(i));
}

TEST_P(DeliveryOf, HeadTellsAllOfTheRequest) {
    ProgramOptions options;
    options.routes = {{"GET", "/users/{id}/files/{path...}"}, {"", "*"}};
    Program program(
        GetParam(),
        [](const hc_event& event) {
            if (event.type != HC_EV_REQUEST) return;
            const hc_head* head = nullptr;
            ASSERT_EQ(hc_head_get(event.obj, &head), HC_OK);
            const hc_head* again = nullptr;
            ASSERT_EQ(hc_head_get(event.obj, &again), HC_OK);
            EXPECT_EQ(head, again);
            EXPECT_GE(head->size, sizeof(hc_head));
            EXPECT_EQ(head->version, static_cast<std::uint32_t>(HC_HTTP_1_1));
            EXPECT_EQ(head->method_token, static_cast<std::uint32_t>(HC_METHOD_GET));
            EXPECT_EQ(text(head->method), "GET");
            EXPECT_EQ(text(head->scheme), "http");
            EXPECT_EQ(text(head->authority), "test:80");
            EXPECT_EQ(text(head->path), "/users/4%202/files/a/b");
            EXPECT_EQ(text(head->query), "q=1");
            EXPECT_EQ(head->flags, HC_HEADF_QUERY);
            EXPECT_EQ(text(head->target), "/users/4%202/files/a/b?q=1");
            EXPECT_EQ(text(head->peer).substr(0, 10), "127.0.0.1:");
            EXPECT_EQ(text(head->local).substr(0, 10), "127.0.0.1:");
            EXPECT_NE(text(head->peer), text(head->local));
            EXPECT_EQ(head->route, 0U);
            ASSERT_EQ(head->nparams, 2U);
            EXPECT_EQ(text(head->params[0].name), "id");
            EXPECT_EQ(text(head->params[0].value), "4%202");
            EXPECT_EQ(text(head->params[1].name), "path");
            EXPECT_EQ(text(head->params[1].value), "a/b");
            ASSERT_EQ(head->nheaders, 3U);
            EXPECT_EQ(head->headers[0].token, static_cast<std::uint32_t>(HC_FIELD_HOST));
            EXPECT_EQ(text(head->headers[1].name), "X-Other");
            EXPECT_EQ(head->headers[1].token, static_cast<std::uint32_t>(HC_FIELD_OTHER));
            EXPECT_EQ(text(head->headers[2].value), "x/y");
            EXPECT_EQ(head->headers[2].token, static_cast<std::uint32_t>(HC_FIELD_ACCEPT));
            EXPECT_EQ(answer(event.obj, "seen"), HC_OK);
        },
        options);
    Client client(program.port());
    client.send("GET /users/4%202/files/a/b?q=1 HTTP/1.1\r\nHost: test:80\r\nX-Other: 1\r\n"
                "Accept: x/y\r\n\r\n");
    EXPECT_EQ(read_response(client).body, "seen");
}

TEST_P(DeliveryOf, HeadOutlivesTheCallbackAndIsReadElsewhere) {
    Journal journal;
    Program program(GetParam(), [&](const hc_event& event) { journal.add(event); });
    Client client(program.port());
    client.send("GET /there?x HTTP/1.1\r\nHost: test\r\n\r\n");
    ASSERT_TRUE(journal.wait_for(HC_EV_REQUEST));
    const hc_exchange exchange = journal.last(HC_EV_REQUEST).obj;
    const hc_head* head = nullptr;
    // On this thread, which is neither worker nor consumer. AGAIN while the callback still runs.
    ASSERT_TRUE(eventually([&] { return hc_head_get(exchange, &head) == HC_OK; }));
    EXPECT_EQ(text(head->path), "/there");
    // Another head, longer and through the same receive buffer, must not touch it.
    Client other(program.port());
    other.send("GET /" + std::string(3'000, 'o') + " HTTP/1.1\r\nHost: other\r\n\r\n");
    ASSERT_TRUE(journal.wait_for(HC_EV_REQUEST, 2));
    EXPECT_EQ(text(head->path), "/there");
    EXPECT_EQ(text(head->query), "x");
    EXPECT_EQ(answer(exchange, "late"), HC_OK);
    EXPECT_EQ(read_response(client).body, "late");
}

TEST_P(DeliveryOf, BodyAndTrailersArrive) {
    Journal journal;
    std::string body;
    Program program(GetParam(), [&](const hc_event& event) {
        if (event.type == HC_EV_REQUEST) {
            EXPECT_EQ(event.flags, 0U);
            const hc_header* none = nullptr;
            size_t n = 7;
            EXPECT_EQ(hc_trailers_get(event.obj, &none, &n), HC_OK);
            EXPECT_EQ(n, 0U);
            EXPECT_EQ(hc_recv(event.obj, UINT64_MAX), HC_OK);
        } else if (event.type == HC_EV_BODY) {
            body += bytes_of(event);
            EXPECT_EQ(hc_consume(event.obj, event.n), HC_OK);
        } else if (event.type == HC_EV_BODY_END) {
            EXPECT_EQ(event.n, 1U);
            const hc_header* trailers = nullptr;
            size_t n = 0;
            EXPECT_EQ(hc_trailers_get(event.obj, &trailers, &n), HC_OK);
            ASSERT_EQ(n, 1U);
            EXPECT_EQ(text(trailers[0].name), "X-Sum");
            EXPECT_EQ(answer(event.obj, body + text(trailers[0].value)), HC_OK);
        }
    });
    Client client(program.port());
    client.send(
        "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
        "5\r\nhello\r\n");
    client.send("6\r\n world\r\n0\r\nX-Sum: !\r\n\r\n");
    EXPECT_EQ(read_response(client).body, "hello world!");
}

TEST_P(DeliveryOf, StreamsAnswerWithTrailersAndInterim) {
    const bool elsewhere = is_elsewhere(GetParam());
    Program program(GetParam(), [elsewhere](const hc_event& event) {
        if (event.type == HC_EV_CLOSED) {
            EXPECT_EQ(event.status, HC_OK);
            EXPECT_EQ(hc_send(event.obj, "x", 1, 0, 0), HC_E_CLOSED);
            EXPECT_EQ(hc_release(event.obj), HC_OK);
        }
        if (event.type != HC_EV_REQUEST) return;
        const hc_header link{{"link", 4}, {"</a>; rel=preload", 17}, HC_FIELD_LINK, 0};
        EXPECT_EQ(hc_respond(event.obj, 103, &link, 1, nullptr, 0, HC_INTERIM, 0), HC_OK);
        EXPECT_EQ(hc_finish(event.obj, nullptr, 0), HC_E_STATE);
        EXPECT_EQ(hc_send(event.obj, "x", 1, 0, 0), HC_E_STATE);
        EXPECT_EQ(hc_respond(event.obj, 200, nullptr, 0, "a", 1, 0, 0), HC_OK);
        EXPECT_EQ(hc_respond(event.obj, 200, nullptr, 0, "a", 1, 0, 0), HC_E_STATE);
        EXPECT_EQ(hc_send(event.obj, "bc", 2, 0, 0), HC_OK);
        const hc_header sum{{"x-sum", 5}, {"9", 1}, 0, 0};
        EXPECT_EQ(hc_finish(event.obj, &sum, 1), HC_OK);
        const hc_status again = hc_finish(event.obj, nullptr, 0);
        // The worker may be through with it by now, where it is another thread.
        EXPECT_TRUE(again == HC_E_STATE || (elsewhere && again == HC_E_CLOSED)) << again;
    });
    Client client(program.port());
    for (int i = 0; i < 3; ++i) {
        client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
        const Response early = read_response(client);
        EXPECT_EQ(early.status, 103);
        EXPECT_EQ(early.fields.at("link"), "</a>; rel=preload");
        const Response response = read_response(client);
        EXPECT_EQ(response.status, 200);
        EXPECT_EQ(response.body, "abc");
        EXPECT_EQ(response.trailers.at("x-sum"), "9");
    }
    program.settle();
}

TEST_P(DeliveryOf, AnswersFromAnotherThread) {
    Journal journal;
    Program program(GetParam(), [&](const hc_event& event) { journal.add(event); });
    Client client(program.port());
    for (std::size_t i = 1; i <= 20; ++i) {
        client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
        ASSERT_TRUE(journal.wait_for(HC_EV_REQUEST, i));
        const hc_exchange exchange = journal.last(HC_EV_REQUEST).obj;
        std::string body = "chunk";
        std::string name = "x-copied";
        hc_header field{{name.data(), name.size()}, {body.data(), body.size()}, 0, 0};
        EXPECT_EQ(hc_respond(exchange, 200, &field, 1, body.data(), body.size(), 0, 0), HC_OK);
        EXPECT_EQ(hc_respond(exchange, 200, nullptr, 0, nullptr, 0, HC_FIN, 0), HC_E_STATE);
        // Bytes in were copied during the call: what happens to them now does not matter.
        body = "#####";
        name = "########";
        EXPECT_EQ(hc_send(exchange, "-more", 5, 0, 0), HC_OK);
        EXPECT_EQ(hc_finish(exchange, nullptr, 0), HC_OK);
        const hc_status late = hc_send(exchange, "x", 1, 0, 0);
        EXPECT_TRUE(late == HC_E_STATE || late == HC_E_CLOSED) << late;
        const Response response = read_response(client);
        EXPECT_EQ(response.body, "chunk-more");
        EXPECT_EQ(response.fields.at("x-copied"), "chunk");
        EXPECT_TRUE(journal.wait_for(HC_EV_CLOSED, i));
        EXPECT_EQ(journal.last(HC_EV_CLOSED).status, HC_OK);
        EXPECT_EQ(hc_release(exchange), HC_OK);
    }
}

TEST_P(DeliveryOf, LateFailureOfACallFromAnotherThreadIsOneClosed) {
    Journal journal;
    Program program(GetParam(), [&](const hc_event& event) { journal.add(event); });
    Client client(program.port());
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    ASSERT_TRUE(journal.wait_for(HC_EV_REQUEST));
    const hc_exchange exchange = journal.last(HC_EV_REQUEST).obj;
    const hc_header three{{"content-length", 14}, {"3", 1}, HC_FIELD_CONTENT_LENGTH, 0};
    EXPECT_EQ(hc_respond(exchange, 200, &three, 1, nullptr, 0, 0, 0), HC_OK);
    EXPECT_EQ(hc_send(exchange, "too many", 8, 0, 0), HC_OK); // only the worker knows better
    ASSERT_TRUE(journal.wait_for(HC_EV_CLOSED));
    EXPECT_EQ(journal.last(HC_EV_CLOSED).status, HC_E_LIMIT);
    EXPECT_EQ(hc_respond(exchange, 200, nullptr, 0, nullptr, 0, HC_FIN, 0), HC_E_CLOSED);
    EXPECT_EQ(hc_release(exchange), HC_OK);
    EXPECT_EQ(client.read_to_end().find("too many"), std::string::npos);
    program.stop();
    EXPECT_EQ(journal.count(HC_EV_CLOSED), 1U);
}

TEST_P(DeliveryOf, UpgradeIsATunnelBothWays) {
    Program program(GetParam(), [](const hc_event& event) {
        if (event.type == HC_EV_REQUEST) {
            const hc_head* head = nullptr;
            ASSERT_EQ(hc_head_get(event.obj, &head), HC_OK);
            EXPECT_EQ(text(head->protocol), "echo");
            EXPECT_EQ(hc_upgrade(event.obj, 101, nullptr, 0), HC_OK);
            EXPECT_EQ(hc_recv(event.obj, UINT64_MAX), HC_OK);
        } else if (event.type == HC_EV_BODY) {
            EXPECT_EQ(hc_send(event.obj, bytes_of(event).data(), event.n, 0, 0), HC_OK);
            EXPECT_EQ(hc_consume(event.obj, event.n), HC_OK);
        } else if (event.type == HC_EV_BODY_END) {
            EXPECT_EQ(hc_finish(event.obj, nullptr, 0), HC_OK);
        } else if (event.type == HC_EV_CLOSED) {
            EXPECT_EQ(event.status, HC_OK);
            EXPECT_EQ(hc_release(event.obj), HC_OK);
        }
    });
    Client client(program.port());
    client.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    const Response response = read_response(client);
    EXPECT_EQ(response.status, 101);
    EXPECT_EQ(response.fields.at("upgrade"), "echo");
    client.send("raw bytes");
    EXPECT_EQ(client.read(9), "raw bytes");
    client.send("\r\n\r\nGET / HTTP/1.1\r\n\r\n");
    EXPECT_EQ(client.read(22), "\r\n\r\nGET / HTTP/1.1\r\n\r\n");
    client.end_sending();
    EXPECT_EQ(client.read_to_end(), "");
    program.settle();
}

TEST_P(DeliveryOf, ServerSentEventsAreFormatted) {
    Program program(GetParam(), [](const hc_event& event) {
        if (event.type != HC_EV_REQUEST) return;
        EXPECT_EQ(hc_respond(event.obj, 200, nullptr, 0, nullptr, 0, 0, 0), HC_OK);
        const std::string data = "one\ntwo\r\nthree\r\rfive\n";
        EXPECT_EQ(hc_send_sse(event.obj, "tick", "7", data.data(), data.size(), 100, 0, 0), HC_OK);
        EXPECT_EQ(hc_send_sse(event.obj, nullptr, nullptr, "", 0, -1, 0, 0), HC_OK);
        EXPECT_EQ(hc_send_sse(event.obj, nullptr, nullptr, nullptr, 0, 5, HC_FIN | HC_RELEASE, 0),
                  HC_OK);
    });
    EXPECT_EQ(get(program.port()).body,
              "event: tick\nid: 7\nretry: 100\ndata: one\ndata: two\ndata: three\ndata: \n"
              "data: five\ndata: \n\ndata: \n\nretry: 5\n\n");
}

TEST_P(DeliveryOf, SendsFilesAndGivesTheDescriptorBack) {
    char path[] = "/tmp/hc-capi-XXXXXX";
    const int fd = ::mkstemp(path);
    ASSERT_GE(fd, 0);
    ::unlink(path);
    std::string content;
    for (int i = 0; i < 100'000; ++i) content += std::to_string(i);
    ASSERT_EQ(::write(fd, content.data(), content.size()), static_cast<ssize_t>(content.size()));
    Journal journal;
    Program program(GetParam(), [&](const hc_event& event) {
        journal.add(event);
        if (event.type != HC_EV_REQUEST) return;
        EXPECT_EQ(hc_respond(event.obj, 200, nullptr, 0, "<", 1, 0, 0), HC_OK);
        EXPECT_EQ(hc_send_file(event.obj, fd, 10, content.size() - 20, HC_FIN | HC_RELEASE, 42),
                  HC_OK);
    });
    EXPECT_EQ(get(program.port()).body, "<" + content.substr(10, content.size() - 20));
    ASSERT_TRUE(journal.wait_for(HC_EV_SENT));
    EXPECT_EQ(journal.last(HC_EV_SENT).token, 42U);
    EXPECT_EQ(journal.last(HC_EV_SENT).status, HC_OK);
    program.stop();
    EXPECT_EQ(journal.count(HC_EV_SENT), 1U);
    ::close(fd);
}

TEST_P(DeliveryOf, MetricsCountWhatWasServed) {
    Program program(GetParam(), [](const hc_event& event) {
        if (event.type == HC_EV_REQUEST) answer(event.obj, "x");
    });
    for (int i = 0; i < 3; ++i) get(program.port());
    std::string metrics;
    const auto fetch = [&](std::int32_t format) {
        size_t need = 0;
        EXPECT_EQ(hc_metrics(program.runtime(), format, nullptr, 0, &need), HC_E_LIMIT);
        metrics.assign(need + 1'000, '#');
        EXPECT_EQ(hc_metrics(program.runtime(), format, metrics.data(), metrics.size(), &need),
                  HC_OK);
        EXPECT_EQ(metrics[need], '\0');
        metrics.resize(need);
        return metrics;
    };
    EXPECT_TRUE(eventually([&] {
        return fetch(HC_METRICS_PROMETHEUS).find("httpcore_requests_total 3") != std::string::npos;
    })) << metrics;
    EXPECT_EQ(fetch(HC_METRICS_JSON).front(), '{');
}

/// Two workers, and two queues of room for two exchanges each on one route.
class SharedRoute : public testing::Test {
protected:
    SharedRoute()
        : config_(Pairs{{"runtime.workers", "2"},
                        {"listen.address", "127.0.0.1:0"},
                        {"limits.retry_after_s", "9"}}) {
        EXPECT_EQ(hc_runtime_create(config_.get(), &runtime_, nullptr), HC_OK);
        EXPECT_EQ(hc_server_create(runtime_, config_.get(), &server_, nullptr), HC_OK);
        EXPECT_EQ(hc_server_route(server_, "GET", "/", 5, nullptr), HC_OK);
        for (hc_queue*& queue : queues_) {
            EXPECT_EQ(hc_queue_create(runtime_, 2, &queue), HC_OK);
            EXPECT_EQ(hc_server_bind_queue(server_, 5, queue), HC_OK);
        }
    }
    ~SharedRoute() override {
        for (hc_queue* queue : queues_) hc_queue_release(queue);
        hc_server_release(server_);
        hc_runtime_release(runtime_);
    }
    void start() {
        ASSERT_EQ(hc_server_listen(server_, config_.get(), nullptr), HC_OK);
        char address[64];
        ASSERT_EQ(hc_server_address(server_, 0, address, sizeof address, nullptr), HC_OK);
        port_ = static_cast<std::uint16_t>(std::stoi(std::strrchr(address, ':') + 1));
        ASSERT_EQ(hc_runtime_start(runtime_), HC_OK);
    }
    /// Polls both queues once; true when one gave a request.
    bool take(hc_event& event) {
        for (hc_queue* queue : queues_) {
            uint32_t n = 0;
            EXPECT_EQ(hc_queue_poll(queue, &event, 1, 0, &n), HC_OK);
            if (n == 0 || event.type != HC_EV_REQUEST) continue;
            used_.insert(queue);
            return true;
        }
        return false;
    }
    Client ask() {
        Client client(port_);
        client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
        return client;
    }

    const Config config_;
    hc_runtime* runtime_ = nullptr;
    hc_server* server_ = nullptr;
    hc_queue* queues_[2] = {};
    std::set<hc_queue*> used_;
    std::uint16_t port_ = 0;
};

TEST_F(SharedRoute, IsBoundInOneWayAndBeforeItListens) {
    EXPECT_EQ(hc_server_bind_queue(server_, 5, queues_[0]), HC_E_INVALID); // a second time
    hc_inline handler{};
    handler.size = sizeof handler;
    handler.on_event = [](void*, const hc_event*) {};
    EXPECT_EQ(hc_server_bind_inline(server_, 5, &handler), HC_E_STATE);
    EXPECT_EQ(hc_server_bind_inline(server_, 6, &handler), HC_OK);
    EXPECT_EQ(hc_server_bind_queue(server_, 6, queues_[0]), HC_E_STATE);
    start();
    EXPECT_EQ(hc_server_bind_queue(server_, 7, queues_[0]), HC_E_STATE);
    EXPECT_EQ(hc_server_bind_inline(server_, 7, &handler), HC_E_STATE);
    EXPECT_EQ(hc_server_route(server_, "PUT", "/", 7, nullptr), HC_E_STATE);
    char address[64];
    EXPECT_EQ(hc_server_address(server_, 1, address, sizeof address, nullptr), HC_E_NOT_FOUND);
    size_t need = 0;
    EXPECT_EQ(hc_server_address(server_, 0, address, 3, &need), HC_E_LIMIT);
    EXPECT_GT(need, 10U);
}

TEST_F(SharedRoute, SpillsToTheOtherQueueAndThenAnswers503) {
    start();
    std::vector<Client> clients;
    std::vector<hc_exchange> requests;
    for (std::size_t i = 0; i < 4; ++i) {
        clients.push_back(ask());
        hc_event event{};
        ASSERT_TRUE(eventually([&] { return take(event); }));
        EXPECT_EQ(event.n, 5U);
        requests.push_back(event.obj);
    }
    EXPECT_EQ(used_.size(), 2U);
    const Response refused = get(port_);
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.fields.at("retry-after"), "9");
    // A release makes room again.
    EXPECT_EQ(answer(requests[0], "ok"), HC_OK);
    EXPECT_EQ(read_response(clients[0]).status, 200);
    EXPECT_TRUE(eventually([&] {
        Client probe = ask();
        hc_event event{};
        bool taken = false;
        EXPECT_TRUE(eventually([&] { return (taken = take(event)) || probe.readable(); }));
        if (taken) answer(event.obj, "again");
        return read_response(probe).status == 200;
    }));
}

TEST_F(SharedRoute, RequestsThatNobodyWillPollAreAnswered503) {
    start();
    Client waiting = ask();
    Client another = ask();
    for (hc_queue*& queue : queues_) {
        EXPECT_EQ(hc_queue_release(queue), HC_OK);
        queue = nullptr;
    }
    EXPECT_EQ(read_response(waiting).status, 503);
    EXPECT_EQ(read_response(another).status, 503);
    EXPECT_EQ(get(port_).status, 503);
}

} // namespace
} // namespace capi_test
