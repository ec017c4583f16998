#include "core/proto/ws/deflate.hpp"

#include <zlib.h>

#include <algorithm>

namespace hc::ws {

namespace {

constexpr std::string_view tail{"\0\0\xff\xff", 4}; // what Z_SYNC_FLUSH ends in (RFC 7692, 7.2.1)
constexpr std::size_t step_max = std::size_t{1} << 30; // zlib counts in 32 bits

void end_deflate(z_stream_s* stream) noexcept {
    deflateEnd(stream);
    delete stream;
}
void end_inflate(z_stream_s* stream) noexcept {
    inflateEnd(stream);
    delete stream;
}

Bytef* in(std::string_view bytes) noexcept {
    // zlib has no const here, and does not write.
    return reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data())); // NOLINT
}

} // namespace

// -- out ------------------------------------------------------------------------------------------

void Deflater::compress(std::string_view message, Block& out) {
    if (stream_ == nullptr) {
        auto made = std::make_unique<z_stream_s>();
        *made = {};
        if (deflateInit2(made.get(), level_, Z_DEFLATED, -static_cast<int>(bits_), mem_level_,
                         Z_DEFAULT_STRATEGY) != Z_OK) {
            throw std::bad_alloc();
        }
        stream_ = StreamPtr(made.release(), FreeStream{&end_deflate});
    }
    z_stream_s& stream = *stream_;
    const std::size_t before = out.size();
    do {
        const std::size_t piece = std::min(message.size(), step_max);
        stream.next_in = in(message);
        stream.avail_in = static_cast<uInt>(piece);
        message.remove_prefix(piece);
        do {
            const std::size_t room =
                std::clamp<std::size_t>(stream.avail_in / 2, 256, std::size_t{64} * 1024);
            stream.next_out = reinterpret_cast<Bytef*>(out.reserve(room));
            stream.avail_out = static_cast<uInt>(room);
            deflate(&stream, message.empty() ? Z_SYNC_FLUSH : Z_NO_FLUSH);
            out.commit(room - stream.avail_out);
        } while (stream.avail_out == 0);
    } while (!message.empty());
    const std::size_t made = out.size() - before;
    if (made >= tail.size() && out.view().ends_with(tail)) out.truncate(out.size() - tail.size());
    // An empty message is one empty block (section 7.2.3.6).
    if (out.size() == before) out.append(std::string_view("\0", 1));
}

void Deflater::begin_anew() noexcept {
    if (stream_ != nullptr) deflateReset(stream_.get());
}

// -- in -------------------------------------------------------------------------------------------

Inflater::Outcome Inflater::step(std::string_view input, std::uint64_t bytes_max, Block& out) {
    z_stream_s& stream = *stream_;
    bool more_inside = false; // all input may be taken while some output is not made yet
    while (!input.empty() || stream.avail_in > 0 || more_inside) {
        if (stream.avail_in == 0) {
            const std::size_t piece = std::min(input.size(), step_max);
            stream.next_in = in(input);
            stream.avail_in = static_cast<uInt>(piece);
            input.remove_prefix(piece);
        }
        // One byte beyond what is allowed tells a message that is too big from one that just fits.
        const std::uint64_t left = bytes_max - out.size() + 1;
        const std::size_t usual =
            std::clamp<std::size_t>(std::size_t{stream.avail_in} * 4, 1024, 256 * 1024);
        const auto room = static_cast<std::size_t>(std::min<std::uint64_t>(left, usual));
        stream.next_out = reinterpret_cast<Bytef*>(out.reserve(room));
        stream.avail_out = static_cast<uInt>(room);
        const int result = ::inflate(&stream, Z_SYNC_FLUSH);
        out.commit(room - stream.avail_out);
        if (out.size() > bytes_max) return Outcome::too_big;
        more_inside = stream.avail_out == 0;
        if (result == Z_STREAM_END) {
            // A last block ends the stream but not the message (RFC 7692, section 7.2.3.4). What
            // follows is one more stream, which may refer to what came before.
            inflateResetKeep(&stream);
            more_inside = false;
        } else if (result == Z_BUF_ERROR ? stream.avail_in > 0 : result != Z_OK) {
            return Outcome::malformed;
        }
    }
    return Outcome::ok;
}

Inflater::Outcome Inflater::inflate(std::string_view compressed, std::uint64_t bytes_max,
                                    Block& out) {
    if (stream_ == nullptr) {
        auto made = std::make_unique<z_stream_s>();
        *made = {};
        if (inflateInit2(made.get(), -static_cast<int>(bits_)) != Z_OK) throw std::bad_alloc();
        stream_ = StreamPtr(made.release(), FreeStream{&end_inflate});
    }
    stream_->avail_in = 0;
    Outcome outcome = step(compressed, bytes_max, out);
    if (outcome == Outcome::ok) outcome = step(tail, bytes_max, out);
    return outcome;
}

void Inflater::begin_anew() noexcept {
    if (stream_ != nullptr) inflateReset(stream_.get());
}

} // namespace hc::ws
