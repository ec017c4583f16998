#include "core/runtime/future/child_set.hpp"

namespace hc::runtime::future_detail {

void WakeSet::Chain::push_back(Node& node) noexcept {
    node.next = nullptr;
    (last != nullptr ? last->next : first) = &node;
    last = &node;
}

void WakeSet::Chain::splice_back(Chain& other) noexcept {
    if (other.first == nullptr) return;
    (last != nullptr ? last->next : first) = other.first;
    last = other.last;
    other = Chain{};
}

WakeSet::Node& WakeSet::Chain::pop_front() noexcept {
    Node& node = *first;
    first = node.next;
    if (first == nullptr) last = nullptr;
    return node;
}

WakeSet::WakeSet(std::size_t count) : nodes_(std::make_unique<Node[]>(count)) {
    for (std::size_t i = 0; i < count; ++i) {
        nodes_[i].set = this;
        queue_.push_back(nodes_[i]);
    }
}

WakeSet::Ptr WakeSet::create(std::size_t count) { return Ptr(new WakeSet(count)); }

Waker WakeSet::waker_of(Node& node) noexcept {
    refs_.fetch_add(1, std::memory_order_relaxed);
    return {&table, &node};
}

void WakeSet::take(Chain& woken, const Waker& parent) {
    Waker before; // dropped after the mutex was let go
    const std::lock_guard lock(mutex_);
    if (!parent_.will_wake(parent)) before = std::exchange(parent_, parent);
    woken.splice_back(queue_);
}

void WakeSet::leave() noexcept {
    {
        Waker parent;
        const std::lock_guard lock(mutex_);
        parent = std::exchange(parent_, Waker());
    }
    drop();
}

void WakeSet::wake(Node& node) noexcept {
    if (node.queued.exchange(true, std::memory_order_acq_rel)) return;
    Waker parent;
    {
        const std::lock_guard lock(mutex_);
        queue_.push_back(node);
        parent = std::exchange(parent_, Waker());
    }
    parent.wake();
}

void WakeSet::drop() noexcept {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

constexpr WakerTable WakeSet::table{
    [](void* data) -> void* {
        static_cast<Node*>(data)->set->refs_.fetch_add(1, std::memory_order_relaxed);
        return data;
    },
    [](void* data) noexcept {
        auto& node = *static_cast<Node*>(data);
        node.set->wake(node);
    },
    [](void* data) noexcept { static_cast<Node*>(data)->set->drop(); },
};

} // namespace hc::runtime::future_detail
