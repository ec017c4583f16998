// Sockets on Unix descriptors.
#pragma once

#include "core/sys/sys.hpp"

namespace hc::sys {

/// Stateless: a Socket is a descriptor.
class UnixSockets final : public Sockets {
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
    void shutdown_write(Socket socket) noexcept override;
    void reset(Socket socket) noexcept override;
    void close(Socket socket) noexcept override;
    void remove_file(const Address& address) noexcept override;
    Result<Address> local_address(Socket socket) override;
    Result<Socket> bind_udp(const Address& address, const UdpOptions& options) override;
    Result<void> connect_udp(Socket socket, const Address& peer) override;
    Io send_udp(Socket socket, std::span<DatagramsOut> messages) override;
    Io recv_udp(Socket socket, std::span<DatagramsIn> messages) override;
    Result<std::vector<Address>> lookup(std::string_view host, std::uint16_t port) override;
    bool lookup_waits() const noexcept override { return true; }
};

} // namespace hc::sys
