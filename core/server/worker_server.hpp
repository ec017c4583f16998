// WorkerServer: one worker's share of a server: its acceptors, its connections, its dispatching.
#pragma once

#include <memory>
#include <vector>

#include "core/link/context.hpp"
#include "core/net/acceptor.hpp"
#include "core/runtime/worker.hpp"
#include "core/server/state.hpp"

namespace hc::server {

class WorkerServer final : public runtime::WorkerLocal, private link::Dispatcher {
public:
    WorkerServer(runtime::Worker& worker, std::shared_ptr<Server::State> state);
    /// On the worker's thread: resets what is left.
    ~WorkerServer() override;

    /// Begins to accept from this worker's sockets of a listener.
    void listen(Listener& listener);
    /// Stops accepting and lets connections finish; `hurry` and `kill` follow at their times.
    void drain(Instant soft, Instant hard);
    /// Resets all connections and stops accepting.
    void kill_all();
    link::ConnectionContext& context() noexcept { return *context_; }

private:
    /// Takes connections from the sockets of one listener.
    class Door final : public net::AcceptHandler {
    public:
        Door(WorkerServer& owner, Listener& listener) : owner_(owner), listener_(listener) {}
        void open();
        void close();

    private:
        void on_accept(sys::Socket socket, const net::Address& peer) override;
        WorkerServer& owner_;
        Listener& listener_;
        std::vector<std::unique_ptr<net::Acceptor>> acceptors_;
    };

    struct DrainTimer final : runtime::Timer {
        explicit DrainTimer(WorkerServer& owner) noexcept : Timer(&fire), server(owner) {}
        static void fire(runtime::Timer& timer) noexcept {
            static_cast<DrainTimer&>(timer).server.drain_step();
        }
        WorkerServer& server;
    };

    void accepted(Listener& listener, sys::Socket socket, const net::Address& from);
    void introduced(std::unique_ptr<link::Transport> transport, std::string_view rest,
                    const Listener& listener);
    void begin(std::unique_ptr<link::Transport> transport, std::string_view rest,
               const Listener& listener);
    void refuse(std::unique_ptr<link::Transport> transport, const Listener& listener);
    void dispatch(link::Exchange& exchange, http::RouteMatch& match) override;
    void finished(link::Exchange& exchange) noexcept override;
    void disconnected(const link::Endpoint& peer) noexcept override;
    void deserted() noexcept override;
    /// Takes in what waits and accepts no more.
    void close_doors();
    void drain_step() noexcept;
    void report_drained() noexcept;
    void dispatch_as_get(link::Exchange& exchange, http::RouteMatch& match);
    [[gnu::noinline]] void answer_unrouted(link::Exchange& exchange, http::RouteOutcome outcome);
    void answer(link::Exchange& exchange, int status, std::string_view allow);
    [[gnu::noinline]] void log_access(const link::Exchange& exchange, std::uint64_t us);
    Instant clock() noexcept;
    [[gnu::noinline]] void read_clock() noexcept;

    runtime::Worker& worker_;
    std::shared_ptr<Server::State> state_;
    Share& share_;
    std::unique_ptr<link::ConnectionContext> context_;
    std::vector<std::unique_ptr<Door>> doors_;
    DrainTimer drain_timer_{*this};
    Instant soft_ = Instant::never();
    Instant hard_ = Instant::never();
    Instant clock_; // a recent reading, see clock()
    std::uint32_t clock_uses_ = 0;
    std::uint32_t latency_bucket_ = 0; // of latency_, the last one that was counted
    std::uint64_t latency_us_ = 0;
    Duration latency_{0};
    std::uint32_t refusing_ = 0; // connections that only get their 503
    std::uint64_t reset_ = 0;
    std::uint64_t exchanges_max_ = 0;
    bool draining_ = false;
    bool doors_closed_ = false;
    bool drain_reported_ = false;
};

} // namespace hc::server
