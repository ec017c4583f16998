// Promises that show when a worker is busy, a queue sleeps, or a server or queue is given up.
#include "tests/capi/promises.hpp"

#include <poll.h>

namespace capi_test {
namespace {

/// One worker, which an inline callback for /busy holds up; /asked is answered from elsewhere.
class BusyWorker : public testing::Test {
protected:
    BusyWorker()
        : program_(Delivery::inline_worker,
                   [this](const hc_event& event) {
                       journal_.add(event);
                       if (event.type == HC_EV_REQUEST && event.n == 1) gate_.wait();
                       if (event.type == HC_EV_REQUEST && event.n == 1) answer(event.obj, "free");
                       if (event.type == HC_EV_CLOSED) hc_release(event.obj);
                   },
                   {.config = {{"limits.write_high_watermark_bytes", "100000"},
                               {"limits.write_low_watermark_bytes", "20000"}},
                    .workers = 1,
                    .inflight_max = 0,
                    .routes = {{"", "/asked"}, {"", "/busy"}}}),
          asked_(program_.port()), busy_(program_.port()) {
        asked_.send(request("/asked"));
        EXPECT_TRUE(journal_.wait_for(HC_EV_REQUEST));
        exchange_ = journal_.last(HC_EV_REQUEST).obj;
        busy_.send(request("/busy"));
        EXPECT_TRUE(gate_.reached());
    }
    ~BusyWorker() override { gate_.open(); }

    Journal journal_;
    Gate gate_;
    Program program_;
    Client asked_;
    Client busy_;
    hc_exchange exchange_ = 0;
};

TEST_F(BusyWorker, FindsCopiesOfAllBytesAndTheCallsInTheirOrder) {
    std::string field = "x-field";
    std::string value = "of the head";
    std::string begin = "begins ";
    std::string middle = "goes on ";
    hc_header header{{field.data(), field.size()}, {value.data(), value.size()}, 0, 0};
    EXPECT_EQ(hc_respond(exchange_, 200, &header, 1, begin.data(), begin.size(), 0, 0), HC_OK);
    EXPECT_EQ(hc_send(exchange_, middle.data(), middle.size(), 0, 0), HC_OK);
    std::string trailer = "x-trailer";
    header.name = {trailer.data(), trailer.size()};
    EXPECT_EQ(hc_finish(exchange_, &header, 1), HC_OK);
    for (std::string* text : {&field, &value, &begin, &middle, &trailer}) {
        text->assign(text->size(), '#');
    }
    gate_.open();
    const Response response = read_response(asked_);
    EXPECT_EQ(response.body, "begins goes on ");
    EXPECT_EQ(response.fields.count("x-field"), 1U);
    EXPECT_EQ(response.fields.at("x-field"), "of the head");
    EXPECT_EQ(response.trailers.count("x-trailer"), 1U);
}

TEST_F(BusyWorker, TakesOnlyUpToTheWatermarkFromOtherThreads) {
    const std::string chunk(10'000, 'c');
    ASSERT_EQ(hc_respond(exchange_, 200, nullptr, 0, nullptr, 0, 0, 0), HC_OK);
    int taken = 0;
    hc_status status = HC_OK;
    while (taken < 1'000) {
        status = hc_send(exchange_, chunk.data(), chunk.size(), 0, 0);
        if (status != HC_OK) break;
        ++taken;
    }
    EXPECT_EQ(status, HC_E_AGAIN);
    EXPECT_EQ(taken, 10); // the tenth reaches the mark
    EXPECT_EQ(hc_send(exchange_, "x", 1, 0, 0), HC_E_AGAIN);
    gate_.open();
    ASSERT_TRUE(journal_.wait_for(HC_EV_WRITABLE));
    for (int i = 0; i < 3; ++i) { // what is taken and written needs no report
        EXPECT_EQ(hc_send(exchange_, "x", 1, 0, 0), HC_OK);
        EXPECT_EQ(get(program_.port(), "/busy").body, "free");
    }
    EXPECT_EQ(hc_finish(exchange_, nullptr, 0), HC_OK);
    EXPECT_EQ(read_response(asked_).body.size(), 10U * chunk.size() + 3);
    ASSERT_TRUE(journal_.wait_for(HC_EV_CLOSED));
    program_.stop();
    EXPECT_EQ(journal_.count(HC_EV_WRITABLE), 1U); // the two refusals shared it
}

TEST_F(BusyWorker, GivesLentBytesBackThoughItsLastPassWritesThem) {
    const std::string lent(1'000, 'l');
    EXPECT_EQ(hc_respond(exchange_, 200, nullptr, 0, lent.data(), lent.size(),
                         HC_NOCOPY | HC_FIN | HC_RELEASE, 7),
              HC_OK);
    EXPECT_EQ(hc_runtime_stop(program_.runtime(), program_.queue(), 0), HC_OK);
    gate_.open(); // the pass that goes on takes both in
    EXPECT_EQ(read_response(asked_).body, lent);
    program_.stop();
    EXPECT_EQ(journal_.count(HC_EV_SENT), 1U);
    EXPECT_EQ(journal_.last(HC_EV_SENT).token, 7U);
}

/// An inline handler that lends a large answer to a peer that reads none of it.
struct LastSent {
    const std::string lent = std::string(30'000'000, 'l');
    std::atomic<int> requests{0};
    std::atomic<int> sent{0};
    std::atomic<int> sent_at_drop{-1};

    static void on_event(void* self, const hc_event* event) {
        auto& it = *static_cast<LastSent*>(self);
        if (event->type == HC_EV_SENT) ++it.sent;
        if (event->type != HC_EV_REQUEST) return;
        EXPECT_EQ(hc_respond(event->obj, 200, nullptr, 0, it.lent.data(), it.lent.size(),
                             HC_NOCOPY | HC_FIN | HC_RELEASE, 1),
                  HC_OK);
        ++it.requests;
    }
    static void on_drop(void* self) {
        auto& it = *static_cast<LastSent*>(self);
        it.sent_at_drop = it.sent.load();
    }
};

TEST(Promises, DropComesAfterTheLastSent) {
    LastSent state;
    const Config config(Pairs{{"listen.address", "127.0.0.1:0"}});
    hc_runtime* runtime = nullptr;
    ASSERT_EQ(hc_runtime_create(config.get(), &runtime, nullptr), HC_OK);
    hc_server* server = nullptr;
    ASSERT_EQ(hc_server_create(runtime, config.get(), &server, nullptr), HC_OK);
    ASSERT_EQ(hc_server_route(server, nullptr, "*", 0, nullptr), HC_OK);
    const hc_inline handler{sizeof handler, &LastSent::on_event, &state, &LastSent::on_drop};
    ASSERT_EQ(hc_server_bind_inline(server, 0, &handler), HC_OK);
    const std::uint16_t port = listen_on(server, config);
    ASSERT_EQ(hc_runtime_start(runtime), HC_OK);
    Client client(port, 16'384);
    client.send(request("/"));
    EXPECT_TRUE(eventually([&] { return state.requests == 1; }));
    EXPECT_EQ(state.sent, 0);
    // The bytes come back when the runtime ends, and with them the last event.
    EXPECT_EQ(hc_server_release(server), HC_OK);
    EXPECT_EQ(hc_runtime_release(runtime), HC_OK);
    EXPECT_TRUE(eventually([&] { return state.sent_at_drop != -1; }));
    EXPECT_EQ(state.sent_at_drop, 1);
    EXPECT_EQ(state.sent, 1);
}

/// Two servers on one worker: the first holds it up, the second is given up meanwhile.
TEST(Promises, DropComesAfterTheSentOfACallThatCameTooLate) {
    struct Second {
        std::atomic<hc_exchange> exchange{0};
        std::atomic<int> sent{0};
        std::atomic<int> sent_at_drop{-1};
        static void on_event(void* self, const hc_event* event) {
            auto& it = *static_cast<Second*>(self);
            if (event->type == HC_EV_REQUEST) it.exchange = event->obj;
            if (event->type == HC_EV_CLOSED) EXPECT_EQ(hc_release(event->obj), HC_OK);
            if (event->type != HC_EV_SENT) return;
            EXPECT_EQ(event->status, HC_E_CLOSED);
            ++it.sent;
        }
        static void on_drop(void* self) {
            auto& it = *static_cast<Second*>(self);
            it.sent_at_drop = it.sent.load();
        }
    } second;
    const std::string lent(100'000, 'l');
    Gate gate;
    Program first(Delivery::inline_worker, [&](const hc_event& event) {
        if (event.type != HC_EV_REQUEST) return;
        gate.wait();
        answer(event.obj, "free");
    });
    const Config config(Pairs{{"listen.address", "127.0.0.1:0"}});
    hc_server* server = nullptr;
    ASSERT_EQ(hc_server_create(first.runtime(), config.get(), &server, nullptr), HC_OK);
    ASSERT_EQ(hc_server_route(server, nullptr, "*", 0, nullptr), HC_OK);
    const hc_inline handler{sizeof handler, &Second::on_event, &second, &Second::on_drop};
    ASSERT_EQ(hc_server_bind_inline(server, 0, &handler), HC_OK);
    Client asked(listen_on(server, config));
    asked.send(request("/"));
    EXPECT_TRUE(eventually([&] { return second.exchange != 0; }));
    Client busy(first.port());
    busy.send(request("/"));
    ASSERT_TRUE(gate.reached());
    EXPECT_EQ(hc_server_release(server), HC_OK);
    // The worker has not heard of it: the bytes are taken, and never used.
    EXPECT_EQ(hc_respond(second.exchange, 200, nullptr, 0, lent.data(), lent.size(),
                         HC_NOCOPY | HC_FIN, 1),
              HC_OK);
    gate.open();
    EXPECT_EQ(read_response(busy).body, "free");
    EXPECT_TRUE(eventually([&] { return second.sent_at_drop != -1; }));
    EXPECT_EQ(second.sent_at_drop, 1);
    first.stop();
    EXPECT_EQ(second.sent, 1);
}

/// Requests that reached a queue: one polled, one taken with it and not polled, one not taken.
TEST(Promises, RequestsThatWaitInAReleasedQueueAreAnswered503) {
    Program other(Delivery::inline_worker, [](const hc_event& event) {
        if (event.type == HC_EV_REQUEST) answer(event.obj, "other");
    });
    const Config config(Pairs{{"listen.address", "127.0.0.1:0"}});
    hc_queue* queue = nullptr;
    ASSERT_EQ(hc_queue_create(other.runtime(), 0, &queue), HC_OK);
    hc_server* server = nullptr;
    ASSERT_EQ(hc_server_create(other.runtime(), config.get(), &server, nullptr), HC_OK);
    ASSERT_EQ(hc_server_route(server, nullptr, "*", 0, nullptr), HC_OK);
    ASSERT_EQ(hc_server_bind_queue(server, 0, queue), HC_OK);
    const std::uint16_t port = listen_on(server, config);
    std::uint64_t requests = 0;
    const auto ask = [&] {
        Client client(port);
        client.send(request("/"));
        ++requests;
        EXPECT_TRUE(
            eventually([&] { return metric(other.runtime(), "requests_total") == requests; }));
        // The pass in which it came is over, and it is in the queue, when another is.
        for (int i = 0; i < 2; ++i) EXPECT_EQ(get(other.port()).body, "other");
        requests += 2;
        return client;
    };
    Client polled = ask();
    Client taken = ask();
    hc_event event{};
    std::uint32_t n = 0;
    ASSERT_EQ(hc_queue_poll(queue, &event, 1, 0, &n), HC_OK);
    ASSERT_EQ(n, 1U);
    Client waiting = ask();
    EXPECT_EQ(hc_queue_release(queue), HC_OK);
    EXPECT_EQ(read_response(taken).status, 503);
    EXPECT_EQ(read_response(waiting).status, 503);
    EXPECT_EQ(answer(event.obj, "mine"), HC_OK);
    EXPECT_EQ(read_response(polled).body, "mine");
    EXPECT_EQ(hc_server_release(server), HC_OK);
}

/// In one pass of the worker: a request for a queue, then a callback during which the queue goes.
TEST(Promises, ARequestOnItsWayToAReleasedQueueIsAnswered503) {
    Gate gates[2];
    int held = 0; // the worker's
    Program other(
        Delivery::inline_worker,
        [&](const hc_event& event) {
            if (event.type != HC_EV_REQUEST) return;
            if (event.n == 1) gates[held++].wait();
            answer(event.obj, "other");
        },
        {.config = {}, .workers = 1, .inflight_max = 0, .routes = {{"", "/quick"}, {"", "/busy"}}});
    const Config config(Pairs{{"listen.address", "127.0.0.1:0"}});
    hc_queue* queue = nullptr;
    ASSERT_EQ(hc_queue_create(other.runtime(), 0, &queue), HC_OK);
    hc_server* server = nullptr;
    ASSERT_EQ(hc_server_create(other.runtime(), config.get(), &server, nullptr), HC_OK);
    ASSERT_EQ(hc_server_route(server, nullptr, "*", 0, nullptr), HC_OK);
    ASSERT_EQ(hc_server_bind_queue(server, 0, queue), HC_OK);
    Client waiting(listen_on(server, config));
    Client first(other.port());
    Client second(other.port());
    // All are accepted and known to the worker before it is held up.
    waiting.send(request("/"));
    hc_event event{};
    std::uint32_t n = 0;
    ASSERT_EQ(hc_queue_poll(queue, &event, 1, -1, &n), HC_OK);
    EXPECT_EQ(answer(event.obj, "polled"), HC_OK);
    EXPECT_EQ(read_response(waiting).body, "polled");
    second.send(request("/quick"));
    EXPECT_EQ(read_response(second).body, "other");
    first.send(request("/busy"));
    ASSERT_TRUE(gates[0].reached());
    waiting.send(request("/")); // both are ready when the worker looks again, in this order
    second.send(request("/busy"));
    gates[0].open();
    ASSERT_TRUE(gates[1].reached());
    EXPECT_EQ(hc_queue_release(queue), HC_OK);
    gates[1].open();
    EXPECT_EQ(read_response(waiting).status, 503);
    EXPECT_EQ(hc_server_release(server), HC_OK);
}

TEST(Promises, AnArmedQueueWakesOnceUntilItIsArmedAgain) {
    hc_runtime* runtime = nullptr;
    ASSERT_EQ(hc_runtime_create(nullptr, &runtime, nullptr), HC_OK);
    hc_queue* queue = nullptr;
    ASSERT_EQ(hc_queue_create(runtime, 0, &queue), HC_OK);
    int woken = 0;
    ASSERT_EQ(hc_queue_set_wakeup(
                  queue, [](void* n) { ++*static_cast<int*>(n); }, &woken, nullptr),
              HC_OK);
    const auto wake_and_poll = [queue] {
        hc_event event{};
        std::uint32_t n = 0;
        EXPECT_EQ(hc_queue_wake(queue), HC_OK); // on this thread, and so is the function
        EXPECT_EQ(hc_queue_poll(queue, &event, 1, 0, &n), HC_OK);
        EXPECT_EQ(n, 1U);
    };
    wake_and_poll();
    EXPECT_EQ(woken, 0);
    ASSERT_EQ(hc_queue_arm(queue), HC_OK);
    wake_and_poll();
    EXPECT_EQ(woken, 1);
    wake_and_poll();
    EXPECT_EQ(woken, 1);
    ASSERT_EQ(hc_queue_arm(queue), HC_OK);
    wake_and_poll();
    EXPECT_EQ(woken, 2);
    hc_queue_release(queue);
    hc_runtime_release(runtime);
}

TEST(Promises, ArmAndDescriptorKnowWhatWasTakenAndNotPolled) {
    hc_runtime* runtime = nullptr;
    ASSERT_EQ(hc_runtime_create(nullptr, &runtime, nullptr), HC_OK);
    hc_queue* queue = nullptr;
    ASSERT_EQ(hc_queue_create(runtime, 0, &queue), HC_OK);
    ASSERT_EQ(hc_runtime_start(runtime), HC_OK);
    const auto fd = static_cast<int>(hc_queue_fd(queue));
    const auto readable = [fd](std::chrono::milliseconds wait) {
        pollfd one{fd, POLLIN, 0};
        return ::poll(&one, 1, static_cast<int>(wait.count())) > 0;
    };
    hc_event event{};
    std::uint32_t n = 0;
    ASSERT_EQ(hc_queue_arm(queue), HC_OK);
    ASSERT_EQ(hc_timer(queue, 0, 0, nullptr), HC_OK);
    ASSERT_TRUE(readable(patience));
    ASSERT_EQ(hc_queue_wake(queue), HC_OK);
    ASSERT_EQ(hc_queue_poll(queue, &event, 1, 0, &n), HC_OK); // takes both, gives one
    ASSERT_EQ(n, 1U);
    EXPECT_TRUE(readable(0ms));
    EXPECT_EQ(hc_queue_arm(queue), HC_E_AGAIN);
    ASSERT_EQ(hc_queue_poll(queue, &event, 1, 0, &n), HC_OK);
    ASSERT_EQ(n, 1U);
    EXPECT_FALSE(readable(0ms));
    EXPECT_EQ(hc_queue_arm(queue), HC_OK);
    hc_queue_release(queue);
    hc_runtime_release(runtime);
}

} // namespace
} // namespace capi_test
