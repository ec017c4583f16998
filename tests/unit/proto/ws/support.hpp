// What the tests of WebSocket share: frames by hand, and a peer that reads them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/proto/ws/decoder.hpp"

namespace hc::ws {

struct Frame {
    Opcode opcode = Opcode::text;
    std::string_view payload;
    bool fin = true;
    bool compressed = false;
    bool masked = true;
    std::uint32_t mask = 0x21fa3d37;
};

inline std::string frame(const Frame& f) {
    char head[frame_head_bytes_max];
    const std::uint32_t* mask = f.masked ? &f.mask : nullptr;
    char* end = write_frame_head(head, f.opcode, f.fin, f.compressed, f.payload.size(), mask);
    std::string out(head, end);
    std::string payload(f.payload);
    if (f.masked) apply_mask(payload.data(), payload.data(), payload.size(), f.mask, 0);
    return out + payload;
}

/// What a decoder made of some bytes, one line an event: "text hello", "ping x", "failed 1002".
struct Reading {
    std::vector<std::string> events;
    std::string_view failure;
    std::uint16_t code = code::none;
};

class Peer {
public:
    explicit Peer(Role role = Role::server, Deflate::Direction incoming = {},
                  const DeflateSettings& settings = {})
        : shop(settings), decoder(role, incoming) {}

    /// Gives it all of `bytes`, `slice` at a time.
    Reading& read(std::string_view bytes, std::size_t slice = SIZE_MAX) {
        while (!bytes.empty() && reading.code == code::none) {
            std::string_view input = bytes.substr(0, slice);
            bytes.remove_prefix(input.size());
            // Bytes of exactly this size, so that a sanitizer sees what reads beyond them.
            const std::string own(input);
            input = own;
            while (step(input)) {}
        }
        return reading;
    }

    ConnectionLimits limits;
    Workshop shop;
    Decoder decoder;
    Reading reading;

private:
    bool step(std::string_view& input) {
        switch (decoder.next(input, limits, shop)) {
        case Decoder::Event::need_input: return false;
        case Decoder::Event::message:
            return note(shop.found.opcode == Opcode::text ? "text " : "binary ");
        case Decoder::Event::ping: return note("ping ");
        case Decoder::Event::pong: return note("pong ");
        case Decoder::Event::close: return note("close ");
        case Decoder::Event::failed: break;
        }
        reading.code = shop.found.failure.code;
        reading.failure = shop.found.failure.text;
        reading.events.push_back("failed " + std::to_string(reading.code));
        return false;
    }
    bool note(std::string_view what) {
        reading.events.push_back(std::string(what).append(shop.found.bytes));
        return true;
    }
};

} // namespace hc::ws
