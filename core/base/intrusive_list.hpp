// A doubly linked list whose nodes are members of the objects: no allocation, O(1) removal.
#pragma once

#include <cstddef>

namespace hc {

/// A place in at most one list. An object leaves its list when it is destroyed.
struct ListNode {
    ListNode* prev = nullptr;
    ListNode* next = nullptr;

    ListNode() = default;
    ListNode(const ListNode&) = delete;
    ListNode& operator=(const ListNode&) = delete;
    ~ListNode() { unlink(); }

    bool linked() const noexcept { return next != nullptr; }
    void unlink() noexcept {
        if (next == nullptr) return;
        prev->next = next;
        next->prev = prev;
        prev = next = nullptr;
    }
};

/// A list of `T`, each of which derives from `Node` (ListNode, or a type of its own that derives
/// from it when T is in several lists). The list owns nothing.
template <class T, class Node = ListNode>
class IntrusiveList {
public:
    IntrusiveList() noexcept { root_.prev = root_.next = &root_; }
    ~IntrusiveList() {
        clear();
        root_.prev = root_.next = nullptr; // so that root_'s own destructor does not unlink it
    }
    IntrusiveList(const IntrusiveList&) = delete;
    IntrusiveList& operator=(const IntrusiveList&) = delete;

    bool empty() const noexcept { return root_.next == &root_; }
    T& front() noexcept { return static_cast<T&>(static_cast<Node&>(*root_.next)); }
    void push_back(T& item) noexcept {
        ListNode& node = static_cast<Node&>(item);
        node.prev = root_.prev;
        node.next = &root_;
        root_.prev->next = &node;
        root_.prev = &node;
    }
    T* pop_front() noexcept {
        if (empty()) return nullptr;
        T& item = front();
        static_cast<Node&>(item).unlink();
        return &item;
    }
    /// Moves everything in `other` behind what is here.
    void splice_back(IntrusiveList& other) noexcept {
        if (other.empty()) return;
        root_.prev->next = other.root_.next;
        other.root_.next->prev = root_.prev;
        root_.prev = other.root_.prev;
        root_.prev->next = &root_;
        other.root_.prev = other.root_.next = &other.root_;
    }
    void clear() noexcept {
        while (pop_front() != nullptr) {}
    }
    /// Calls `visit(T&)` for each; `visit` may unlink the item it is given, and no other.
    template <class Visit>
    void for_each(Visit&& visit) {
        for (ListNode* node = root_.next; node != &root_;) {
            ListNode* next = node->next;
            visit(static_cast<T&>(static_cast<Node&>(*node)));
            node = next;
        }
    }

private:
    ListNode root_;
};

} // namespace hc
