// The simulated network: listeners and connections in memory, their timing drawn from a seed.
//
// A connection behaves as TCP does on Linux where the contract lets a caller see it: order of bytes
// and ends, what a reset does, when an edge is reported, that closing with unread bytes resets.
// Unix-domain sockets are the same with paths for addresses. Datagrams arrive in order, each once,
// unless the options say otherwise.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/base/random.hpp"
#include "core/sys/sim/clock.hpp"
#include "core/sys/sim/connection.hpp"
#include "core/sys/sim/options.hpp"

namespace hc::sys::sim {

/// Something that wants to know when a socket's readiness may have changed.
class Watcher {
public:
    virtual void on_change(Socket socket) = 0;
    /// Of all that watch a socket exclusively, one is told of each change.
    virtual bool watches_exclusively(Socket socket) const = 0;
    virtual void on_close(Socket socket) = 0;

protected:
    ~Watcher() = default;
};

class Network final : public Sockets {
public:
    Network(Timeline& timeline, Options& options, std::uint64_t seed)
        : timeline_(timeline), options_(options), random_(seed) {}
    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;

    // -- the contract ------------------------------------------------------------------------
    Result<Socket> listen(const Address& address, const ListenOptions& options) override;
    Result<Socket> adopt_listener(std::intptr_t descriptor) override;
    Io accept(Socket listener, Accepted& out) override;
    Result<Socket> connect(const Address& address) override;
    Result<void> connect_result(Socket socket) override;
    Io recv(Socket socket, std::span<char> into) override;
    Io send(Socket socket, std::span<const ConstBuffer> pieces) override;
    Io send_file(Socket socket, std::intptr_t file, std::uint64_t offset,
                 std::uint64_t bytes) override;
    Io read_file(std::intptr_t file, std::uint64_t offset, std::span<char> into) override;
    void shutdown_write(Socket socket) noexcept override;
    void reset(Socket socket) noexcept override;
    void close(Socket socket) noexcept override;
    void remove_file(const Address& address) noexcept override;
    Result<Address> local_address(Socket socket) override;
    Result<Socket> bind_udp(const Address& address, const UdpOptions& options) override;
    Result<void> connect_udp(Socket socket, const Address& peer) override;
    Io send_udp(Socket socket, std::span<DatagramsOut> messages) override;
    Io recv_udp(Socket socket, std::span<DatagramsIn> messages) override;
    /// Knows literal addresses, "localhost" and what was added by add_name.
    Result<std::vector<Address>> lookup(std::string_view host, std::uint16_t port) override;
    bool lookup_waits() const noexcept override { return false; }

    // -- for the world, selectors and peers --------------------------------------------------
    /// connect() from an address of the caller's choice (its port 0: one is drawn).
    Result<Socket> connect_from(Address from, const Address& to);
    /// All that is true of the socket now, whatever anybody's interest.
    Event readiness(Socket socket);
    bool exists(Socket socket) const noexcept { return sockets_.contains(key(socket)); }
    std::size_t open_sockets() const noexcept { return sockets_.size(); }
    void add_watcher(Watcher& watcher) { watchers_.push_back(&watcher); }
    void remove_watcher(Watcher& watcher) noexcept { std::erase(watchers_, &watcher); }
    /// `observer` is called, from the timeline, whenever the socket's readiness may have changed.
    void observe(Socket socket, std::function<void()> observer);
    std::intptr_t add_file(std::string content);
    void add_name(std::string host, std::vector<Address> addresses) {
        names_.insert_or_assign(std::move(host), std::move(addresses));
    }
    void add_plain_file(std::string path) { plain_files_.insert(std::move(path)); }
    bool file_exists(const std::string& path) const {
        return plain_files_.contains(path) || socket_files_.contains(path);
    }

private:
    using Shared = std::shared_ptr<Connection>;

    static std::intptr_t key(Socket socket) noexcept { return static_cast<std::intptr_t>(socket); }
    SocketEntry* find(Socket socket) noexcept;
    Stream* find_stream(Socket socket) noexcept;
    Socket add(SocketEntry entry);
    std::uint16_t draw_port() noexcept;
    bool full() const noexcept { return sockets_.size() >= options_.sockets_max; }

    int bind_error(const Address& address, const ListenOptions& options) const;
    std::shared_ptr<Listener> listener_for(const Address& address);
    int unix_connect_error(const Address& address);
    void on_syn(const Shared& connection, int attempt);
    void establish(const Shared& connection, const std::shared_ptr<Listener>& listener);
    void arrive(const Shared& connection, const std::weak_ptr<Listener>& listener);

    void transmit(const Shared& connection, std::size_t from, std::string bytes);
    Instant next_arrival(Stream& from);
    void deliver(Connection& connection, std::size_t to, std::string_view bytes);
    void give_room(Connection& connection, std::size_t to, std::size_t bytes);
    void end_write(const Shared& connection, std::size_t from);
    void send_reset(const Shared& connection, std::size_t to);
    void break_(Connection& connection, std::size_t end, int code);
    void abandon(const Shared& connection, std::size_t end);
    void close_listener(Listener& listener);
    void remove(Socket socket) noexcept;

    using SharedUdp = std::shared_ptr<UdpSocket>;
    SharedUdp udp_for(const Address& to, const Address& from);
    Io send_part(const SharedUdp& socket, const DatagramsOut& message, std::string_view part);
    void transmit(const SharedUdp& socket, Packet packet);
    bool arrive(const Packet& packet);
    void bounce(const SharedUdp& socket);
    void land(UdpSocket& socket, std::size_t bytes);
    static void receive(UdpSocket& socket, DatagramsIn& message);
    bool udp_has_room(const UdpSocket& socket) const noexcept {
        return socket.flight_bytes < options_.datagram_flight_bytes_max;
    }

    bool chance(std::uint32_t per_million) noexcept {
        return per_million != 0 && random_.below(1'000'000) < per_million;
    }
    Duration between(Duration low, Duration high) noexcept;
    Duration latency() noexcept;
    std::size_t draw_piece(std::size_t left) noexcept;

    void changed(Socket socket);
    template <class... Parts>
    void trace(const Connection& connection, const Parts&... parts);
    template <class... Parts>
    void trace(const Packet& packet, const Parts&... parts);

    Timeline& timeline_;
    Options& options_;
    Random random_;
    std::intptr_t next_socket_ = 100; // never used again, so a stale number is always noticed
    std::uint64_t next_connection_ = 0;
    std::uint16_t next_port_ = 32'768;
    std::map<std::intptr_t, SocketEntry> sockets_;
    std::vector<std::shared_ptr<Listener>> listeners_;
    std::vector<SharedUdp> udp_sockets_;
    std::vector<Watcher*> watchers_;
    std::map<std::intptr_t, std::string> files_;
    std::set<std::string> socket_files_;
    std::set<std::string> plain_files_;
    std::map<std::string, std::vector<Address>, std::less<>> names_;
};

} // namespace hc::sys::sim
