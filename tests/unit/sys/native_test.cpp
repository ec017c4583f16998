// What only real systems have: descriptors, options, modes, signals.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "core/sys/process.hpp"
#include "core/sys/sys.hpp"
#include "tests/support/backend.hpp"
#include "tests/unit/sys/native_systems.hpp"

namespace hc::sys {
namespace {

using namespace std::chrono_literals;

int fd_of(Socket socket) { return static_cast<int>(socket); }

int option(Socket socket, int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(fd_of(socket), level, name, &value, &size) == 0 ? value : -1;
}

class Native : public testing::TestWithParam<test::NativeCase> {
protected:
    void SetUp() override {
        if (!GetParam().absent.empty()) GTEST_SKIP() << GetParam().absent;
        selector_ = make_selector();
    }
    static System& system() { return *GetParam().system; }
    static std::unique_ptr<Selector> make_selector() {
        auto made = system().make_selector();
        EXPECT_TRUE(made) << made.error().message;
        return std::move(*made);
    }
    bool is_readable(Duration patience) {
        pollfd handle{
            .fd = static_cast<int>(selector_->native_handle()), .events = POLLIN, .revents = 0};
        return ::poll(&handle, 1, static_cast<int>(patience / 1ms)) == 1;
    }
    struct Trio {
        Socket listener, client, server;
        ~Trio() {
            for (const Socket each : {listener, client, server}) sockets().close(each);
        }
    };
    static Trio make_trio() {
        const Socket listener = sockets().listen(*Address::parse("127.0.0.1:0"), {}).value();
        const Socket client = sockets().connect(sockets().local_address(listener).value()).value();
        Accepted accepted;
        while (sockets().accept(listener, accepted).status == Io::Status::would_block) {}
        return {listener, client, accepted.socket};
    }
    static Sockets& sockets() { return system().sockets(); }
    std::size_t turn() {
        Events<8> events;
        return selector_->select(events, Duration::zero()).value();
    }

    std::unique_ptr<Selector> selector_;
};

/// Those that a host may watch.
class NativeHandle : public Native {};

TEST(NativeChoice, IsEpollUnlessAskedAndAlwaysTheSame) {
    EXPECT_EQ(native().name(), "epoll");
    EXPECT_EQ(&native(), &native());
    EXPECT_EQ(native(Backend::automatic).value(), &native());
    EXPECT_EQ(native(Backend::epoll, Loop::own).value(), &native());
}

TEST(NativeChoice, IoUringIsThereOrSaysWhyNot) {
    if (!hc::test::on_io_uring()) GTEST_SKIP() << "the other run of this program";
    for (const Loop loop : {Loop::host, Loop::own}) {
        const auto chosen = native(Backend::io_uring, loop);
        if (!chosen) {
            EXPECT_EQ(chosen.error().kind, ErrorKind::unsupported);
            EXPECT_NE(chosen.error().message.find("io_uring"), std::string::npos);
            continue;
        }
        EXPECT_EQ((*chosen)->name(), "io_uring");
        EXPECT_EQ(*chosen, native(Backend::io_uring, loop).value());
        const auto selector = (*chosen)->make_selector();
        ASSERT_TRUE(selector);
        EXPECT_EQ((*selector)->native_handle() >= 0, loop == Loop::host);
    }
}

TEST_P(NativeHandle, HandleIsReadableAfterAWake) {
    EXPECT_FALSE(is_readable(10ms));
    selector_->wake();
    EXPECT_TRUE(is_readable(0ms));
    EXPECT_TRUE(is_readable(0ms)) << "until select has taken it";
    EXPECT_EQ(turn(), 0U);
    EXPECT_FALSE(is_readable(10ms));
}

TEST_P(NativeHandle, HandleIsReadableWhenASocketIsReady) {
    const Trio trio = make_trio();
    ASSERT_TRUE(selector_->register_(trio.server, 1, Interest::read()));
    EXPECT_FALSE(is_readable(10ms));
    const ConstBuffer piece{"x", 1};
    ASSERT_TRUE(sockets().send(trio.client, {&piece, 1}).ok());
    EXPECT_TRUE(is_readable(10s));
    EXPECT_EQ(turn(), 1U);
    EXPECT_TRUE(is_readable(10s)) << "level-triggered, and nobody read";
    ASSERT_TRUE(selector_->deregister(trio.server));
}

TEST_P(NativeHandle, DeadlineMakesTheHandleReadableOnce) {
    for (int round = 0; round < 3; ++round) {
        const Instant at = system().clock().now() + 5ms;
        selector_->set_deadline(at);
        EXPECT_TRUE(is_readable(10s));
        EXPECT_GE(system().clock().now(), at);
        EXPECT_EQ(turn(), 0U);
        EXPECT_FALSE(is_readable(10ms));
    }
}

TEST_P(NativeHandle, DeadlineMovesAndIsTakenBack) {
    const Instant now = system().clock().now();
    selector_->set_deadline(now + 1h);
    EXPECT_FALSE(is_readable(10ms));
    selector_->set_deadline(now + 1ms); // earlier
    EXPECT_TRUE(is_readable(10s));
    turn();
    selector_->set_deadline(now + 1ms); // the same again, long past
    EXPECT_TRUE(is_readable(10s));
    turn();
    selector_->set_deadline(system().clock().now() + 20ms);
    selector_->set_deadline(Instant::never());
    EXPECT_FALSE(is_readable(50ms));
    selector_->set_deadline(Instant{0}); // before all time
    EXPECT_TRUE(is_readable(10s));
}

TEST_P(NativeHandle, DeadlineEndsAWaitingSelect) {
    selector_->set_deadline(system().clock().now() + 5ms);
    Events<1> events;
    const Instant before = system().clock().now();
    EXPECT_EQ(selector_->select(events, 10s).value(), 0U);
    EXPECT_LT(system().clock().now() - before, 10s);
}

TEST_P(Native, WakeEndsAWaitForEver) {
    // Each round a thread wakes the select of that round; a lost wake hangs the test.
    std::atomic<int> round{0};
    constexpr int rounds = 5'000;
    std::thread waker([&] {
        for (int seen = 0; seen < rounds; ++seen) {
            while (round.load() <= seen) std::this_thread::yield();
            selector_->wake();
        }
    });
    Events<1> events;
    for (int i = 0; i < rounds; ++i) {
        round.store(i + 1);
        ASSERT_TRUE(selector_->select(events, std::nullopt));
    }
    waker.join();
}

TEST_P(Native, WhatWasDoneBeforeAWakeIsSeenBehindIt) {
    // Two wakers whose wakes merge: neither's work may stay unseen.
    constexpr int rounds = 20'000;
    std::atomic<int> posted[2] = {0, 0};
    const auto post = [&](int which) {
        for (int i = 0; i < rounds; ++i) {
            posted[which].fetch_add(1, std::memory_order_relaxed);
            selector_->wake();
        }
    };
    std::thread first(post, 0);
    std::thread second(post, 1);
    Events<1> events;
    int seen = 0;
    while (seen < 2 * rounds) {
        const Instant before = system().clock().now();
        ASSERT_TRUE(selector_->select(events, 10s));
        ASSERT_LT(system().clock().now() - before, 10s) << "a wake was lost";
        seen = 0;
        for (const auto& each : posted) seen += each.load(std::memory_order_relaxed);
    }
    first.join();
    second.join();
}

TEST_P(Native, ASignalIsAnEmptyAnswer) {
    struct sigaction action{};
    struct sigaction old{};
    action.sa_handler = [](int) {};
    ASSERT_EQ(::sigaction(SIGUSR1, &action, &old), 0);
    const pthread_t waiting = ::pthread_self();
    std::atomic<bool> done{false};
    std::thread other([&] {
        while (!done.load()) {
            ::pthread_kill(waiting, SIGUSR1);
            std::this_thread::yield();
        }
    });
    Events<1> events;
    const Instant before = system().clock().now();
    const auto count = selector_->select(events, 30s);
    done.store(true);
    other.join();
    ::sigaction(SIGUSR1, &old, nullptr);
    ASSERT_TRUE(count);
    EXPECT_EQ(*count, 0U);
    EXPECT_LT(system().clock().now() - before, 30s);
}

TEST_P(Native, SocketsAreNonBlockingClosedOnExecAndPrompt) {
    const Trio trio = make_trio();
    for (const Socket each : {trio.listener, trio.client, trio.server}) {
        EXPECT_NE(::fcntl(fd_of(each), F_GETFL) & O_NONBLOCK, 0);
        EXPECT_NE(::fcntl(fd_of(each), F_GETFD) & FD_CLOEXEC, 0);
        EXPECT_EQ(option(each, IPPROTO_TCP, TCP_NODELAY), 1);
    }
    if (GetParam().loop != Loop::host) return;
    const int handle = static_cast<int>(selector_->native_handle());
    EXPECT_NE(::fcntl(handle, F_GETFD) & FD_CLOEXEC, 0);
}

TEST_P(Native, AdoptedListenersAreMadeTheSame) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_FALSE(sockets().adopt_listener(fd)) << "it does not listen";
    EXPECT_EQ(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0) << "and nothing was changed";
    ASSERT_EQ(::listen(fd, 5), 0);
    const Socket listener = sockets().adopt_listener(fd).value();
    EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    Address at = sockets().local_address(listener).value();
    at.ip = {127, 0, 0, 1};
    const Socket client = sockets().connect(at).value();
    Accepted accepted;
    while (sockets().accept(listener, accepted).status == Io::Status::would_block) {}
    EXPECT_EQ(option(accepted.socket, IPPROTO_TCP, TCP_NODELAY), 1);
    for (const Socket each : {listener, client, accepted.socket}) sockets().close(each);

    const int datagram = ::socket(AF_INET, SOCK_DGRAM, 0);
    EXPECT_FALSE(sockets().adopt_listener(datagram));
    ::close(datagram);
    const int pipe_like = ::open("/dev/null", O_RDONLY);
    EXPECT_FALSE(sockets().adopt_listener(pipe_like));
    ::close(pipe_like);
}

TEST_P(Native, FullDescriptorTableFailsAcceptAndLeavesTheConnection) {
    const Socket listener = sockets().listen(*Address::parse("127.0.0.1:0"), {}).value();
    const Socket client = sockets().connect(sockets().local_address(listener).value()).value();
    ASSERT_TRUE(selector_->register_(listener, 1, Interest::read()));
    Events<1> events;
    ASSERT_EQ(selector_->select(events, 10s).value(), 1U);
    rlimit old{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
    const rlimit none{.rlim_cur = 3, .rlim_max = old.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    Accepted accepted;
    const Io refused = sockets().accept(listener, accepted);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &old), 0);
    EXPECT_EQ(refused.status, Io::Status::failed);
    EXPECT_EQ(refused.code, EMFILE);
    EXPECT_TRUE(sockets().accept(listener, accepted).ok());
    for (const Socket each : {listener, client, accepted.socket}) sockets().close(each);
}

TEST_P(Native, ModeOfAUnixSocket) {
    std::string pattern = std::filesystem::temp_directory_path() / "hc-mode-XXXXXX";
    const std::string folder = ::mkdtemp(pattern.data());
    const Address at = *Address::unix_path(folder + "/socket");
    const Socket listener = sockets().listen(at, {.unix_mode = 0600}).value();
    struct stat facts{};
    ASSERT_EQ(::stat(at.path.data(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777, 0600U);
    sockets().remove_file(at);
    sockets().close(listener);
    // A directory that is not there: the error says so, and nothing stays behind.
    const auto nowhere = sockets().listen(*Address::unix_path(folder + "/no/socket"), {});
    ASSERT_FALSE(nowhere);
    EXPECT_EQ(nowhere.error().kind, ErrorKind::not_found);
    EXPECT_TRUE(std::filesystem::is_empty(folder));
    std::filesystem::remove_all(folder);
}

TEST_P(Native, AFailedCallLeaksNoDescriptor) {
    const auto count = [] {
        const std::filesystem::directory_iterator all("/proc/self/fd");
        return std::distance(begin(all), end(all));
    };
    const Socket listener = sockets().listen(*Address::parse("127.0.0.1:0"), {}).value();
    const Address taken = sockets().local_address(listener).value();
    const auto before = count();
    EXPECT_FALSE(sockets().listen(taken, {}));
    EXPECT_FALSE(sockets().listen(*Address::parse("192.0.2.1:80"), {})); // not ours (RFC 5737)
    EXPECT_FALSE(sockets().listen(*Address::parse("unix:/no/such/folder/socket"), {}));
    EXPECT_FALSE(sockets().connect(*Address::parse("unix:@hc-nobody-listens-here")));
    EXPECT_EQ(count(), before);
    sockets().close(listener);
}

TEST_P(Native, NoSigpipeFromSendFile) {
    // With the default disposition a SIGPIPE would end this process.
    const Trio trio = make_trio();
    sockets().shutdown_write(trio.client);
    std::string pattern = std::filesystem::temp_directory_path() / "hc-file-XXXXXX";
    const int file = ::mkstemp(pattern.data());
    ::unlink(pattern.c_str());
    ASSERT_EQ(::write(file, "content", 7), 7);
    const Io io = sockets().send_file(trio.client, file, 0, 7);
    EXPECT_EQ(io.status, Io::Status::failed);
    EXPECT_EQ(io.code, EPIPE);
    sigset_t waiting;
    sigpending(&waiting);
    EXPECT_EQ(sigismember(&waiting, SIGPIPE), 0) << "none is left pending";
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    EXPECT_EQ(sigismember(&mask, SIGPIPE), 0) << "the host's mask is as it was";
    ::close(file);
}

TEST_P(Native, ManyPiecesGoInOneCall) {
    // More than one sendmsg takes, all of which fit the socket's buffer.
    const Trio trio = make_trio();
    const std::vector<ConstBuffer> pieces(1'000, ConstBuffer{"abc", 3});
    const Io io = sockets().send(trio.client, pieces);
    EXPECT_TRUE(io.ok());
    EXPECT_EQ(io.bytes, 3'000U);
}

TEST_P(Native, ConnectResultBeforeTheEnd) {
    // A socket nobody connected is neither connected nor failed with an error.
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    EXPECT_FALSE(sockets().connect_result(Socket{fd}));
    ::close(fd);
    const Trio trio = make_trio();
    EXPECT_TRUE(sockets().connect_result(trio.client));
}

std::string name_of(const testing::TestParamInfo<test::NativeCase>& info) {
    return info.param.name;
}

std::vector<test::NativeCase> with_handle() {
    std::vector<test::NativeCase> out = test::native_systems();
    std::erase_if(out, [](const test::NativeCase& each) { return each.loop != Loop::host; });
    return out;
}

INSTANTIATE_TEST_SUITE_P(Systems, Native, testing::ValuesIn(test::native_systems()), name_of);
INSTANTIATE_TEST_SUITE_P(Systems, NativeHandle, testing::ValuesIn(with_handle()), name_of);

} // namespace
} // namespace hc::sys
