// echo_server [PORT]: gives every client back what it sends. A task a connection.
#include <string>

#include "core/net/tcp.hpp"
#include "core/runtime/io/copy.hpp"
#include "core/runtime/io/write_ext.hpp"
#include "core/runtime/runtime.hpp"
#include "core/runtime/spawn.hpp"
#include "examples/cpp/example.hpp"

namespace {

using namespace hc;
using namespace hc::runtime;

Task<void> echo(net::TcpStream stream) {
    auto [from, to] = net::split(std::move(stream));
    (void)co_await copy(from, to);
}

Task<Result<void>> serve(std::uint16_t port) {
    auto listener =
        net::TcpListener::bind(*net::Address::parse("127.0.0.1:" + std::to_string(port)));
    if (!listener) co_return fail(std::move(listener.error()));
    example::say("tcp://" + listener->local_address()->to_string());
    for (;;) {
        auto accepted = co_await listener->accept();
        if (!accepted) co_return fail(std::move(accepted.error()));
        spawn(echo(std::move(accepted->first))).detach();
    }
}

} // namespace

int main(int argc, char** argv) {
    return example::run({.workers = 2}, serve(example::port(argc, argv, 7777)));
}
