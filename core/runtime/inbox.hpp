// Inbox: how other threads hand work to a worker.
#pragma once

#include <atomic>

namespace hc::runtime {

class Worker;

/// Work that another thread hands to a worker. Runs once on the worker, and is deleted by it;
/// when the worker ends first, it is deleted without running.
class Message {
public:
    virtual void run(Worker& worker) = 0;
    virtual ~Message() = default;

protected:
    /// On the worker. What is not to be gone after it ran overrides this in place of run().
    virtual void deliver(Worker& worker) {
        run(worker);
        discard();
    }
    /// How the inbox gets rid of it, after it ran or undelivered (then on any thread). A message
    /// that is part of something else overrides this.
    virtual void discard() noexcept { delete this; }

private:
    friend class Inbox;
    Message* next_ = nullptr;
};

/// Many producers, one consumer: a stack that the consumer takes whole and reverses, so that one
/// producer's messages keep their order.
class Inbox {
public:
    Inbox() = default;
    ~Inbox();
    Inbox(const Inbox&) = delete;
    Inbox& operator=(const Inbox&) = delete;
    /// Any thread. The inbox gets rid of the message with discard().
    void push(Message& message) noexcept;
    bool empty() const noexcept { return head_.load(std::memory_order_seq_cst) == nullptr; }
    /// Owner: runs all that is there now, oldest first.
    void run_all(Worker& worker);
    /// Any thread: discards all that is there now.
    void drop_all() noexcept;

private:
    Message* take() noexcept;

    std::atomic<Message*> head_{nullptr};
};

} // namespace hc::runtime
