#include "core/sys/stub/stub.hpp"

#include <cerrno>

namespace hc::sys {

namespace {
std::unexpected<Error> unsupported() {
    return fail(Error{.kind = ErrorKind::unsupported,
                      .origin = Origin::system,
                      .code = ENOSYS,
                      .message = "this system has no backend"});
}
constexpr Io unsupported_io{.bytes = 0, .status = Io::Status::failed, .code = ENOSYS};
} // namespace

Result<void> StubSelector::register_(Socket, Token, Interest) { return unsupported(); }
Result<void> StubSelector::reregister(Socket, Token, Interest) { return unsupported(); }
Result<void> StubSelector::deregister(Socket) { return unsupported(); }
Result<std::size_t> StubSelector::select(std::span<Event>, std::optional<Duration>) {
    return unsupported();
}

Result<Socket> StubSockets::listen(const Address&, const ListenOptions&) { return unsupported(); }
Result<Socket> StubSockets::adopt_listener(std::intptr_t) { return unsupported(); }
Io StubSockets::accept(Socket, Accepted&) { return unsupported_io; }
Result<Socket> StubSockets::connect(const Address&) { return unsupported(); }
Result<void> StubSockets::connect_result(Socket) { return unsupported(); }
Io StubSockets::recv(Socket, std::span<char>) { return unsupported_io; }
Io StubSockets::send(Socket, std::span<const ConstBuffer>) { return unsupported_io; }
Io StubSockets::send_file(Socket, std::intptr_t, std::uint64_t, std::uint64_t) {
    return unsupported_io;
}
Io StubSockets::read_file(std::intptr_t, std::uint64_t, std::span<char>) { return unsupported_io; }
Result<Address> StubSockets::local_address(Socket) { return unsupported(); }
Result<Socket> StubSockets::bind_udp(const Address&, const UdpOptions&) { return unsupported(); }
Result<void> StubSockets::connect_udp(Socket, const Address&) { return unsupported(); }
Io StubSockets::send_udp(Socket, std::span<DatagramsOut>) { return unsupported_io; }
Io StubSockets::recv_udp(Socket, std::span<DatagramsIn>) { return unsupported_io; }
Result<std::vector<Address>> StubSockets::lookup(std::string_view, std::uint16_t) {
    return unsupported();
}

Result<std::unique_ptr<Selector>> StubSystem::make_selector() { return unsupported(); }
Result<void> StubSystem::entropy(std::span<std::byte>) { return unsupported(); }

} // namespace hc::sys
