#include "core/link/tls_transport.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace hc::link {

namespace {

/// Ciphertext below at which no more is made, until some has left.
constexpr std::uint64_t lower_memory_max = 128 * 1024;
/// What one call of the engine is given at most of a long piece: several full records.
constexpr std::uint64_t piece_max = 64 * 1024;

} // namespace

TlsTransport::TlsTransport(ConnectionContext& context, std::unique_ptr<Transport> lower,
                           tls::Engine engine)
    : context_(context), lower_(std::move(lower)), engine_(std::move(engine)) {
    engine_.set_wire(*this);
    lower_->set_user(*this);
}

TlsTransport::~TlsTransport() { close(); }

// -- output --------------------------------------------------------------------------------------

void TlsTransport::commit(std::size_t n) noexcept {
    plain_.commit(n);
    schedule();
}

void TlsTransport::send(std::string_view bytes) {
    if (closed()) return;
    plain_.append(bytes);
    schedule();
}

void TlsTransport::send(Chain&& chain) {
    if (closed()) {
        chain.clear();
        return;
    }
    plain_.append(std::move(chain));
    schedule();
}

void TlsTransport::schedule() {
    if (!closed() && !corked_ && !is_deferred()) worker().defer(*this);
}

/// The front of what waits, in one piece: copies small pieces together. Gives how many bytes.
std::size_t TlsTransport::gather(std::span<char> into) const noexcept {
    std::size_t filled = 0;
    for (const Chunk* chunk = plain_.head();
         chunk != nullptr && chunk->kind != Chunk::Kind::file && filled < into.size();
         chunk = chunk->next) {
        const auto n =
            static_cast<std::size_t>(std::min<std::uint64_t>(chunk->size, into.size() - filled));
        std::memcpy(into.data() + filled, chunk->data, n);
        filled += n;
    }
    return filled;
}

/// Encrypts some of what waits; false when the connection is lost.
bool TlsTransport::encrypt_front() {
    const Chunk& front = *plain_.head();
    const std::span<char> buffer = context_.plaintext_buffer();
    std::string_view piece;
    if (front.kind == Chunk::Kind::file) {
        const auto n = std::min<std::uint64_t>(front.size, buffer.size());
        const sys::Io io = worker().sockets().read_file(front.file, front.offset, buffer.first(n));
        // The end of a file that became shorter is no fault of the peer's.
        if (!io.ok() || (io.bytes == 0 && n > 0)) {
            lose(ErrorKind::io);
            return false;
        }
        piece = {buffer.data(), io.bytes};
    } else if (front.size >= buffer.size()) {
        piece = {front.data, static_cast<std::size_t>(std::min(front.size, piece_max))};
    } else {
        piece = {buffer.data(), gather(buffer)};
    }
    const bool taken = engine_.write(piece) == tls::Progress::done;
    plain_.consume(piece.size());
    if (!taken) lose(engine_.error().kind);
    return taken;
}

void TlsTransport::flush() {
    while (!plain_.empty() && lower_->queued_memory() < lower_memory_max) {
        if (closed() || !encrypt_front()) return;
    }
    if (plain_.empty() && shutdown_wanted_ && !std::exchange(shutdown_done_, true)) {
        engine_.close();
        lower_->shutdown();
    }
}

void TlsTransport::on_written() {
    flush();
    if (!closed()) user_->on_written();
}

// -- input ---------------------------------------------------------------------------------------

void TlsTransport::on_data(std::string_view slice) {
    if (closed()) return;
    engine_.feed(slice);
    pump();
}

void TlsTransport::on_end() {
    engine_.feed_end();
    pump();
}

/// Gives the user what was fed, and writes what it answered in one go.
void TlsTransport::pump() {
    corked_ = true;
    const std::span<char> buffer = context_.plaintext_buffer();
    while (!paused_ && !ended_ && !closed()) {
        std::size_t got = 0;
        const tls::Progress progress = engine_.read(buffer, got);
        if (progress == tls::Progress::wants_input) break;
        if (progress == tls::Progress::done) {
            user_->on_data({buffer.data(), got});
        } else if (progress == tls::Progress::ended) {
            ended_ = true;
            user_->on_end();
        } else {
            lose(engine_.error().kind);
        }
    }
    corked_ = false;
    if (closed()) return;
    keep_rest();
    flush();
}

/// Reading was paused in the middle of a slice, which is lent for the call only.
void TlsTransport::keep_rest() {
    const std::string_view rest = engine_.unread();
    if (rest.empty()) {
        held_ = {};
    } else if (ended_) {
        engine_.feed({}); // behind the end there is nothing
    } else if (rest.data() < held_.data() || rest.data() >= held_.data() + held_.size()) {
        held_ = rest;
        engine_.feed(held_);
    }
}

void TlsTransport::pause_reading() noexcept {
    paused_ = true;
    lower_->pause_reading();
}

void TlsTransport::resume_reading() noexcept {
    if (!std::exchange(paused_, false)) return;
    // What is here already comes first, and not inside of this call.
    resumed_ = true;
    if (!closed() && !is_deferred()) worker().defer(*this);
}

void TlsTransport::run_deferred() {
    if (!std::exchange(resumed_, false)) return flush();
    pump();
    if (!paused_ && !closed()) lower_->resume_reading();
}

std::shared_ptr<const Security> TlsTransport::security() const {
    if (security_ == nullptr) {
        security_ = std::make_shared<const Security>(
            Security{.version = std::string(engine_.version()),
                     .cipher = std::string(engine_.cipher()),
                     .group = std::string(engine_.group()),
                     .server_name = std::string(engine_.server_name()),
                     .protocol = std::string(engine_.alpn()),
                     .resumed = engine_.is_resumed(),
                     .peer_chain = engine_.peer_chain()});
    }
    return security_;
}

// -- ends ----------------------------------------------------------------------------------------

void TlsTransport::shutdown() noexcept {
    shutdown_wanted_ = true;
    schedule();
}

void TlsTransport::close() noexcept {
    cancel_deferred();
    plain_.clear();
    lower_->close();
}

void TlsTransport::abort() noexcept {
    cancel_deferred();
    plain_.clear();
    lower_->abort();
}

void TlsTransport::lose(ErrorKind why) {
    if (closed()) return;
    abort();
    user_->on_closed(why);
}

void TlsTransport::on_closed(ErrorKind why) {
    cancel_deferred();
    plain_.clear();
    user_->on_closed(why);
}

} // namespace hc::link
