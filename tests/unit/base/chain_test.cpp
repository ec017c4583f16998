#include "core/base/chain.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <string>

#include "core/base/random.hpp"

namespace hc {
namespace {

/// Remembers what was lent and what came back.
class Lender final : public Chunk::Lender {
public:
    std::map<std::uint64_t, bool> back; // token, sent
    int twice = 0;
    void give_back(std::uint64_t token, bool sent) noexcept override {
        if (!back.emplace(token, sent).second) ++twice;
    }
};

/// All bytes; those of file chunks are made up from their offsets.
char file_byte(std::uint64_t offset) { return static_cast<char>('a' + offset % 26); }

std::string content(const Chain& chain) {
    std::string all;
    for (const Chunk* chunk = chain.head(); chunk != nullptr; chunk = chunk->next) {
        if (chunk->kind == Chunk::Kind::file) {
            for (std::uint64_t i = 0; i < chunk->size; ++i) all += file_byte(chunk->offset + i);
        } else {
            all.append(chunk->data, chunk->size);
        }
    }
    return all;
}

TEST(Chain, GathersSmallAppendsInOneChunk) {
    Chain chain;
    EXPECT_TRUE(chain.empty());
    chain.append("");
    EXPECT_TRUE(chain.empty());
    for (int i = 0; i < 50; ++i) chain.append("0123456789");
    EXPECT_EQ(chain.size(), 500U);
    ASSERT_NE(chain.head(), nullptr);
    EXPECT_EQ(chain.head()->next, nullptr);
    chain.consume(5);
    chain.append("!"); // behind the last byte, though the first moved
    EXPECT_EQ(content(chain).substr(493), "89!");
}

TEST(Chain, ABlockKeepsItsPlaceUntilItIsTaken) {
    Chain chain;
    chain.append("head");
    const std::string_view block = chain.append_block("block");
    for (int i = 0; i < 1000; ++i) chain.append("more and more");
    Chain moved = std::move(chain);
    moved.consume(4);
    EXPECT_EQ(block, "block");
    EXPECT_EQ(moved.head()->data, block.data());
}

TEST(Chain, ReservedRoomIsInOnePieceAndCommittedInPart) {
    Chain chain;
    chain.append("x");
    char* room = chain.reserve(100'000);
    std::memset(room, 'y', 10);
    chain.commit(10);
    EXPECT_EQ(content(chain), "xyyyyyyyyyy");
    room = chain.reserve(5);
    std::memcpy(room, "zzzzz", 5);
    chain.commit(5);
    chain.append("end");
    EXPECT_EQ(content(chain), "xyyyyyyyyyyzzzzzend");
    EXPECT_EQ(chain.size(), 19U);
}

TEST(Chain, TellsLendersOnceAndTruthfully) {
    Lender lender;
    {
        Chain chain;
        chain.append_lent("sent", &lender, 1);
        chain.append_lent("", &lender, 2);
        chain.append_lent("half", &lender, 3);
        chain.append_file(7, 100, 50, &lender, 4);
        chain.append_lent("not at all", nullptr, 0); // nobody to tell
        chain.consume(4);
        EXPECT_EQ(lender.back, (std::map<std::uint64_t, bool>{{1, true}, {2, true}}));
        chain.consume(2);
        EXPECT_EQ(lender.back.size(), 2U);
    }
    EXPECT_EQ(lender.back,
              (std::map<std::uint64_t, bool>{{1, true}, {2, true}, {3, false}, {4, false}}));
    EXPECT_EQ(lender.twice, 0);
}

TEST(Chain, MovesAndAppendsWholeChains) {
    Lender lender;
    Chain a;
    Chain b;
    a.append("one ");
    b.append_lent("two", &lender, 1);
    a.append(std::move(b));
    EXPECT_TRUE(b.empty());
    EXPECT_EQ(content(a), "one two");
    a.append(Chain());
    Chain& same = a;
    a.append(std::move(same));
    EXPECT_EQ(content(a), "one two");
    Chain c;
    c.append(std::move(a));
    EXPECT_EQ(content(c), "one two");
    c = Chain();
    EXPECT_EQ(lender.back, (std::map<std::uint64_t, bool>{{1, false}}));
}

/// A lender that appends to the chain that just gave its bytes back: what a driver does when a
/// watermark is reached.
class Refill final : public Chunk::Lender {
public:
    explicit Refill(Chain& chain) : chain_(chain) {}
    void give_back(std::uint64_t, bool sent) noexcept override {
        if (sent) chain_.append("more");
    }

private:
    Chain& chain_;
};

TEST(Chain, ALenderMayAppendWhileItIsTold) {
    Chain chain;
    Refill refill(chain);
    chain.append_lent("abc", &refill, 1);
    chain.consume(3);
    EXPECT_EQ(content(chain), "more");
    EXPECT_EQ(chain.size(), 4U);
}

/// A chain beside a string that does the same.
class Model {
public:
    explicit Model(std::uint64_t seed) : random_(seed) {}
    ~Model() {
        chain_.clear();
        EXPECT_EQ(lender_.back.size(), lent_);
        EXPECT_EQ(lender_.twice, 0);
    }

    void step() {
        switch (random_.below(9)) {
        case 0:
        case 1: append(chain_, expected_); break;
        case 2: { // through another chain
            Chain other;
            append(other, expected_);
            append(other, expected_);
            chain_.append(std::move(other));
            break;
        }
        case 3: { // moved away and back
            Chain other = std::move(chain_);
            EXPECT_TRUE(chain_.empty());
            chain_.swap(other);
            break;
        }
        case 4:
            if (random_.below(50) == 0) {
                chain_.clear();
                expected_.clear();
            }
            break;
        default: {
            const std::uint64_t n = random_.below(expected_.size() + 1);
            chain_.consume(n);
            expected_.erase(0, n);
        }
        }
        ASSERT_EQ(chain_.size(), expected_.size());
        ASSERT_EQ(content(chain_), expected_);
        std::uint64_t counted = 0;
        for (const Chunk* chunk = chain_.head(); chunk != nullptr; chunk = chunk->next) {
            const bool file = chunk->kind == Chunk::Kind::file;
            counted += file ? std::min(chunk->size, Chain::file_weight) : chunk->size;
        }
        ASSERT_EQ(chain_.memory_size(), counted);
    }

private:
    void append(Chain& chain, std::string& expected) {
        const std::uint64_t kind = random_.below(5);
        const std::uint64_t magnitude = random_.below(12);
        std::string bytes(random_.below(std::uint64_t{1} << magnitude), ' ');
        for (char& c : bytes) c = static_cast<char>(random_.next());
        if (kind == 4) {
            const std::uint64_t offset = random_.below(1000);
            for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = file_byte(offset + i);
            chain.append_file(3, offset, bytes.size(), &lender_, lent_++);
        } else if (kind == 3) {
            kept_.push_back(bytes);
            chain.append_lent(kept_.back(), &lender_, lent_++);
        } else if (kind == 2) {
            EXPECT_EQ(chain.append_block(bytes), bytes);
        } else if (kind == 1) {
            char* room = chain.reserve(bytes.size() + 1 + random_.below(100));
            std::ranges::copy(bytes, room);
            chain.commit(bytes.size());
        } else {
            chain.append(bytes);
        }
        expected += bytes;
    }

    Random random_;
    Lender lender_;
    std::uint64_t lent_ = 0;
    std::deque<std::string> kept_;
    Chain chain_;
    std::string expected_;
};

/// Parts of a chunk have its bytes, and its lender is told with the last of them.
TEST(Chain, TakesTheFrontWithoutCopying) {
    Lender lender;
    const std::string lent = "0123456789";
    Chain chain;
    chain.append("ab");
    chain.append_lent(lent, &lender, 7);
    chain.append_file(3, 5, 3'000, &lender, 8);
    const std::string all = content(chain);
    Chain first = chain.take(0);
    EXPECT_TRUE(first.empty());
    first = chain.take(5);
    EXPECT_EQ(content(first), "ab012");
    EXPECT_EQ(first.size(), 5U);
    EXPECT_EQ(static_cast<const void*>(first.head()->next->data), lent.data());
    Chain second = chain.take(4);
    EXPECT_EQ(content(second), "3456");
    EXPECT_EQ(chain.memory_size(), 3U + Chain::file_weight);
    first.consume(5);
    second.clear();
    EXPECT_TRUE(lender.back.empty()) << "some of it is here still";
    Chain third = chain.take(1'503);
    EXPECT_EQ(third.memory_size(), 3U + Chain::file_weight);
    EXPECT_EQ(chain.memory_size(), Chain::file_weight);
    EXPECT_TRUE(content(third) + content(chain) == all.substr(9));
    third.consume(3);
    EXPECT_EQ(lender.back, (std::map<std::uint64_t, bool>{{7, false}})) << "a part was dropped";
    chain.consume(1'500);
    third.consume(1'500);
    EXPECT_EQ(lender.back, (std::map<std::uint64_t, bool>{{7, false}, {8, true}}));
    EXPECT_EQ(lender.twice, 0);
    EXPECT_TRUE(chain.empty());
    EXPECT_EQ(third.memory_size(), 0U);
}

TEST(Chain, IsTheSameInManyParts) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        Random random(seed);
        Lender lender;
        const std::string bytes(1'000, 'x');
        Chain chain;
        for (std::uint64_t i = 0; i < 20; ++i) {
            if (random.below(2) == 0) chain.append_lent(bytes, &lender, i);
            else chain.append_file(3, i, 2'000, &lender, i);
        }
        const std::string all = content(chain);
        std::string seen;
        while (!chain.empty()) {
            const std::uint64_t n = std::min<std::uint64_t>(1 + random.below(3'000), chain.size());
            Chain part = chain.take(n);
            ASSERT_EQ(part.size(), n);
            seen += content(part);
            part.consume(n);
        }
        EXPECT_TRUE(seen == all);
        EXPECT_EQ(chain.memory_size(), 0U);
        EXPECT_EQ(lender.back.size(), 20U);
        EXPECT_TRUE(std::ranges::all_of(lender.back, [](const auto& one) { return one.second; }));
    }
}

TEST(Chain, IsAString) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        Model model(seed);
        for (int i = 0; i < 1000; ++i) {
            model.step();
            ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed << ", step " << i;
        }
    }
}

} // namespace
} // namespace hc
