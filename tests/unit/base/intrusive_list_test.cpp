#include "core/base/intrusive_list.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "core/base/random.hpp"

namespace hc {
namespace {

// Two nodes, for two lists at once.
struct NodeA : ListNode {};
struct NodeB : ListNode {};
struct Item : NodeA, NodeB {
    explicit Item(int n) : number(n) {}
    int number;
};
using ListA = IntrusiveList<Item, NodeA>;
using ListB = IntrusiveList<Item, NodeB>;

template <class List>
std::vector<int> numbers(List& list) {
    std::vector<int> all;
    list.for_each([&](Item& item) { all.push_back(item.number); });
    return all;
}

TEST(IntrusiveList, KeepsOrder) {
    ListA list;
    EXPECT_TRUE(list.empty());
    EXPECT_EQ(list.pop_front(), nullptr);
    Item one(1);
    Item two(2);
    list.push_back(one);
    list.push_back(two);
    EXPECT_EQ(list.front().number, 1);
    EXPECT_EQ(numbers(list), (std::vector{1, 2}));
    EXPECT_EQ(list.pop_front(), &one);
    EXPECT_FALSE(one.NodeA::linked());
    list.push_back(one);
    EXPECT_EQ(numbers(list), (std::vector{2, 1}));
}

TEST(IntrusiveList, AnObjectLeavesWhenItIsDestroyed) {
    ListA list;
    Item before(1);
    list.push_back(before);
    {
        Item gone(2);
        list.push_back(gone);
    }
    Item after(3);
    list.push_back(after);
    EXPECT_EQ(numbers(list), (std::vector{1, 3}));
}

TEST(IntrusiveList, ADestroyedListLetsItsObjectsGo) {
    Item item(1);
    {
        ListA list;
        list.push_back(item);
    }
    EXPECT_FALSE(item.NodeA::linked());
    item.NodeA::unlink(); // harmless
    ListA other;
    other.push_back(item);
    EXPECT_EQ(numbers(other), (std::vector{1}));
}

TEST(IntrusiveList, OneObjectInTwoLists) {
    ListA a;
    ListB b;
    Item item(1);
    a.push_back(item);
    b.push_back(item);
    item.NodeA::unlink();
    EXPECT_TRUE(a.empty());
    EXPECT_EQ(numbers(b), (std::vector{1}));
}

TEST(IntrusiveList, SplicesWholeLists) {
    ListA a;
    ListA b;
    Item one(1);
    Item two(2);
    Item three(3);
    a.splice_back(b);
    EXPECT_TRUE(a.empty());
    b.push_back(one);
    b.push_back(two);
    a.splice_back(b);
    EXPECT_TRUE(b.empty());
    b.push_back(three);
    a.splice_back(b);
    EXPECT_EQ(numbers(a), (std::vector{1, 2, 3}));
    two.NodeA::unlink();
    EXPECT_EQ(numbers(a), (std::vector{1, 3}));
}

TEST(IntrusiveList, TheVisitedObjectMayLeave) {
    ListA list;
    std::vector<std::unique_ptr<Item>> items;
    for (int i = 0; i < 10; ++i) {
        items.push_back(std::make_unique<Item>(i));
        list.push_back(*items.back());
    }
    list.for_each([&](Item& item) {
        if (item.number % 2 == 0) items[static_cast<std::size_t>(item.number)].reset();
    });
    EXPECT_EQ(numbers(list), (std::vector{1, 3, 5, 7, 9}));
}

TEST(IntrusiveList, DoesWhatAVectorDoes) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        Random random(seed);
        std::array<ListA, 2> lists;
        std::array<std::vector<int>, 2> expected;
        std::vector<std::unique_ptr<Item>> items;
        for (int i = 0; i < 30; ++i) items.push_back(std::make_unique<Item>(i));
        for (int step = 0; step < 5000; ++step) {
            const std::size_t which = random.below(2);
            const int n = static_cast<int>(random.below(items.size()));
            auto& item = items[static_cast<std::size_t>(n)];
            switch (random.below(5)) {
            case 0:
            case 1:
                if (item->NodeA::linked()) break;
                lists[which].push_back(*item);
                expected[which].push_back(n);
                break;
            case 2:
                item->NodeA::unlink();
                for (auto& list : expected) std::erase(list, n);
                break;
            case 3: {
                Item* front = lists[which].pop_front();
                ASSERT_EQ(front == nullptr, expected[which].empty());
                if (front == nullptr) break;
                ASSERT_EQ(front->number, expected[which].front());
                expected[which].erase(expected[which].begin());
                break;
            }
            default:
                if (random.below(10) != 0) break;
                lists[which].splice_back(lists[1 - which]);
                std::ranges::copy(expected[1 - which], std::back_inserter(expected[which]));
                expected[1 - which].clear();
            }
            for (std::size_t i = 0; i < 2; ++i) ASSERT_EQ(numbers(lists[i]), expected[i]);
        }
    }
}

} // namespace
} // namespace hc
