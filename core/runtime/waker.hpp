// Waker: how something that became ready tells the task that waits for it. Context: what a future
// is given when it is asked.
#pragma once

#include <utility>

namespace hc::runtime {

/// What a waker calls. Every function may be called from any thread unless its maker says
/// otherwise.
struct WakerTable {
    void* (*clone)(void* data);        // one more reference; gives its data
    void (*wake)(void* data) noexcept; // does not use up the reference
    void (*drop)(void* data) noexcept; // gives the reference back
};

/// A counted reference to something that can be woken. Waking twice before the task runs is one
/// wake; waking a finished task does nothing.
class Waker {
public:
    Waker() = default; // wakes nothing
    Waker(const WakerTable* table, void* data) noexcept : table_(table), data_(data) {}
    Waker(const Waker& other) : table_(other.table_), data_(other.data_) {
        if (table_ != nullptr) data_ = table_->clone(data_);
    }
    Waker(Waker&& other) noexcept
        : table_(std::exchange(other.table_, nullptr)), data_(other.data_) {}
    Waker& operator=(Waker other) noexcept {
        std::swap(table_, other.table_);
        std::swap(data_, other.data_);
        return *this;
    }
    ~Waker() {
        if (table_ != nullptr) table_->drop(data_);
    }

    explicit operator bool() const noexcept { return table_ != nullptr; }
    void wake() const noexcept {
        if (table_ != nullptr) table_->wake(data_);
    }
    /// True when both wake the same task, so that a stored waker need not be replaced.
    bool will_wake(const Waker& other) const noexcept {
        return table_ == other.table_ && data_ == other.data_;
    }

private:
    const WakerTable* table_ = nullptr;
    void* data_ = nullptr;
};

class Context {
public:
    explicit Context(const Waker& waker) noexcept : waker_(waker) {}
    const Waker& waker() const noexcept { return waker_; }

private:
    const Waker& waker_;
};

} // namespace hc::runtime
