// Decoder: WebSocket messages out of bytes in slices of any sizes (RFC 6455, sections 5 and 6).
//
//   between messages --head of a data frame--> in a message --its last frame--> between messages
//         `--------- a control frame, also between the frames of a message ----------'
//   any --what breaks the rules--> failed, for ever
//
// It is given bytes and answers with one event at a time, like h1::Parser. Between messages it has
// no memory but itself. A message that comes whole in one slice is unmasked into the scratch memory
// of a Workshop, which all connections of a worker share; one that comes in pieces grows in a block
// of its own, as its bytes arrive and not as its head announces them.
//
// Text is checked as it comes, so that what is no UTF-8 fails at its first wrong byte; compressed
// messages are inflated, and checked, when they are complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "core/base/limits.hpp"
#include "core/proto/ws/block.hpp"
#include "core/proto/ws/deflate.hpp"
#include "core/proto/ws/frame.hpp"
#include "core/proto/ws/utf8.hpp"

namespace hc::ws {

/// What one frame or message has so far. Only while there is one.
struct Progress {
    FrameHead frame;             // the one under way
    std::uint64_t taken = 0;     // bytes of its payload
    std::uint32_t fragments = 0; // frames of the message
    bool in_frame = false;
    bool in_message = false;
    bool handed_out = false;        // the message: its memory goes with the next call
    bool compressed = false;        // the message
    Opcode opcode = Opcode::text;   // of the message
    std::uint8_t head_bytes = 0;    // of a head that is not complete
    std::uint8_t control_bytes = 0; // of a control frame's payload
    Utf8 text;
    char head[frame_head_bytes_max];
    char control[control_bytes_max];
    Block message;
};

/// What decoders and encoders of one worker share: scratch memory, and the state of compression for
/// those whose messages need none between them.
class Workshop {
public:
    explicit Workshop(const DeflateSettings& settings);
    Workshop(const Workshop&) = delete;
    Workshop& operator=(const Workshop&) = delete;
    ~Workshop();

    static constexpr std::size_t scratch_bytes = std::size_t{64} * 1024;
    std::span<char> scratch();
    /// They refer to nothing before the next message.
    Deflater& deflater(std::uint8_t bits);
    Inflater& inflater();
    Block& inflated() noexcept { return inflated_; }
    /// For what goes out; empty.
    Block& outgoing() noexcept;
    std::unique_ptr<Progress> progress();
    void give_back(std::unique_ptr<Progress> progress) noexcept;
    const DeflateSettings& settings() const noexcept { return settings_; }

    /// What a decoder's last event brought; good until the next call of any decoder.
    struct Found {
        Opcode opcode = Opcode::text;
        std::string_view bytes; // of a message, or the payload of a control frame
        Block* block = nullptr; // where they lie, when they may be taken over with it
        Failure failure;
    };
    Found found;
    /// Of a message: its bytes as memory that the caller keeps.
    Block take_found();

private:
    DeflateSettings settings_;
    std::unique_ptr<char[]> scratch_;
    std::unique_ptr<Deflater> deflaters_[window_bits_max + 1];
    std::unique_ptr<Inflater> inflater_;
    Block inflated_;
    Block outgoing_;
    std::unique_ptr<Progress> spare_;
};

class Decoder {
public:
    enum class Event : std::uint8_t { need_input, message, ping, pong, close, failed };

    /// `role`: ours. `incoming`: how the peer compresses.
    Decoder(Role role, Deflate::Direction incoming) noexcept
        : role_(role), bits_(incoming.bits), takeover_(incoming.takeover) {}

    /// Takes bytes off the front of `input`, and puts what it brings into `shop.found`. After
    /// need_input all of it is taken; after failed nothing is of use any more.
    Event next(std::string_view& input, const ConnectionLimits& limits, Workshop& shop);
    /// Nothing of a frame or a message has come.
    bool idle() const noexcept { return progress_ == nullptr; }

private:
    class Step;

    std::unique_ptr<Progress> progress_;
    std::unique_ptr<Inflater> own_inflater_; // when the context is taken over
    Role role_;
    std::uint8_t bits_;
    bool takeover_;
    bool failed_ = false;
};
static_assert(sizeof(Decoder) <= 24, "one in every idle WebSocket");

} // namespace hc::ws
