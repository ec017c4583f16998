// permessage-deflate (RFC 7692): what was agreed upon, and the two directions of it on zlib.
//
// A direction without context takeover begins each message anew. Such messages need no state
// between them, so one Deflater and one Inflater of a worker serve all of its connections
// (Workshop); a connection has its own only when its direction takes the context over, and pays
// with their memory: 2^(bits + 2) + 2^(level + 9) bytes to compress, 2^bits and 7 KiB to inflate.
//
// A message that was compressed from nothing can be read by every peer, also by one that keeps its
// context, since it refers to nothing before itself; that is what topics send to all of their
// subscribers. Our own context does not know that message then, so it begins anew behind it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/proto/ws/block.hpp"

struct z_stream_s;

namespace hc::ws {

/// The smallest window: zlib cannot compress with one of 8 bits and the raw format.
constexpr std::uint8_t window_bits_min = 9;
constexpr std::uint8_t window_bits_max = 15;

/// What a program allows, and how it compresses.
struct DeflateSettings {
    bool enabled = true;
    bool context_takeover = false; // in either direction, when the peer allows it
    std::uint32_t window_bits = window_bits_max;
    std::uint32_t level = 3;       // 1 (fast) to 9 (small)
    std::uint32_t mem_level = 7;   // 1 to 9
    std::uint32_t bytes_min = 256; // shorter messages are sent as they are
};

/// What both ends agreed upon. `bits` 0: no compression.
struct Deflate {
    struct Direction {
        std::uint8_t bits = 0;
        bool takeover = false;
    };
    Direction server; // what the server sends
    Direction client;

    bool agreed() const noexcept { return server.bits != 0; }
};

/// A server's choice from all values of Sec-WebSocket-Extensions, which are offers in the order of
/// preference (RFC 7692, section 5.1): the first that can be accepted. Malformed values offer
/// nothing: `malformed` tells, and the handshake fails (RFC 6455, section 9.1).
struct Extensions {
    bool malformed = false;
    Deflate deflate;
    bool client_bits_offered = false; // so that they may be named in the answer
};
/// `value`: of one field; several are looked at one after the other into the same `found`.
void choose_extensions(std::string_view value, const DeflateSettings& settings, Extensions& found);
/// What the server answers; empty when nothing was agreed upon.
std::string extensions_answer(const Extensions& chosen);
/// What a client offers; empty when it offers nothing.
std::string extensions_offer(const DeflateSettings& settings);
/// What a client makes of the answer to its offer; nullopt when it must fail the connection (RFC
/// 7692, section 7.1.3).
std::optional<Deflate> read_extensions_answer(std::string_view value,
                                              const DeflateSettings& settings);

struct FreeStream {
    void (*end)(z_stream_s*) noexcept = nullptr;
    void operator()(z_stream_s* stream) const noexcept { end(stream); }
};
using StreamPtr = std::unique_ptr<z_stream_s, FreeStream>;

class Deflater {
public:
    /// Memory is taken with the first message. Throws std::bad_alloc then.
    Deflater(std::uint8_t bits, const DeflateSettings& settings) noexcept
        : bits_(bits), level_(static_cast<std::uint8_t>(settings.level)),
          mem_level_(static_cast<std::uint8_t>(settings.mem_level)) {}
    /// Appends the compressed message to `out`, without the four bytes that each would end in.
    void compress(std::string_view message, Block& out);
    /// The next message refers to nothing before it.
    void begin_anew() noexcept;
    std::uint8_t bits() const noexcept { return bits_; }

private:
    StreamPtr stream_;
    std::uint8_t bits_;
    std::uint8_t level_;
    std::uint8_t mem_level_;
};

class Inflater {
public:
    explicit Inflater(std::uint8_t bits) noexcept : bits_(bits) {}
    enum class Outcome : std::uint8_t { ok, malformed, too_big };
    /// Appends the message to `out`, of which no more than `bytes_max` are made. Throws
    /// std::bad_alloc.
    Outcome inflate(std::string_view compressed, std::uint64_t bytes_max, Block& out);
    void begin_anew() noexcept;

private:
    Outcome step(std::string_view input, std::uint64_t bytes_max, Block& out);
    StreamPtr stream_;
    std::uint8_t bits_;
};

} // namespace hc::ws
