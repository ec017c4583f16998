#include "core/runtime/sync/cancellation_token.hpp"

#include <atomic>
#include <cstddef>
#include <mutex>

#include "core/base/intrusive_list.hpp"

namespace hc::runtime {

using sync_detail::Verdict;

struct CancellationToken::Node : ListNode {
    explicit Node(Node* above) noexcept : parent(above) {}

    Node* hold() noexcept {
        refs.fetch_add(1, std::memory_order_relaxed);
        return this;
    }
    /// False when the last reference is gone.
    bool try_hold() noexcept {
        std::size_t count = refs.load(std::memory_order_relaxed);
        while (count != 0) {
            if (refs.compare_exchange_weak(count, count + 1, std::memory_order_relaxed)) break;
        }
        return count != 0;
    }

    Node* const parent; // a counted reference, or none
    std::atomic<std::size_t> refs{1};
    std::atomic<bool> cancelled{false};
    sync_detail::ShortMutex mutex;
    sync_detail::WaitLine line;
    IntrusiveList<Node> children;
};

void CancellationToken::drop(Node* node) noexcept {
    while (node != nullptr && node->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        Node* const parent = node->parent;
        if (parent != nullptr) {
            const std::lock_guard lock(parent->mutex);
            node->unlink();
        }
        delete node;
        node = parent;
    }
}

CancellationToken::CancellationToken() : node_(new Node(nullptr)) {}

CancellationToken::CancellationToken(const CancellationToken& other) noexcept
    : node_(other.node_ == nullptr ? nullptr : other.node_->hold()) {}

CancellationToken::~CancellationToken() { drop(node_); }

CancellationToken CancellationToken::child_token() const {
    auto* const child = new Node(node_->hold());
    {
        const std::lock_guard lock(node_->mutex);
        if (node_->cancelled.load(std::memory_order_relaxed)) {
            child->cancelled.store(true, std::memory_order_relaxed);
        } else {
            node_->children.push_back(*child);
        }
    }
    return CancellationToken(child);
}

bool CancellationToken::is_cancelled() const noexcept {
    return node_->cancelled.load(std::memory_order_acquire);
}

void CancellationToken::cancel() const noexcept {
    IntrusiveList<Node> below; // all held
    for (Node* node = node_; node != nullptr; node = below.pop_front()) {
        const CancellationToken held(node == node_ ? node->hold() : node);
        std::unique_lock lock(node->mutex);
        if (node->cancelled.load(std::memory_order_relaxed)) continue;
        node->cancelled.store(true, std::memory_order_release);
        while (Node* child = node->children.pop_front()) {
            if (child->try_hold()) below.push_back(*child);
        }
        node->line.take_all(Verdict::released, lock);
    }
}

Poll<void> CancellationToken::Cancelled::poll(Context& context) noexcept {
    if (!coop::proceed(context)) return pending;
    Node& node = *token_.node_;
    if (!node.cancelled.load(std::memory_order_acquire)) {
        Waker unused; // dropped after the mutex
        const std::lock_guard lock(node.mutex);
        if (!node.cancelled.load(std::memory_order_relaxed)) {
            in_line_ = true;
            unused = node.line.wait(*this, context);
            return pending;
        }
    }
    coop::took();
    return Poll<void>::ready();
}

CancellationToken::Cancelled::~Cancelled() {
    if (!in_line_) return;
    const std::lock_guard lock(token_.node_->mutex);
    unlink();
}

} // namespace hc::runtime
