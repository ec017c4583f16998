#include "core/runtime/inbox.hpp"

namespace hc::runtime {

Inbox::~Inbox() { drop_all(); }

void Inbox::push(Message& message) noexcept {
    Message* head = head_.load(std::memory_order_relaxed);
    do {
        message.next_ = head;
    } while (!head_.compare_exchange_weak(head, &message, std::memory_order_seq_cst,
                                          std::memory_order_relaxed));
}

Message* Inbox::take() noexcept {
    Message* newest = head_.exchange(nullptr, std::memory_order_seq_cst);
    Message* oldest = nullptr;
    while (newest != nullptr) {
        Message* before = newest->next_;
        newest->next_ = oldest;
        oldest = newest;
        newest = before;
    }
    return oldest;
}

void Inbox::run_all(Worker& worker) {
    Message* message = take();
    while (message != nullptr) {
        // Read first: a message may be posted again while it runs.
        Message* next = message->next_;
        message->deliver(worker);
        message = next;
    }
}

void Inbox::drop_all() noexcept {
    Message* message = take();
    while (message != nullptr) {
        Message* next = message->next_;
        message->discard();
        message = next;
    }
}

} // namespace hc::runtime
