// Round trips through the encoders and decoders, and what is done to decoders by those who do not
// use encoders.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "core/proto/coding/decoder.hpp"
#include "core/proto/coding/encoder.hpp"

namespace hc::coding {
namespace {

using http::ContentCoding;
constexpr ContentCoding all[] = {ContentCoding::gzip, ContentCoding::brotli, ContentCoding::zstd};

std::string text_of(const Chain& chain) {
    std::string text;
    for (const Chunk* chunk = chain.head(); chunk != nullptr; chunk = chunk->next) {
        text.append(chunk->data, chunk->size);
    }
    return text;
}

/// Words, so that there is something to find again, and every so often noise.
std::string prose(std::size_t size, std::uint32_t seed = 1) {
    static constexpr std::string_view words[] = {"the ", "stream ", "of ", "credit ", "window\n"};
    std::mt19937 random(seed);
    std::string text;
    while (text.size() < size) {
        text += words[random() % 5];
        if (random() % 7 == 0) text += static_cast<char>(random());
    }
    text.resize(size);
    return text;
}

std::string encode(ContentCoding coding, std::string_view bytes,
                   const EncoderOptions& options = {}) {
    KeptBlocks blocks(0);
    auto encoder = make_encoder(coding, options, blocks);
    Chain out;
    EXPECT_TRUE(encoder->begin(bytes.size()));
    EXPECT_TRUE(encoder->feed(bytes, Flush::end, out));
    return text_of(out);
}

struct Outcome {
    std::string text;
    Decoded last = Decoded::wants_input;
    bool complete = false;
    bool good() const { return last == Decoded::wants_input && complete; }
};

/// Decodes in slices and into rooms of such sizes.
Outcome decode(std::initializer_list<ContentCoding> codings, std::string_view bytes,
               std::size_t slice = SIZE_MAX, std::size_t room = 4096,
               const DecoderLimits& limits = {}) {
    BodyDecoder decoder({codings.begin(), codings.size()}, limits);
    Outcome outcome;
    std::string out(room, '\0');
    do {
        std::string_view input = bytes.substr(0, slice);
        bytes.remove_prefix(input.size());
        do {
            std::size_t size = 0;
            outcome.last = decoder.step(input, out, size);
            EXPECT_EQ(size > 0, outcome.last == Decoded::bytes);
            if (outcome.last == Decoded::bytes) outcome.text.append(out.data(), size);
        } while (outcome.last == Decoded::bytes);
        if (outcome.last != Decoded::wants_input) return outcome;
        EXPECT_TRUE(input.empty());
    } while (!bytes.empty());
    outcome.complete = decoder.complete();
    return outcome;
}

TEST(Coding, RoundTripsInSlicesOfAnySize) {
    for (const ContentCoding coding : all) {
        for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{100},
                                       std::size_t{70'000}, std::size_t{700'000}}) {
            const std::string text = prose(size);
            const std::string coded = encode(coding, text);
            EXPECT_GT(coded.size(), 0U);
            if (size > 100) EXPECT_LT(coded.size(), size / 2);
            for (const std::size_t slice : {std::size_t{1}, std::size_t{1000}, SIZE_MAX}) {
                if (slice == 1 && size > 100'000) continue;
                const Outcome back = decode({coding}, coded, slice);
                EXPECT_TRUE(back.good()) << coding_text(coding) << ' ' << size << ' ' << slice;
                EXPECT_TRUE(back.text == text) << coding_text(coding) << ' ' << size;
            }
        }
    }
}

TEST(Coding, RoundTripsWithFlushesAnywhere) {
    for (const ContentCoding coding : all) {
        for (std::uint32_t seed = 1; seed <= 20; ++seed) {
            std::mt19937 random(seed);
            KeptBlocks blocks(1 << 20);
            const auto encoder = make_encoder(coding, {}, blocks);
            const std::string text = prose(random() % 60'000, seed);
            ASSERT_TRUE(encoder->begin(std::nullopt));
            BodyDecoder decoder({&coding, 1}, {});
            std::string got;
            std::size_t coded_bytes = 0;
            std::string room(1 + random() % 5000, '\0');
            for (std::size_t fed = 0, done = 0; done == 0;) {
                const std::size_t size = std::min<std::size_t>(random() % 9000, text.size() - fed);
                const bool last = fed + size == text.size();
                const auto flush = last                ? Flush::end
                                   : random() % 3 == 0 ? Flush::flush
                                                       : Flush::none;
                Chain out;
                ASSERT_TRUE(encoder->feed(std::string_view(text).substr(fed, size), flush, out));
                fed += size;
                done = last ? 1 : 0;
                const std::string coded = text_of(out);
                coded_bytes += coded.size();
                std::string_view input = coded;
                Decoded step = Decoded::bytes;
                while (step == Decoded::bytes) {
                    std::size_t n = 0;
                    step = decoder.step(input, room, n);
                    if (step == Decoded::bytes) got.append(room.data(), n);
                }
                ASSERT_EQ(step, Decoded::wants_input);
                // What a flush promises:
                if (flush != Flush::none) {
                    ASSERT_TRUE(got == text.substr(0, fed)) << coding_text(coding) << ' ' << seed;
                }
                EXPECT_EQ(decoder.complete(), last || coded_bytes == 0);
            }
            EXPECT_TRUE(got == text);
        }
    }
}

TEST(Coding, AFlushOfNothingIsNoBody) {
    for (const ContentCoding coding : all) {
        KeptBlocks blocks(0);
        const auto encoder = make_encoder(coding, {}, blocks);
        ASSERT_TRUE(encoder->begin(std::nullopt));
        Chain out;
        for (int i = 0; i < 3; ++i) ASSERT_TRUE(encoder->feed({}, Flush::flush, out));
        ASSERT_TRUE(encoder->feed("text", Flush::flush, out));
        ASSERT_TRUE(encoder->feed({}, Flush::end, out));
        const Outcome back = decode({coding}, text_of(out));
        EXPECT_TRUE(back.good()) << coding_text(coding);
        EXPECT_EQ(back.text, "text");
    }
}

TEST(Coding, EveryLevelAndWindowRoundTrips) {
    const std::string text = prose(50'000);
    for (std::uint32_t level = 0; level <= 11; ++level) {
        EncoderOptions options;
        options.gzip_level = std::clamp(level, 1U, 9U);
        options.brotli_level = level;
        options.zstd_level = std::max(1U, level);
        options.gzip_window_bits = std::clamp(level + 5, 9U, 15U);
        options.brotli_window_bits = level + 10;
        options.zstd_window_bits = level + 10;
        for (const ContentCoding coding : all) {
            const Outcome back = decode({coding}, encode(coding, text, options));
            EXPECT_TRUE(back.good() && back.text == text) << coding_text(coding) << ' ' << level;
        }
    }
}

TEST(Coding, SeveralCodingsAreUndoneFromTheLastToTheFirst) {
    const std::string text = prose(100'000);
    for (const ContentCoding first : all) {
        for (const ContentCoding second : all) {
            const std::string coded = encode(second, encode(first, text));
            const Outcome back = decode({first, second}, coded, 777);
            EXPECT_TRUE(back.good() && back.text == text)
                << coding_text(first) << ' ' << coding_text(second);
            if (first != second) {
                EXPECT_EQ(decode({second, first}, coded).last, Decoded::malformed);
            }
        }
    }
}

TEST(Coding, ABodyThatIsCutOffIsNotComplete) {
    const std::string text = prose(3'000);
    for (const ContentCoding coding : all) {
        const std::string coded = encode(coding, text);
        for (std::size_t cut = 1; cut < coded.size(); ++cut) {
            const Outcome back = decode({coding}, std::string_view(coded).substr(0, cut));
            ASSERT_EQ(back.last, Decoded::wants_input) << coding_text(coding) << ' ' << cut;
            ASSERT_FALSE(back.complete) << coding_text(coding) << ' ' << cut;
            ASSERT_TRUE(text.starts_with(back.text)) << coding_text(coding) << ' ' << cut;
        }
        EXPECT_TRUE(decode({coding}, "").good()) << "no bytes are no body";
    }
    const std::string twice = encode(ContentCoding::brotli, encode(ContentCoding::gzip, text));
    for (std::size_t cut = 1; cut < twice.size(); ++cut) {
        const Outcome back = decode({ContentCoding::gzip, ContentCoding::brotli},
                                    std::string_view(twice).substr(0, cut));
        ASSERT_FALSE(back.complete) << cut;
    }
    // The outer one is whole, the inner one is not.
    const std::string inner = encode(ContentCoding::gzip, text);
    const std::string outer =
        encode(ContentCoding::brotli, std::string_view(inner).substr(0, inner.size() - 1));
    EXPECT_FALSE(decode({ContentCoding::gzip, ContentCoding::brotli}, outer).complete);
}

TEST(Coding, MembersAndFramesMayFollowEachOther) {
    for (const ContentCoding coding : {ContentCoding::gzip, ContentCoding::zstd}) {
        const std::string coded =
            encode(coding, "one ") + encode(coding, "") + encode(coding, "two");
        for (const std::size_t slice : {std::size_t{1}, std::size_t{7}, SIZE_MAX}) {
            const Outcome back = decode({coding}, coded, slice);
            EXPECT_TRUE(back.good()) << coding_text(coding);
            EXPECT_EQ(back.text, "one two");
        }
    }
    const std::string brotli = encode(ContentCoding::brotli, "one");
    EXPECT_EQ(decode({ContentCoding::brotli}, brotli + brotli).last, Decoded::malformed);
}

TEST(Coding, GarbageBehindTheEndIsRefused) {
    for (const ContentCoding coding : all) {
        const std::string coded = encode(coding, "text");
        for (const std::string_view garbage : {"garbage!", "\n\n\n\n\n", "\xff\xff\xff\xff"}) {
            for (const std::size_t slice : {std::size_t{1}, coded.size(), SIZE_MAX}) {
                EXPECT_EQ(decode({coding}, coded + std::string(garbage), slice).last,
                          Decoded::malformed)
                    << coding_text(coding) << ' ' << garbage;
            }
        }
    }
}

TEST(Coding, WhatIsNotCodedIsRefused) {
    for (const ContentCoding coding : all) {
        const Outcome back = decode({coding}, "This is a text as any other, not a coded one.");
        EXPECT_FALSE(back.good()) << coding_text(coding);
    }
    // Every byte changed once: an error, or the text, or (without a checksum) another one.
    const std::string text = prose(500);
    const std::string coded = encode(ContentCoding::gzip, text);
    for (std::size_t i = 0; i < coded.size(); ++i) {
        std::string changed = coded;
        changed[i] = static_cast<char>(changed[i] ^ 0x55);
        const Outcome back = decode({ContentCoding::gzip}, changed);
        if (back.good()) EXPECT_TRUE(back.text == text) << i;
    }
}

TEST(Coding, BombsEndAtTheBoundOfBytes) {
    const std::string zeros(20'000'000, '\0');
    for (const ContentCoding coding : all) {
        const std::string bomb = encode(coding, zeros);
        EXPECT_LT(bomb.size(), 30'000U);
        const DecoderLimits limits{.bytes_max = 1'000'000};
        const Outcome back = decode({coding}, bomb, SIZE_MAX, 16'384, limits);
        EXPECT_EQ(back.last, Decoded::too_large) << coding_text(coding);
        EXPECT_LE(back.text.size(), 1'000'000U);
        EXPECT_GT(back.text.size(), 900'000U);
        // Of a bomb in a bomb the inner one is not even begun.
        const std::string outer = encode(ContentCoding::gzip, bomb);
        EXPECT_EQ(decode({coding, ContentCoding::gzip}, outer, SIZE_MAX, 16'384, limits).last,
                  Decoded::too_large);
    }
    const std::string exact = encode(ContentCoding::gzip, zeros.substr(0, 1'000'000));
    EXPECT_TRUE(decode({ContentCoding::gzip}, exact, 100, 4096, {.bytes_max = 1'000'000}).good());
    EXPECT_EQ(decode({ContentCoding::gzip}, exact, 100, 4096, {.bytes_max = 999'999}).last,
              Decoded::too_large);
}

TEST(Coding, BombsEndAtTheBoundOfTheRatio) {
    const std::string zeros(20'000'000, '\0');
    const DecoderLimits limits{.ratio_max = 100, .ratio_from_bytes = 100'000};
    for (const ContentCoding coding : all) {
        const Outcome back = decode({coding}, encode(coding, zeros), 64, 4096, limits);
        EXPECT_EQ(back.last, Decoded::too_large) << coding_text(coding);
        EXPECT_LT(back.text.size(), 200'000U);
        EXPECT_TRUE(
            decode({coding}, encode(coding, zeros.substr(0, 90'000)), 64, 4096, limits).good());
        const std::string text = prose(1'000'000);
        EXPECT_TRUE(decode({coding}, encode(coding, text), 64, 4096, limits).text == text);
    }
}

TEST(Coding, AFrameThatAsksForTooMuchMemoryIsRefused) {
    EncoderOptions options;
    options.zstd_window_bits = 23;
    KeptBlocks blocks(0);
    const auto encoder = make_encoder(ContentCoding::zstd, options, blocks);
    Chain out;
    ASSERT_TRUE(encoder->begin(std::nullopt));
    ASSERT_TRUE(encoder->feed(prose(10'000), Flush::flush, out)); // its size is not known yet
    ASSERT_TRUE(encoder->feed({}, Flush::end, out));
    const std::string coded = text_of(out);
    EXPECT_TRUE(decode({ContentCoding::zstd}, coded).good());
    EXPECT_EQ(decode({ContentCoding::zstd}, coded, 100, 4096, {.zstd_window_bits_max = 22}).last,
              Decoded::too_large);
}

TEST(EncoderPool, GivesNoMoreThanItsBound) {
    EncoderPool pool({}, 2, 1);
    for (const ContentCoding coding : all) {
        auto first = pool.take(coding, std::nullopt);
        auto second = pool.take(coding, std::nullopt);
        ASSERT_TRUE(first != nullptr && second != nullptr);
        EXPECT_EQ(pool.take(coding, std::nullopt), nullptr);
        const Encoder* const kept = first.get();
        pool.give(coding, std::move(first));
        first = pool.take(coding, std::nullopt);
        EXPECT_EQ(first.get(), kept) << "what was given back is used again";
        pool.give(coding, std::move(first));
        pool.give(coding, std::move(second));
        EXPECT_EQ(pool.out(), 0U);
    }
}

TEST(EncoderPool, ABodyThatWasGivenUpLeavesNothingToTheNext) {
    EncoderPool pool({}, 1, 1);
    for (const ContentCoding coding : all) {
        for (int i = 0; i < 3; ++i) {
            auto encoder =
                pool.take(coding, i == 1 ? std::optional<std::uint64_t>(5) : std::nullopt);
            ASSERT_NE(encoder, nullptr);
            Chain out;
            ASSERT_TRUE(encoder->feed("other", Flush::none, out));
            if (i == 1) ASSERT_TRUE(encoder->feed({}, Flush::end, out));
            pool.give(coding, std::move(encoder));
        }
        auto encoder = pool.take(coding, std::nullopt);
        Chain out;
        ASSERT_TRUE(encoder->feed("text", Flush::end, out));
        EXPECT_EQ(decode({coding}, text_of(out)).text, "text") << coding_text(coding);
        pool.give(coding, std::move(encoder));
    }
}

} // namespace
} // namespace hc::coding
