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

} // namespace
} // namespace capi_test
