// Server push through the C interface, with a client that counts frames and decodes none.
#include "tests/capi/support.hpp"

#include <string>

namespace capi_test {
namespace {

std::string frame(char type, char flags, char stream, const std::string& payload) {
    const auto size = payload.size();
    return std::string{static_cast<char>(size >> 16),
                       static_cast<char>(size >> 8),
                       static_cast<char>(size),
                       type,
                       flags,
                       0,
                       0,
                       0,
                       stream} +
           payload;
}

/// A client's preface, SETTINGS that allow promises or do not, and GET / on stream 1.
std::string hello(bool push) {
    const std::string enable_push{0, 2, 0, 0, 0, static_cast<char>(push)};
    // Of HPACK's table: :method GET, :scheme http, :path /; then a literal :authority.
    const std::string block = std::string("\x82\x86\x84\x41\x01") + "x";
    return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, enable_push) + frame(1, 5, 1, block);
}

struct Frames {
    int promises = 0;
    int ended = 0; // streams
    std::string bodies;
};

/// Reads until `streams` of them have ended, or the connection has.
Frames read_frames(Client& client, int streams) {
    Frames got;
    while (got.ended < streams) {
        const std::string head = client.read(9);
        if (head.size() < 9) break;
        const auto byte = [&head](std::size_t i) { return static_cast<unsigned char>(head[i]); };
        const std::size_t size = std::size_t{byte(0)} << 16 | byte(1) << 8 | byte(2);
        const std::string payload = size > 0 ? client.read(size) : "";
        if (byte(3) == 5) ++got.promises;
        if (byte(3) == 0) got.bodies += payload + ";";
        if (byte(3) < 2 && (byte(4) & 1) != 0) ++got.ended;
    }
    return got;
}

hc_status push(hc_exchange exchange, const std::string& path, const std::string& name = "accept",
               std::int32_t method = HC_METHOD_GET) {
    const hc_header field{{name.data(), name.size()}, {"*/*", 3}, 0, 0};
    return hc_push(exchange, method, path.data(), path.size(), &field, 1);
}

class PushOf : public testing::TestWithParam<Delivery> {};

TEST_P(PushOf, PromisedRequestsComeLikeOthers) {
    Program program(GetParam(), [](const hc_event& event) {
        if (event.type != HC_EV_REQUEST) return;
        const hc_head* head = nullptr;
        ASSERT_EQ(hc_head_get(event.obj, &head), HC_OK);
        if (text(head->path) == "/") {
            EXPECT_EQ(head->flags & HC_HEADF_PUSHED, 0U);
            EXPECT_EQ(push(event.obj, "/pushed?q"), HC_OK);
            answer(event.obj, "asked");
            return;
        }
        EXPECT_EQ(head->flags & HC_HEADF_PUSHED, HC_HEADF_PUSHED);
        EXPECT_EQ(text(head->target), "/pushed?q");
        EXPECT_EQ(text(head->authority), "x");
        EXPECT_EQ(head->nheaders, 1U);
        EXPECT_EQ(event.flags & HC_EVF_END, HC_EVF_END);
        EXPECT_EQ(event.aux[0], HC_METHOD_GET);
        EXPECT_EQ(push(event.obj, "/again"), is_elsewhere(GetParam()) ? HC_OK : HC_E_STATE);
        answer(event.obj, "pushed");
    });
    Client client(program.port());
    client.send(hello(true));
    const Frames got = read_frames(client, 2);
    EXPECT_EQ(got.promises, 1);
    // On a pool, two threads answer at the same time.
    const bool pool = GetParam() == Delivery::pool || GetParam() == Delivery::driven_pool;
    const bool swapped = pool && got.bodies == "pushed;asked;";
    EXPECT_EQ(swapped ? "asked;pushed;" : got.bodies, "asked;pushed;");
    program.settle();
}

TEST_P(PushOf, WhoWantsNoneGetsNone) {
    Program program(GetParam(), [](const hc_event& event) {
        if (event.type != HC_EV_REQUEST) return;
        EXPECT_EQ(push(event.obj, "/pushed"), is_elsewhere(GetParam()) ? HC_OK : HC_E_UNSUPPORTED);
        EXPECT_EQ(push(event.obj, "pushed"), HC_E_INVALID);
        EXPECT_EQ(push(event.obj, "/a", "host"), HC_E_INVALID);
        EXPECT_EQ(push(event.obj, "/a", ":path"), HC_E_INVALID);
        EXPECT_EQ(push(event.obj, "/a", "accept", HC_METHOD_POST), HC_E_INVALID);
        EXPECT_EQ(push(event.obj, "/" + std::string(10'000, 'a')), HC_E_LIMIT);
        EXPECT_EQ(hc_push(event.obj, HC_METHOD_GET, nullptr, 0, nullptr, 0), HC_E_INVALID);
        EXPECT_EQ(hc_push(event.obj, HC_METHOD_GET, "/", 1, nullptr, 1), HC_E_INVALID);
        answer(event.obj, "asked");
    });
    Client client(program.port());
    client.send(hello(false));
    const Frames got = read_frames(client, 1);
    EXPECT_EQ(got.promises, 0);
    EXPECT_EQ(got.bodies, "asked;") << "the exchange went on";
    program.settle();
}

TEST_P(PushOf, Http1HasNone) {
    Program program(GetParam(), [](const hc_event& event) {
        if (event.type != HC_EV_REQUEST) return;
        EXPECT_EQ(push(event.obj, "/pushed"), HC_E_UNSUPPORTED);
        answer(event.obj, "asked");
    });
    EXPECT_EQ(get(program.port()).body, "asked");
    program.settle();
}

INSTANTIATE_TEST_SUITE_P(Deliveries, PushOf, every_delivery,
                         [](const auto& one) { return name_of(one.param); });

TEST(Push, AnIdThatIsNoneIsGone) { EXPECT_EQ(push(12345, "/"), HC_E_GONE); }

} // namespace
} // namespace capi_test
