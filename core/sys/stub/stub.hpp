// The System that exists everywhere and can do nothing: every call answers `unsupported`. It keeps
// the contract compilable on systems that have no backend yet, and shows a new one where to begin.
#pragma once

#include "core/sys/sys.hpp"

namespace hc::sys {

class StubSelector final : public Selector {
public:
    using Selector::select;
    Result<void> register_(Socket socket, Token token, Interest interest) override;
    Result<void> reregister(Socket socket, Token token, Interest interest) override;
    Result<void> deregister(Socket socket) override;
    Result<std::size_t> select(std::span<Event> events, std::optional<Duration> timeout) override;
    void wake() noexcept override {}
    std::intptr_t native_handle() const noexcept override { return -1; }
    void set_deadline(Instant) noexcept override {}
};

class StubSockets final : public Sockets {
public:
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
    void shutdown_write(Socket) noexcept override {}
    void reset(Socket) noexcept override {}
    void close(Socket) noexcept override {}
    void remove_file(const Address&) noexcept override {}
    Result<Address> local_address(Socket socket) override;
    Result<Socket> bind_udp(const Address& address, const UdpOptions& options) override;
    Result<void> connect_udp(Socket socket, const Address& peer) override;
    Io send_udp(Socket socket, std::span<DatagramsOut> messages) override;
    Io recv_udp(Socket socket, std::span<DatagramsIn> messages) override;
    Result<std::vector<Address>> lookup(std::string_view host, std::uint16_t port) override;
    bool lookup_waits() const noexcept override { return false; }
};

/// A clock that stands still.
class StubClock final : public Clock {
public:
    Instant now() noexcept override { return {}; }
    WallTime wall() noexcept override { return {}; }
};

class StubSystem final : public System {
public:
    Result<std::unique_ptr<Selector>> make_selector() override;
    Sockets& sockets() noexcept override { return sockets_; }
    Clock& clock() noexcept override { return clock_; }
    Result<void> entropy(std::span<std::byte> out) override;
    unsigned processors() const noexcept override { return 1; }
    std::string_view name() const noexcept override { return "stub"; }

private:
    StubSockets sockets_;
    StubClock clock_;
};

} // namespace hc::sys
