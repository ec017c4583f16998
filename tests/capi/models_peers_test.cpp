// What clients may do to a server whose functions run on the pool while it is full.
#include "tests/capi/models.hpp"

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

} // namespace
} // namespace capi_test
