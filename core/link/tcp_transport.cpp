#include "core/link/tcp_transport.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace hc::link {

namespace {

constexpr std::size_t pieces_max = 64; // of one gathered write
constexpr std::uint64_t write_turn_bytes_max = 4u
                                               << 20; // then the other connections get their turn

} // namespace

Result<std::unique_ptr<TcpTransport>> TcpTransport::adopt(runtime::Worker& worker,
                                                          sys::Socket socket, const Endpoint& peer,
                                                          const ConnectionLimits& limits) {
    std::unique_ptr<TcpTransport> transport(new TcpTransport(worker, socket, peer, limits));
    auto watched = worker.watch(socket, *transport, sys::Interest::both().edge_triggered());
    if (!watched) {
        worker.sockets().close(socket);
        transport->closed_ = true;
        return fail(std::move(watched).error());
    }
    return transport;
}

TcpTransport::TcpTransport(runtime::Worker& worker, sys::Socket socket, const Endpoint& peer,
                           const ConnectionLimits& limits) noexcept
    : worker_(worker), number_(worker.next_number()), socket_(socket),
      read_turn_bytes_max_(limits.read_turn_bytes_max), peer_(peer) {}

TcpTransport::~TcpTransport() { close(); }

// -- output --------------------------------------------------------------------------------------

char* TcpTransport::reserve(std::size_t n) {
    in_cork_ = corked_ && out_.empty() && n <= runtime::Worker::cork_bytes - cork_used_;
    if (in_cork_) [[likely]]
        return worker_.cork_buffer().data() + cork_used_;
    return reserve_in_chain(n);
}

char* TcpTransport::reserve_in_chain(std::size_t n) {
    spill();
    return out_.reserve(n);
}

void TcpTransport::commit(std::size_t n) noexcept {
    if (in_cork_) {
        cork_used_ += static_cast<std::uint32_t>(n);
        return;
    }
    out_.commit(n);
    schedule();
}

void TcpTransport::send(std::string_view bytes) {
    if (closed_) return;
    if (corked_ && out_.empty() && cork_used_ + bytes.size() <= runtime::Worker::cork_bytes) {
        std::memcpy(worker_.cork_buffer().data() + cork_used_, bytes.data(), bytes.size());
        cork_used_ += static_cast<std::uint32_t>(bytes.size());
        return;
    }
    spill();
    out_.append(bytes);
    schedule();
}

void TcpTransport::send(Chain&& chain) {
    if (closed_) {
        chain.clear();
        return;
    }
    spill();
    out_.append(std::move(chain));
    schedule();
}

std::size_t TcpTransport::send_at_once(std::span<const sys::ConstBuffer> pieces) noexcept {
    const bool waits = corked_ || cork_used_ > 0 || !out_.empty() || shutdown_wanted_;
    if (closed_ || waits || pieces.empty()) return 0;
    const sys::Io io =
        worker_.sockets().send(socket_, pieces.first(std::min(pieces.size(), pieces_max)));
    return io.ok() ? io.bytes : 0;
}

void TcpTransport::schedule() {
    if (!closed_ && !corked_ && !is_deferred()) worker_.defer(*this);
}

/// Moves the corked bytes to where they can wait. They are not written here: a failed write would
/// call the user back from inside its own call.
void TcpTransport::spill() {
    if (cork_used_ == 0) return;
    out_.append({worker_.cork_buffer().data(), std::exchange(cork_used_, 0)});
}

/// Writes the corked bytes; what the kernel does not take moves to out_, which is empty whenever
/// there are corked bytes. Adds to `written`; false when the connection failed.
bool TcpTransport::flush_cork(std::uint64_t& written) {
    if (cork_used_ == 0) return true;
    const sys::ConstBuffer piece{worker_.cork_buffer().data(), cork_used_};
    const sys::Io io = worker_.sockets().send(socket_, {&piece, 1});
    cork_used_ = 0;
    if (io.status == sys::Io::Status::failed) {
        lose(ErrorKind::reset);
        return false;
    }
    const std::size_t taken = io.ok() ? io.bytes : 0;
    written += taken;
    if (taken < piece.size) out_.append({piece.data + taken, piece.size - taken});
    return true;
}

/// One system call's worth of output from the front of out_.
sys::Io TcpTransport::write_front(std::uint64_t& offered) {
    const Chunk* chunk = out_.head();
    if (chunk->kind == Chunk::Kind::file) {
        offered = chunk->size;
        return worker_.sockets().send_file(socket_, chunk->file, chunk->offset, chunk->size);
    }
    std::array<sys::ConstBuffer, pieces_max> pieces;
    std::size_t count = 0;
    offered = 0;
    for (; chunk != nullptr && chunk->kind != Chunk::Kind::file && count < pieces_max;
         chunk = chunk->next) {
        if (chunk->size == 0) continue;
        pieces[count++] = {chunk->data, chunk->size};
        offered += chunk->size;
    }
    if (count == 0) return {};
    return worker_.sockets().send(socket_, {pieces.data(), count});
}

bool TcpTransport::flush_chain(std::uint64_t& written) {
    while (!out_.empty()) {
        std::uint64_t offered = 0;
        const sys::Io io = write_front(offered);
        if (io.status == sys::Io::Status::would_block) break; // the next edge continues
        if (!io.ok() || (io.bytes == 0 && offered > 0)) {
            // The end of a file that became shorter is no fault of the peer's.
            lose(io.status == sys::Io::Status::end ? ErrorKind::io : ErrorKind::reset);
            return false;
        }
        out_.consume(io.bytes);
        written += io.bytes;
        if (io.bytes < offered && out_.head()->kind != Chunk::Kind::file) break;
        if (written >= write_turn_bytes_max && !out_.empty()) {
            schedule();
            break;
        }
    }
    return true;
}

void TcpTransport::flush() {
    if (closed_) return;
    std::uint64_t written = 0;
    if (!flush_cork(written)) return;
    if (!out_.empty() && !flush_chain(written)) return;
    if (shutdown_wanted_ && !shutdown_done_ && out_.empty()) {
        shutdown_done_ = true;
        worker_.sockets().shutdown_write(socket_);
    }
    if (written > 0) user_->on_written();
}

void TcpTransport::run_deferred() {
    flush();
    if (!closed_ && unread_ && !paused_) read_some(saw_end_);
}

// -- input ---------------------------------------------------------------------------------------

void TcpTransport::on_ready(const sys::Event& event) {
    const bool plain = event.readable && !event.read_closed && !event.failed;
    if (plain && out_.empty() && !closed_) [[likely]] {
        read_some(false);
    } else {
        on_event(event);
    }
}

void TcpTransport::on_event(const sys::Event& event) {
    if (closed_) return; // an event of this turn's batch from before
    if (event.read_closed) saw_end_ = true;
    // When both sides have ended in order that counts as failed, too.
    if (event.failed && (paused_ || ended_) && !shutdown_done_) {
        // Nobody reads, so nobody would find the error.
        lose(ErrorKind::reset);
        return;
    }
    if (event.writable && !out_.empty()) flush();
    if (closed_) return;
    if (event.readable || event.read_closed || event.failed) {
        read_some(event.read_closed || event.failed);
    }
}

/// Reads until the socket is drained, reading is paused or the turn's share is used up. A short
/// read from a stream socket means that it is drained, unless an end or an error waits behind it
/// (`until_end`).
void TcpTransport::read_some(bool until_end) {
    unread_ = true;
    for (std::uint64_t taken = 0; !paused_ && !ended_;) {
        if (taken >= read_turn_bytes_max_) {
            schedule();
            return;
        }
        const std::span<char> buffer = worker_.receive_buffer();
        const sys::Io io = worker_.sockets().recv(socket_, buffer);
        switch (io.status) {
        case sys::Io::Status::ok:
            lend({buffer.data(), io.bytes});
            if (closed_) return;
            if (io.bytes < buffer.size() && !until_end) {
                unread_ = false;
                return;
            }
            taken += io.bytes;
            break;
        case sys::Io::Status::would_block: unread_ = false; return;
        case sys::Io::Status::end:
            unread_ = false;
            ended_ = true;
            user_->on_end();
            return;
        case sys::Io::Status::failed: lose(ErrorKind::reset); return;
        }
    }
}

/// Gives the user a slice and writes what it answered in one go.
void TcpTransport::lend(std::string_view slice) {
    corked_ = true;
    user_->on_data(slice);
    corked_ = false;
    if (closed_) return;
    if (cork_used_ > 0 || !out_.empty() || shutdown_wanted_) flush();
}

void TcpTransport::resume_reading() noexcept {
    if (!paused_) return;
    paused_ = false;
    if (unread_) schedule();
}

// -- ends ----------------------------------------------------------------------------------------

void TcpTransport::shutdown() noexcept {
    shutdown_wanted_ = true;
    schedule();
}

void TcpTransport::close() noexcept {
    if (closed_) return;
    closed_ = true;
    cancel_deferred();
    cork_used_ = 0;
    out_.clear();
    worker_.unwatch(socket_, *this);
    worker_.sockets().close(socket_);
}

void TcpTransport::abort() noexcept {
    if (closed_) return;
    closed_ = true;
    cancel_deferred();
    cork_used_ = 0;
    out_.clear();
    worker_.unwatch(socket_, *this);
    worker_.sockets().reset(socket_);
}

void TcpTransport::lose(ErrorKind why) {
    if (closed_) return;
    abort(); // where the peer is still there (a file became shorter), it must not see an end
    user_->on_closed(why);
}

sys::Address TcpTransport::local() const {
    if (local_ != nullptr) return local_->address();
    if (closed_) return {};
    const auto address = worker_.sockets().local_address(socket_).value_or(sys::Address{});
    // Asked for with each request or never: worth a system call once.
    if (address.family != sys::Address::Family::unix_) {
        local_ = std::make_unique<Endpoint>(Endpoint::of(address));
    }
    return address;
}

} // namespace hc::link
