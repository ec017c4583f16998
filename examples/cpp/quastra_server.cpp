// quastra_server [PORT]: four workers, fed with connections by a channel, inside of a scope.
//
//     GET /        Welcome to Quastra HTTP Server!
//     GET /hello   Hello, world!
//     else         404, and 400 for what is no HTTP
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/base/limits.hpp"
#include "core/net/tcp.hpp"
#include "core/proto/h1/parser.hpp"
#include "core/runtime/io/read_ext.hpp"
#include "core/runtime/io/write_ext.hpp"
#include "core/runtime/runtime.hpp"
#include "core/runtime/scope.hpp"
#include "core/runtime/sleep.hpp"
#include "core/runtime/sync/channel.hpp"
#include "examples/cpp/example.hpp"

namespace {

using namespace hc;
using namespace hc::runtime;
using namespace std::chrono_literals;

struct Answer {
    int status;
    std::string_view reason;
    std::string_view body;
};

Answer answer(std::string_view path) {
    if (path == "/") return {200, "OK", "Welcome to Quastra HTTP Server!"};
    if (path == "/hello") return {200, "OK", "Hello, world!"};
    return {404, "Not Found", "Not Found"};
}

std::string format(const Answer& answer) {
    return "HTTP/1.1 " + std::to_string(answer.status) + ' ' + std::string(answer.reason) +
           "\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(answer.body.size()) +
           "\r\nConnection: close\r\n\r\n" + std::string(answer.body);
}

/// Reads one request's head: what to answer it.
Task<Result<Answer>> read_request(net::TcpStream& stream) {
    const ConnectionLimits limits{.header_bytes_max = 4096};
    h1::HeadScratch scratch;
    h1::Parser parser(h1::Role::server, limits, scratch);
    std::array<char, 4096> buffer;
    for (;;) {
        const Result<std::size_t> count = co_await read(stream, buffer);
        if (!count) co_return fail(count.error());
        if (*count == 0) co_return fail(ErrorKind::closed, "the client left");
        std::string_view input(buffer.data(), *count);
        switch (parser.next(input)) {
        case h1::Event::head: co_return answer(parser.head().text(parser.head().path));
        case h1::Event::error: co_return Answer{400, "Bad Request", "Bad Request"};
        default: break; // the rest of the head is still to come
        }
    }
}

Task<void> handle_client(net::TcpStream stream) {
    const auto answered = co_await timeout(10s, read_request(stream));
    if (!answered || !*answered) co_return; // too slow, or gone
    const std::string text = format(**answered);
    (void)co_await write_all(stream, text);
    (void)co_await shutdown(stream);
}

Task<void> worker(Channel<net::TcpStream> clients) {
    while (auto stream = co_await clients.recv()) co_await handle_client(std::move(*stream));
}

Task<Result<void>> serve(std::uint16_t port) {
    auto listener =
        net::TcpListener::bind(*net::Address::parse("127.0.0.1:" + std::to_string(port)));
    if (!listener) co_return fail(std::move(listener.error()));
    example::say("http://" + listener->local_address()->to_string());
    co_return co_await scope([&](Scope& inside) -> Task<Result<void>> {
        Channel<net::TcpStream> clients(64);
        for (int i = 0; i < 4; ++i) inside.spawn(worker(clients)).detach();
        for (;;) {
            auto accepted = co_await listener->accept();
            if (!accepted) { // out of descriptors, say: those who wait will be taken later
                std::fprintf(stderr, "accept: %s\n", accepted.error().message.c_str());
                co_await sleep(100ms);
                continue;
            }
            (void)co_await clients.send(std::move(accepted->first));
        }
    });
}

} // namespace

int main(int argc, char** argv) {
    const auto port = example::port(argc, argv, 8080);
    return example::run({.workers = 4}, serve(port));
}
