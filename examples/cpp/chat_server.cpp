// chat_server [PORT]: what one client says, all others hear. Lines of text over TCP (try `nc`).
//
// Each client has two tasks in a scope of its own: one reads its lines and puts them on the
// broadcast, the other writes what it hears there. A client that hears too slowly is told how much
// it missed; the others do not wait for it. When one of the two ends, so does the other.
#include <atomic>
#include <memory>
#include <string>

#include "core/net/tcp.hpp"
#include "core/runtime/io/buf_reader.hpp"
#include "core/runtime/io/write_ext.hpp"
#include "core/runtime/runtime.hpp"
#include "core/runtime/scope.hpp"
#include "core/runtime/spawn.hpp"
#include "core/runtime/sync/broadcast.hpp"
#include "examples/cpp/example.hpp"

namespace {

using namespace hc;
using namespace hc::runtime;
using Reader = net::ReadHalf<net::TcpStream>;
using Writer = net::WriteHalf<net::TcpStream>;

constexpr std::size_t line_bytes_max = 1024;

struct Line {
    int from;
    std::string text;
};

Task<Result<void>> speak(int me, Reader stream, broadcast::Sender<Line> room) {
    BufReader reader(std::move(stream));
    for (;;) {
        auto line = co_await reader.read_line(line_bytes_max);
        if (!line) co_return fail(std::move(line.error()));
        if (!*line) co_return fail(ErrorKind::closed, "the client left");
        (void)room.send({me, "client " + std::to_string(me) + ": " + **line + "\n"});
    }
}

Task<Result<void>> hear(int me, Writer stream, broadcast::Receiver<Line> room) {
    for (;;) {
        auto line = co_await room.recv();
        std::string text;
        if (line) {
            if (line->from == me) continue;
            text = std::move(line->text);
        } else if (line.error().lagged > 0) {
            text = "(" + std::to_string(line.error().lagged) + " lines missed)\n";
        } else {
            co_return Result<void>();
        }
        if (auto written = co_await write_all(stream, text); !written) {
            co_return fail(std::move(written.error()));
        }
    }
}

Task<void> client(int me, net::TcpStream stream, broadcast::Sender<Line> room,
                  broadcast::Receiver<Line> hearing) {
    auto [from, to] = net::split(std::move(stream));
    (void)co_await scope([&](Scope& inside) -> Task<void> {
        inside.spawn(speak(me, std::move(from), room)).detach();
        inside.spawn(hear(me, std::move(to), std::move(hearing))).detach();
        co_return;
    });
    (void)room.send({me, "client " + std::to_string(me) + " left\n"});
}

Task<Result<void>> serve(std::uint16_t port) {
    auto listener =
        net::TcpListener::bind(*net::Address::parse("127.0.0.1:" + std::to_string(port)));
    if (!listener) co_return fail(std::move(listener.error()));
    auto [room, unheard] = broadcast::channel<Line>(256);
    example::say("tcp://" + listener->local_address()->to_string());
    for (int next = 1;; ++next) {
        auto accepted = co_await listener->accept();
        if (!accepted) co_return fail(std::move(accepted.error()));
        // In here, so that clients hear of each other in order, whatever worker runs a task first.
        (void)room.send({next, "client " + std::to_string(next) + " came\n"});
        spawn(client(next, std::move(accepted->first), room, room.subscribe())).detach();
    }
}

} // namespace

int main(int argc, char** argv) {
    return example::run({.workers = 2}, serve(example::port(argc, argv, 7778)));
}
