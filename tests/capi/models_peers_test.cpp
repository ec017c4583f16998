// What clients may do to a server whose functions run on the pool: while it is full, and at every
// point of a request.
#include "tests/capi/models.hpp"

#include <random>
#include <set>

namespace capi_test {
namespace {

TEST(Models, AFullPoolAnswersPipelinedRequestsInTheirOrder) {
    Blocked blocked("1", "0");
    Client busy = ask(blocked.model.port);
    ASSERT_TRUE(blocked.sluice.holds(1));
    Client piped(blocked.model.port);
    piped.send(request("/1") + request("/2") + request("/3"));
    for (int i = 0; i < 3; ++i) {
        const Response refused = read_response(piped);
        EXPECT_EQ(refused.status, 503);
        EXPECT_EQ(refused.fields.at("retry-after"), "5");
    }
    blocked.sluice.open(100);
    EXPECT_EQ(read_response(busy).body, "done");
    ASSERT_TRUE(blocked.model.reaches("pool_busy", 0));
    piped.send(request("/4")); // it was kept
    EXPECT_EQ(read_response(piped).body, "done");
    EXPECT_EQ(blocked.model.count("pool_refused_total"), 3U);
}

/// What is behind the request that runs waits on its connection, and takes no place of the pool.
TEST(Models, PipelinedRequestsTakeOnePlace) {
    Blocked blocked("1", "1");
    Client piped(blocked.model.port);
    piped.send(request("/1") + request("/2") + request("/3"));
    for (int i = 1; i <= 3; ++i) {
        ASSERT_TRUE(blocked.sluice.holds(1));
        EXPECT_EQ(blocked.model.count("pool_queued"), 0U);
        EXPECT_EQ(blocked.model.count("requests_active"), 1U);
        blocked.sluice.open(1);
        EXPECT_EQ(read_response(piped).body, "done");
    }
    EXPECT_EQ(blocked.model.count("pool_refused_total"), 0U);
}

TEST(Models, AFullPoolAsksForNoBody) {
    Blocked blocked("1", "0");
    Client busy = ask(blocked.model.port);
    ASSERT_TRUE(blocked.sluice.holds(1));
    Client careful(blocked.model.port);
    careful.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n"
                 "Expect: 100-continue\r\n\r\n");
    EXPECT_EQ(careful.read_until("\r\n").substr(0, 12), "HTTP/1.1 503");
    Client huge(blocked.model.port);
    huge.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000000000\r\n\r\n");
    EXPECT_EQ(read_response(huge).status, 503);
    Client endless(blocked.model.port);
    endless.send("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    EXPECT_EQ(read_response(endless).status, 503);
    blocked.sluice.open(1);
    EXPECT_EQ(read_response(busy).body, "done");
    EXPECT_EQ(blocked.journal.count(HC_EV_REQUEST), 1U);
}

/// Clients of every kind, one after the other, on connections that were made before.
class Crowd {
public:
    Crowd(std::uint16_t port, unsigned seed, int size) : random_(seed) {
        for (int i = 0; i < size; ++i) clients_.emplace_back(port);
    }
    void run() {
        for (Client& client : clients_) {
            visit(client);
            client.close();
        }
    }

private:
    unsigned pick(std::size_t n) { return static_cast<unsigned>(random_() % n); }
    std::string text() {
        static const std::string head =
            "POST /x HTTP/1.1\r\nHost: test\r\nContent-Length: 3000\r\n";
        static const std::string body(3'000, 'b');
        switch (pick(6)) {
        case 0: return request("/a");
        case 1: return request("/a") + request("/b") + request("/c");
        case 2: return head + "\r\n" + body;
        case 3: return head + "Expect: 100-continue\r\n\r\n" + body;
        case 4: return head + "\r\n" + body + request("/z");
        default:
            return "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "3\r\nbbb\r\n4\r\nbbbb\r\n0\r\nX: y\r\n\r\n";
        }
    }
    void visit(Client& client) {
        std::string all = text();
        const bool half = pick(3) == 0;
        if (half) all.resize(pick(all.size()));
        for (std::size_t at = 0; at < all.size();) {
            const std::size_t n = 1 + pick(2'000);
            client.send(std::string_view(all).substr(at, n));
            at += n;
        }
        switch (pick(4)) {
        case 0: client.reset(); break;
        case 1: client.end_sending(); break;
        case 2:
            if (!half) (void)client.read_until("\r\n\r\n");
            break;
        default: break;
        }
    }

    std::vector<Client> clients_;
    std::minstd_rand random_;
};

/// A function that answers, refuses and lets go, and counts what is told in a wrong order.
class Bookkeeper {
public:
    void operator()(const hc_event& event) {
        note(event);
        switch (event.type) {
        case HC_EV_REQUEST:
            if ((event.flags & HC_EVF_END) != 0) return finish(event.obj, 200);
            hc_recv(event.obj, event.obj % 2 == 0 ? UINT64_MAX : 500);
            break;
        case HC_EV_BODY:
            if (bytes_of(event).find_first_not_of('b') != std::string_view::npos) ++wrong_;
            if (event.obj % 7 == 0) return finish(event.obj, 413);
            hc_recv(event.obj, 500);
            break;
        case HC_EV_BODY_END: finish(event.obj, 200); break;
        case HC_EV_CLOSED:
            forget(event.obj);
            hc_release(event.obj);
            break;
        default: break;
        }
    }
    int wrong() const { return wrong_; }
    std::size_t live() {
        const std::lock_guard lock(mutex_);
        return live_.size();
    }

private:
    void note(const hc_event& event) {
        const std::lock_guard lock(mutex_);
        const bool known = live_.contains(event.obj);
        if (known == (event.type == HC_EV_REQUEST)) ++wrong_;
        live_.insert(event.obj);
    }
    void release(hc_exchange exchange) {
        if (hc_release(exchange) == HC_OK) forget(exchange);
    }
    /// While the runtime ends, neither may succeed: then the end is still to be told.
    void finish(hc_exchange exchange, int status) {
        if (answer(exchange, std::string(5'000, 'a'), status) == HC_OK) {
            forget(exchange);
        } else {
            release(exchange);
        }
    }
    void forget(hc_exchange exchange) {
        const std::lock_guard lock(mutex_);
        live_.erase(exchange);
    }

    std::mutex mutex_;
    std::set<hc_exchange> live_;
    std::atomic<int> wrong_{0};
};

/// While nothing else happens, during a drain, and during a stop.
TEST(Models, EveryExchangeEndsOnceWhateverClientsDo) {
    for (const std::uint32_t end : {0U, HC_EV_DRAINED, HC_EV_STOPPED}) {
        Bookkeeper books;
        Model model("hybrid",
                    {{"server.pool_threads", "3"},
                     {"server.pool_queue_max", "4"},
                     {"runtime.workers", "2"}},
                    {{"*", [&](const hc_event& event) { books(event); }, HC_INLINE_BLOCKING}});
        std::deque<Crowd> crowds;
        for (unsigned i = 0; i < 4; ++i) crowds.emplace_back(model.port, i + 1, 60);
        std::vector<std::thread> clients;
        for (Crowd& crowd : crowds) clients.emplace_back([&] { crowd.run(); });
        if (end == HC_EV_DRAINED) {
            hc_server_drain(model.server, model.queue, 20'000'000'000, 20'000'000'000, 1);
        }
        if (end == HC_EV_STOPPED) hc_runtime_stop(model.runtime, model.queue, 1);
        if (end != 0) {
            EXPECT_EQ(model.next(std::chrono::nanoseconds(patience).count()).type, end);
        }
        for (std::thread& client : clients) client.join();
        for (const char* count :
             {"requests_active", "pool_busy", "pool_queued", "connections_open"}) {
            if (end != HC_EV_STOPPED) EXPECT_TRUE(model.reaches(count, 0)) << count;
        }
        model.stop();
        EXPECT_EQ(hc_runtime_join(model.runtime, -1), HC_OK);
        EXPECT_EQ(books.wrong(), 0);
        EXPECT_EQ(books.live(), 0U);
    }
}

} // namespace
} // namespace capi_test
