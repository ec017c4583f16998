// Servers that end while HTTP/2 connections are there.
#include "tests/capi/support.hpp"

#include <string>

namespace capi_test {
namespace {

using namespace std::literals;

/// A preface, empty SETTINGS, and POST / on stream 1 whose body is yet to come.
const std::string upload =
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\6\1\4\0\0\0\1\x83\x86\x84\x41\1x"s;

TEST(H2Life, AServerEndsWithAStreamThatIsAnsweredAndStillOpen) {
    const Config config(Pairs{{"runtime.workers", "1"}, {"listen.address", "127.0.0.1:0"}});
    hc_runtime* runtime = nullptr;
    ASSERT_EQ(hc_runtime_create(config.get(), &runtime, nullptr), HC_OK);
    hc_server* server = nullptr;
    ASSERT_EQ(hc_server_create(runtime, config.get(), &server, nullptr), HC_OK);
    ASSERT_EQ(hc_server_route(server, nullptr, "/", 0, nullptr), HC_OK);
    hc_inline handler{};
    handler.size = sizeof handler;
    handler.on_event = [](void*, const hc_event* event) {
        if (event->type != HC_EV_REQUEST) return;
        hc_respond(event->obj, 200, nullptr, 0, "answered", 8, HC_FIN | HC_RELEASE, 0);
    };
    ASSERT_EQ(hc_server_bind_inline(server, 0, &handler), HC_OK);
    ASSERT_EQ(hc_server_listen(server, config.get(), nullptr), HC_OK);
    char address[64];
    ASSERT_EQ(hc_server_address(server, 0, address, sizeof address, nullptr), HC_OK);
    ASSERT_EQ(hc_runtime_start(runtime), HC_OK);
    const std::string where = address;
    Client client(static_cast<std::uint16_t>(std::stoi(where.substr(where.rfind(':') + 1))));
    client.send(upload);
    client.read_until("answered");
    EXPECT_EQ(hc_server_release(server), HC_OK);
    client.read_to_end(); // reset
    EXPECT_EQ(hc_runtime_stop(runtime, nullptr, 0), HC_OK);
    EXPECT_EQ(hc_runtime_join(runtime, 20'000'000'000), HC_OK);
    EXPECT_EQ(hc_runtime_release(runtime), HC_OK);
}

} // namespace
} // namespace capi_test
