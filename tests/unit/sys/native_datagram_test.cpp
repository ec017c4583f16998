// What only real UDP sockets have: options, and the kernel's offloads with what becomes of trains
// where it refuses them.
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/sys/sys.hpp"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

namespace hc::sys {
namespace {

int fd_of(Socket socket) { return static_cast<int>(socket); }

int option(Socket socket, int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(fd_of(socket), level, name, &value, &size) == 0 ? value : -1;
}

class NativeDatagrams : public testing::Test {
protected:
    void TearDown() override {
        for (const Socket socket : open_) sockets().close(socket);
    }
    Sockets& sockets() { return native().sockets(); }
    Socket bind(const UdpOptions& options = {}) {
        open_.push_back(*sockets().bind_udp(*Address::parse("127.0.0.1:0"), options));
        return open_.back();
    }
    /// What one recv_udp gives: the sizes of the messages.
    std::vector<DatagramsIn> receive(Socket socket, std::size_t messages) {
        memory_.assign(messages, std::string(64 * 1024, '\0'));
        std::vector<DatagramsIn> out;
        for (std::string& each : memory_) out.push_back({.into = each});
        pollfd ready{fd_of(socket), POLLIN, 0};
        EXPECT_EQ(::poll(&ready, 1, 10'000), 1);
        out.resize(sockets().recv_udp(socket, out).bytes);
        return out;
    }

private:
    std::vector<Socket> open_;
    std::vector<std::string> memory_;
};

TEST_F(NativeDatagrams, DescriptorsAndOptions) {
    const Socket plain = bind();
    EXPECT_EQ(option(plain, SOL_SOCKET, SO_REUSEPORT), 0);
    const int before = option(plain, SOL_SOCKET, SO_RCVBUF);
    const Socket special = bind({.reuse_port = true,
                                 .dont_fragment = true,
                                 .receive_buffer_bytes = 16 * 1024,
                                 .send_buffer_bytes = 16 * 1024});
    EXPECT_EQ(option(special, SOL_SOCKET, SO_REUSEPORT), 1);
    EXPECT_EQ(option(special, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_PROBE);
    EXPECT_LT(option(special, SOL_SOCKET, SO_RCVBUF), before);
}

TEST_F(NativeDatagrams, TheKernelCarriesATrainAsOne) {
    const Socket from = bind();
    const Socket to = bind({.coalesce = true});
    if (option(from, SOL_UDP, UDP_SEGMENT) < 0) GTEST_SKIP() << "this kernel does not";
    const Address at = *sockets().local_address(to);
    const std::string train(10 * 1200 + 7, 'x');
    DatagramsOut message{.bytes = train, .to = &at, .segment_bytes = 1200};
    ASSERT_EQ(sockets().send_udp(from, {&message, 1}).bytes, 1U);
    const std::vector<DatagramsIn> got = receive(to, 4);
    ASSERT_EQ(got.size(), 1U);
    EXPECT_EQ(got[0].bytes, train.size());
    EXPECT_EQ(got[0].segment_bytes, 1200U);
}

TEST_F(NativeDatagrams, ATrainThatTheKernelRefusesGoesOneByOne) {
    const Socket from = bind();
    const Socket to = bind();
    // It does not cut a train whose datagrams are to have no checksum.
    const int on = 1;
    ASSERT_EQ(::setsockopt(fd_of(from), SOL_SOCKET, SO_NO_CHECK, &on, sizeof on), 0);
    const Address at = *sockets().local_address(to);
    const std::string train(4 * 100 + 7, 'x');
    std::vector<DatagramsOut> messages{{.bytes = "first", .to = &at},
                                       {.bytes = train, .to = &at, .segment_bytes = 100},
                                       {.bytes = "last", .to = &at}};
    const Io io = sockets().send_udp(from, messages);
    ASSERT_TRUE(io.ok()) << io.code;
    EXPECT_EQ(io.bytes, 3U);
    const std::vector<DatagramsIn> got = receive(to, 10);
    ASSERT_EQ(got.size(), 7U);
    EXPECT_EQ(got[0].bytes, 5U);
    for (std::size_t i = 1; i < 5; ++i) EXPECT_EQ(got[i].bytes, 100U);
    EXPECT_EQ(got[5].bytes, 7U);
    EXPECT_EQ(got[6].bytes, 4U);
}

TEST_F(NativeDatagrams, AnErrorBehindARefusedTrainIsReported) {
    const Socket from = bind();
    const Socket to = bind();
    const Address at = *sockets().local_address(to);
    // Its datagrams are too long by themselves as well: that is no reason to try for ever.
    const std::string train(3 * 65'520, 'x');
    DatagramsOut message{.bytes = train, .to = &at, .segment_bytes = 65'520};
    const Io io = sockets().send_udp(from, {&message, 1});
    EXPECT_EQ(io.status, Io::Status::failed);
    EXPECT_EQ(io.code, EMSGSIZE);
    EXPECT_EQ(message.bytes.size(), train.size()) << "nothing was taken";
}

} // namespace
} // namespace hc::sys
