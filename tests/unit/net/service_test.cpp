// Listeners, acceptors and a threaded runtime together, on real sockets.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <string>
#include <vector>

#include "core/net/acceptor.hpp"
#include "core/net/listeners.hpp"
#include "core/runtime/runtime.hpp"
#include "tests/unit/backend.hpp"

namespace hc::net {
namespace {

using namespace std::chrono_literals;
constexpr std::uint32_t workers = 2;

/// One worker's share of a service that says "hello" and closes.
class Share final : public runtime::WorkerLocal, public AcceptHandler {
public:
    Share(runtime::Worker& worker, const ListenerSet& listeners, std::atomic<int>& count)
        : worker_(worker), count_(count) {
        AcceptorOptions options;
        options.shared = listeners.shared(workers);
        for (const sys::Socket socket : listeners.sockets_for(worker.index(), workers)) {
            acceptors_.push_back(std::make_unique<Acceptor>(worker, socket, *this, options));
            EXPECT_TRUE(acceptors_.back()->start());
        }
    }

private:
    void on_accept(sys::Socket socket, const Address&) override {
        const sys::ConstBuffer hello{"hello", 5};
        EXPECT_TRUE(worker_.sockets().send(socket, {&hello, 1}).ok());
        worker_.sockets().close(socket);
        ++count_;
    }

    runtime::Worker& worker_;
    std::atomic<int>& count_;
    std::vector<std::unique_ptr<Acceptor>> acceptors_;
};

struct Service {
    ListenerSet listeners;
    std::array<std::atomic<int>, workers> counts{};
    std::unique_ptr<runtime::Runtime> runtime;

    explicit Service(const Address& at)
        : listeners(ListenerSet::listen(sys::native(), at, workers).value()) {
        runtime::RuntimeOptions options;
        options.workers = workers;
        options.io = hc::test::backend();
        runtime = std::move(runtime::Runtime::create(options).value());
        EXPECT_TRUE(runtime->start());
        std::latch begun(workers);
        for (std::uint32_t i = 0; i < workers; ++i) {
            runtime->worker(i).post(std::make_unique<Begin>(*this, begun));
        }
        begun.wait();
    }
    ~Service() { runtime.reset(); }

    struct Begin final : runtime::Message {
        Begin(Service& service_, std::latch& begun_) : service(service_), begun(begun_) {}
        void run(runtime::Worker& worker) override {
            worker.attach(
                std::make_unique<Share>(worker, service.listeners, service.counts[worker.index()]));
            begun.count_down();
        }
        Service& service;
        std::latch& begun;
    };
};

/// Connects, reads to the end.
std::string visit(sys::Selector& selector, const Address& at) {
    sys::Sockets& sockets = sys::native().sockets();
    const auto connected = sockets.connect(at);
    if (!connected) return connected.error().message;
    EXPECT_TRUE(selector.register_(*connected, 1, sys::Interest::read()));
    std::string out;
    std::array<char, 64> into;
    for (bool open = true; open;) {
        sys::Events<1> events;
        const auto count = selector.select(events, 20s);
        if (!count || *count == 0) {
            ADD_FAILURE() << "nobody answers";
            break;
        }
        const sys::Io io = sockets.recv(*connected, into);
        if (io.ok()) out.append(into.data(), io.bytes);
        open = io.ok() || io.status == sys::Io::Status::would_block;
    }
    EXPECT_TRUE(selector.deregister(*connected));
    sockets.close(*connected);
    return out;
}

void serves_everybody(const Address& at) {
    Service service(at);
    auto selector = std::move(sys::native(hc::test::backend()).value()->make_selector().value());
    constexpr int visits = 200;
    for (int i = 0; i < visits; ++i) {
        ASSERT_EQ(visit(*selector, service.listeners.address()), "hello");
    }
    // The last count may still be on its way; join() is behind it.
    service.runtime->stop([] {});
    ASSERT_TRUE(service.runtime->join(20s));
    EXPECT_EQ(service.counts[0] + service.counts[1], visits);
    if (at.family == Address::Family::unix_) return; // who takes what is the kernel's choice
    EXPECT_GT(service.counts[0], 0) << "200 hashes into two sockets miss one in 10^60 runs";
    EXPECT_GT(service.counts[1], 0);
}

TEST(Service, TcpIsSpreadOverTheWorkers) { serves_everybody(*Address::parse("127.0.0.1:0")); }

TEST(Service, OneUnixSocketIsSharedByTheWorkers) {
    serves_everybody(*Address::parse(
        "unix:@hc-service-" +
        std::to_string(std::chrono::steady_clock::now().time_since_epoch().count())));
}

} // namespace
} // namespace hc::net
