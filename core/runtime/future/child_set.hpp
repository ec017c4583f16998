// WakeSet: many children of one future, each with a waker of its own, so that a wake tells which
// one is to be asked.
//
// A wake puts its child into the set's queue and wakes the parent, whose next poll takes the queue
// and asks those that are in it. The wakers share the set and outlive the parent's interest in it.
//
// Who may touch what:
//
//   Node::queued   true from the wake until the parent is about to ask the child: who changes it to
//                  true puts the node into the queue, who finds it true leaves it at that. The
//                  exchange that clears it comes later, so the poll sees what was done before the
//                  wake. It stays true once the child is done, so that late wakes do nothing.
//   Node::next     whoever may put the node into the queue; then who holds the mutex; then the
//                  parent, from take() until it clears `queued`
//   queue, parent  who holds the mutex. The parent's waker is moved out with the first wake after a
//                  poll and woken after the mutex was let go; later wakes find none, since one is
//                  enough to bring the poll that takes them all.
//   refs           atomic; the parent counts as one
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "core/runtime/coop.hpp"
#include "core/runtime/future/join.hpp"
#include "core/runtime/task.hpp"
#include "core/runtime/waker.hpp"

namespace hc::runtime::future_detail {

class WakeSet {
public:
    struct Node {
        WakeSet* set = nullptr;
        Node* next = nullptr;
        std::atomic<bool> queued{true};
    };
    struct Chain {
        Node* first = nullptr;
        Node* last = nullptr;

        void push_back(Node& node) noexcept;
        void splice_back(Chain& other) noexcept;
        Node& pop_front() noexcept;
    };
    /// The parent's reference.
    struct Leave {
        void operator()(WakeSet* set) const noexcept { set->leave(); }
    };
    using Ptr = std::unique_ptr<WakeSet, Leave>;

    /// All are in the queue at first, in order.
    static Ptr create(std::size_t count);

    std::size_t index_of(const Node& node) const noexcept {
        return static_cast<std::size_t>(&node - nodes_.get());
    }
    Waker waker_of(Node& node) noexcept;
    /// For the parent's poll: puts those that were woken behind `woken`; from now on a wake goes to
    /// `parent`.
    void take(Chain& woken, const Waker& parent);

private:
    explicit WakeSet(std::size_t count);
    ~WakeSet() = default;
    void leave() noexcept;
    void wake(Node& node) noexcept;
    void drop() noexcept;
    static const WakerTable table;

    const std::unique_ptr<Node[]> nodes_;
    std::atomic<std::size_t> refs_{1};
    std::mutex mutex_;
    Chain queue_;
    Waker parent_;
};

/// Children of one type, their wakers and their values.
template <Future F>
class ChildSet {
public:
    explicit ChildSet(std::vector<F> futures)
        : left_(futures.size()), wakes_(WakeSet::create(futures.size())) {
        children_.reserve(left_);
        for (F& future : futures) children_.emplace_back(std::move(future));
    }

    /// Asks those that were woken since the last time, and calls `after(child)` for each that
    /// became ready, which says whether to go on. True when all are done.
    template <class After>
    bool poll(Context& context, After&& after) {
        wakes_->take(woken_, context.waker());
        while (woken_.first != nullptr) {
            // Those that are left come first the next time.
            if (coop::is_exhausted()) {
                context.waker().wake();
                break;
            }
            WakeSet::Node& node = woken_.pop_front();
            Joined<F>& child = children_[wakes_->index_of(node)];
            if (child.is_done()) continue;
            node.queued.exchange(false, std::memory_order_acq_rel);
            const Waker waker = wakes_->waker_of(node);
            Context own(waker);
            if (!child.ask(own)) continue;
            node.queued.store(true, std::memory_order_relaxed);
            --left_;
            if (!after(child)) break;
        }
        return left_ == 0;
    }
    std::vector<Joined<F>>& children() noexcept { return children_; }

private:
    std::size_t left_;
    std::vector<Joined<F>> children_;
    WakeSet::Ptr wakes_;
    WakeSet::Chain woken_; // taken, and not asked yet
};

} // namespace hc::runtime::future_detail
