// Coded bodies, for tests: how they are made and read.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <string>
#include <string_view>

#include "core/base/chain.hpp"
#include "core/proto/coding/decoder.hpp"
#include "core/proto/coding/encoder.hpp"

namespace hc::link::test {

/// Words: text that becomes much smaller.
inline std::string prose(std::size_t size) {
    static constexpr std::string_view words[] = {"the ", "stream ", "of ", "credit ", "window\n"};
    std::mt19937 random(7);
    std::string text;
    while (text.size() < size) text += words[random() % 5];
    text.resize(size);
    return text;
}

/// Text that does not become smaller.
inline std::string noise(std::size_t size) {
    std::mt19937 random(7);
    std::string text;
    while (text.size() < size) text += static_cast<char>(random());
    return text;
}

inline std::string text_of(const Chain& chain) {
    std::string text;
    for (const Chunk* chunk = chain.head(); chunk != nullptr; chunk = chunk->next) {
        text.append(chunk->data, chunk->size);
    }
    return text;
}

inline std::string encode(http::ContentCoding coding, std::string_view bytes) {
    coding::KeptBlocks blocks(0);
    const auto encoder = coding::make_encoder(coding, {}, blocks);
    Chain out;
    EXPECT_TRUE(encoder->begin(bytes.size()));
    EXPECT_TRUE(encoder->feed(bytes, coding::Flush::end, out));
    return text_of(out);
}

/// What a client has of a coded body so far.
struct Decoded {
    std::string text;
    bool good = false; // no error
    bool complete = false;
};
inline Decoded decode(http::ContentCoding coding, std::string_view bytes) {
    coding::BodyDecoder decoder({&coding, 1}, {});
    Decoded out;
    std::string room(4096, '\0');
    for (;;) {
        std::size_t size = 0;
        const coding::Decoded step = decoder.step(bytes, room, size);
        if (step != coding::Decoded::bytes) {
            out.good = step == coding::Decoded::wants_input;
            break;
        }
        out.text.append(room.data(), size);
    }
    out.complete = out.good && decoder.complete();
    return out;
}

/// A response as a client reads it.
struct Reply {
    std::string head;
    std::string body; // without chunks
    bool ended = false;
    std::size_t chunks = 0;
};
inline Reply read_reply(std::string_view bytes) {
    Reply reply;
    const std::size_t end = bytes.find("\r\n\r\n");
    if (end == std::string_view::npos) return reply;
    reply.head = bytes.substr(0, end + 2);
    bytes.remove_prefix(end + 4);
    if (reply.head.find("Transfer-Encoding: chunked") == std::string::npos) {
        reply.body = bytes;
        return reply;
    }
    while (!bytes.empty() && !reply.ended) {
        const std::size_t line = bytes.find("\r\n");
        const std::size_t size =
            std::strtoul(std::string(bytes.substr(0, line)).c_str(), nullptr, 16);
        if (line == std::string_view::npos || bytes.size() < line + 2 + size + 2) break;
        reply.body += bytes.substr(line + 2, size);
        bytes.remove_prefix(line + 2 + size + 2);
        reply.ended = size == 0;
        reply.chunks += size > 0 ? 1 : 0;
    }
    return reply;
}

} // namespace hc::link::test
