#include "core/sys/sim/peer.hpp"

#include <array>
#include <utility>

namespace hc::sys::sim {

Result<std::unique_ptr<Peer>> Peer::connect(World& world, const Address& to,
                                            std::optional<Address> from) {
    auto socket = from ? world.network().connect_from(*from, to) : world.sockets().connect(to);
    if (!socket) return std::unexpected(std::move(socket.error()));
    return std::make_unique<Peer>(world, *socket);
}

Peer::Peer(World& world, Socket socket) : world_(world), socket_(socket) {
    world_.network().observe(socket_, [this] { pump(); });
    pump();
}

Peer::~Peer() { close(); }

void Peer::send(std::string_view bytes) {
    queue_ += bytes;
    pump();
}

void Peer::resume_reading() {
    reading_ = true;
    pump();
}

void Peer::shutdown_write() {
    end_wanted_ = true;
    pump();
}

void Peer::close() {
    if (socket_ != Socket::none) world_.sockets().close(std::exchange(socket_, Socket::none));
}

void Peer::reset() {
    if (socket_ != Socket::none) world_.sockets().reset(std::exchange(socket_, Socket::none));
}

void Peer::pump() {
    if (socket_ == Socket::none || error_ != 0) return;
    if (!connected_) {
        const auto result = world_.sockets().connect_result(socket_);
        if (!result && result.error().kind == ErrorKind::again) return;
        if (!result) {
            error_ = static_cast<int>(result.error().code);
            return;
        }
        connected_ = true;
    }
    if (reading_) pump_in();
    pump_out();
}

void Peer::pump_in() {
    std::array<char, 4096> into;
    while (!ended_ && error_ == 0) {
        const Io io = world_.sockets().recv(socket_, into);
        switch (io.status) {
        case Io::Status::ok: received_.append(into.data(), io.bytes); break;
        case Io::Status::would_block: return;
        case Io::Status::end: ended_ = true; break;
        case Io::Status::failed: error_ = io.code; break;
        }
    }
}

void Peer::pump_out() {
    while (!queue_.empty() && error_ == 0) {
        const ConstBuffer piece{queue_.data(), queue_.size()};
        const Io io = world_.sockets().send(socket_, {&piece, 1});
        if (io.status == Io::Status::would_block) return;
        if (!io.ok()) {
            error_ = io.code;
            return;
        }
        queue_.erase(0, io.bytes);
    }
    if (std::exchange(end_wanted_, false)) world_.sockets().shutdown_write(socket_);
}

} // namespace hc::sys::sim
