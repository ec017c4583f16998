#include "core/runtime/sched/injector.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace hc::runtime::sched {
namespace {

struct Item {
    int number = 0;
    Item* next = nullptr;
};
Item*& next_of(Item& item) { return item.next; }

class InjectorTest : public testing::Test {
protected:
    InjectorTest() {
        for (std::size_t i = 0; i < items.size(); ++i) {
            items[i].number = static_cast<int>(i);
            pointers[i] = &items[i];
        }
    }
    std::span<Item* const> some(std::size_t from, std::size_t count) const {
        return std::span(pointers).subspan(from, count);
    }
    std::vector<int> drain() {
        std::vector<int> numbers;
        while (const Item* item = queue.pop()) numbers.push_back(item->number);
        return numbers;
    }

    Injector<Item, &Item::next> queue;
    std::array<Item, 16> items;
    std::array<Item*, 16> pointers;
};

using Numbers = std::vector<int>;

TEST_F(InjectorTest, IsFirstInFirstOut) {
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(queue.pop(), nullptr);
    EXPECT_TRUE(queue.push(&items[0]));
    EXPECT_TRUE(queue.push_many(some(1, 3)));
    EXPECT_TRUE(queue.push_many({}));
    EXPECT_TRUE(queue.push(&items[4]));
    EXPECT_EQ(queue.size(), 5U);
    EXPECT_EQ(drain(), (Numbers{0, 1, 2, 3, 4}));
    EXPECT_TRUE(queue.empty());
    EXPECT_TRUE(queue.push_many(some(5, 2))) << "it can be used again";
    EXPECT_EQ(drain(), (Numbers{5, 6}));
}

TEST_F(InjectorTest, PopsAsManyAsAreWanted) {
    std::array<Item*, 3> out{};
    EXPECT_EQ(queue.pop_some(out), 0U);
    ASSERT_TRUE(queue.push_many(some(0, 5)));
    EXPECT_EQ(queue.pop_some({}), 0U);
    EXPECT_EQ(queue.pop_some(out), 3U);
    EXPECT_EQ(out[2]->number, 2);
    EXPECT_EQ(queue.size(), 2U);
    EXPECT_EQ(queue.pop_some(out), 2U);
    EXPECT_EQ(out[1]->number, 4);
    EXPECT_TRUE(queue.empty());
    ASSERT_TRUE(queue.push(&items[7]));
    EXPECT_EQ(drain(), (Numbers{7}));
}

TEST_F(InjectorTest, TakesNothingWhenItIsClosed) {
    ASSERT_TRUE(queue.push_many(some(0, 2)));
    EXPECT_FALSE(queue.is_closed());
    EXPECT_TRUE(queue.close());
    EXPECT_FALSE(queue.close()) << "it was closed before";
    EXPECT_TRUE(queue.is_closed());
    EXPECT_FALSE(queue.push(&items[2]));
    EXPECT_FALSE(queue.push_many(some(3, 2)));
    EXPECT_EQ(drain(), (Numbers{0, 1})) << "what was there comes out";
}

TEST_F(InjectorTest, LinksThroughAFunction) {
    Injector<Item, &next_of> other;
    EXPECT_TRUE(other.push_many(some(0, 2)));
    EXPECT_EQ(other.pop()->number, 0);
    EXPECT_EQ(other.pop()->number, 1);
}

} // namespace
} // namespace hc::runtime::sched
