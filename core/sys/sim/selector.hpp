// The Selector of a simulated world.
//
// It keeps what epoll keeps: a set of sockets that may be ready (`pending_`). A change adds to it;
// `select` looks each of them up again, drops those that are not ready, and takes out those that
// are edge-triggered as it reports them. What is reported first is drawn from the seed.
#pragma once

#include <atomic>
#include <map>
#include <set>

#include "core/base/random.hpp"
#include "core/sys/sim/network.hpp"

namespace hc::sys::sim {

class SimSelector final : public Selector, private Watcher {
public:
    SimSelector(Timeline& timeline, Network& network, const Options& options, std::uint64_t seed);
    ~SimSelector() override;

    using Selector::select;
    Result<void> register_(Socket socket, Token token, Interest interest) override;
    Result<void> reregister(Socket socket, Token token, Interest interest) override;
    Result<void> deregister(Socket socket) override;
    Result<std::size_t> select(std::span<Event> events, std::optional<Duration> timeout) override;
    void wake() noexcept override { woken_.store(true, std::memory_order_release); }
    std::intptr_t native_handle() const noexcept override { return -1; }
    void set_deadline(Instant) noexcept override {}

private:
    struct Watch {
        Token token;
        Interest interest;
    };

    void on_change(Socket socket) override;
    bool watches_exclusively(Socket socket) const override;
    void on_close(Socket socket) override;
    std::size_t collect(std::span<Event> events);

    Timeline& timeline_;
    Network& network_;
    const Options& options_;
    Random random_;
    std::map<Socket, Watch> watches_;
    std::set<Socket> pending_;
    std::atomic<bool> woken_{false};
};

} // namespace hc::sys::sim
