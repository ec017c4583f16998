// RwLock<T>: a value that many tasks may read at once, or one may change.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include "core/runtime/sync/semaphore.hpp"

namespace hc::runtime {

/// A semaphore of very many permits beside the value it guards: a reader takes one, a writer all of
/// them. First come, first served, so a writer that waits stops the readers behind it, and a task
/// that reads must not ask for a second read guard while it has one: a writer between the two
/// would wait for the first, and the second for the writer.
template <class T>
class RwLock {
public:
    static constexpr std::size_t readers_max = std::size_t{1} << 29;
    class ReadGuard;
    class WriteGuard;
    class Read;
    class Write;

    RwLock() = default;
    template <class... Arguments>
    explicit RwLock(std::in_place_t, Arguments&&... arguments)
        : value_(std::forward<Arguments>(arguments)...) {}
    explicit RwLock(T value) : value_(std::move(value)) {}
    RwLock(const RwLock&) = delete;
    RwLock& operator=(const RwLock&) = delete;

    /// Ready with the guard. Dropping the future gives up its place in line; those behind it may be
    /// let in by that.
    Read read() noexcept { return Read(*this); }
    Write write() noexcept { return Write(*this); }
    /// Nothing when there is a writer, or others wait.
    std::optional<ReadGuard> try_read() noexcept {
        if (!take(1)) return std::nullopt;
        return ReadGuard(*this);
    }
    /// Nothing when anybody reads, writes or waits.
    std::optional<WriteGuard> try_write() noexcept {
        if (!take(readers_max)) return std::nullopt;
        return WriteGuard(*this);
    }
    /// For whoever has it alone, before or after all the tasks that lock it.
    T& get_mut() noexcept { return value_; }

private:
    bool take(std::size_t permits) noexcept {
        auto permit = semaphore_.try_acquire(permits);
        if (permit) permit->forget();
        return permit.has_value();
    }

    Semaphore semaphore_{readers_max};
    T value_{};
};

/// The value to read as long as this lives.
template <class T>
class [[nodiscard]] RwLock<T>::ReadGuard {
public:
    ReadGuard(ReadGuard&& other) noexcept : lock_(std::exchange(other.lock_, nullptr)) {}
    ReadGuard& operator=(ReadGuard other) noexcept {
        std::swap(lock_, other.lock_);
        return *this;
    }
    ~ReadGuard() {
        if (lock_ != nullptr) lock_->semaphore_.add_permits(1);
    }

    const T& operator*() const noexcept { return lock_->value_; }
    const T* operator->() const noexcept { return &lock_->value_; }

private:
    friend class RwLock;
    explicit ReadGuard(RwLock& lock) noexcept : lock_(&lock) {}

    RwLock* lock_;
};

/// The value to change as long as this lives.
template <class T>
class [[nodiscard]] RwLock<T>::WriteGuard {
public:
    WriteGuard(WriteGuard&& other) noexcept : lock_(std::exchange(other.lock_, nullptr)) {}
    WriteGuard& operator=(WriteGuard other) noexcept {
        std::swap(lock_, other.lock_);
        return *this;
    }
    ~WriteGuard() {
        if (lock_ != nullptr) lock_->semaphore_.add_permits(readers_max);
    }

    T& operator*() const noexcept { return lock_->value_; }
    T* operator->() const noexcept { return &lock_->value_; }
    /// Goes on as a reader, with no other writer in between; the readers that wait first join it.
    ReadGuard downgrade() && noexcept {
        RwLock& lock = *std::exchange(lock_, nullptr);
        lock.semaphore_.add_permits(readers_max - 1);
        return ReadGuard(lock);
    }

private:
    friend class RwLock;
    explicit WriteGuard(RwLock& lock) noexcept : lock_(&lock) {}

    RwLock* lock_;
};

template <class T>
class RwLock<T>::Read {
public:
    Poll<ReadGuard> poll(Context& context) noexcept {
        // It is never closed.
        if (wait_.ask(context) != sync_detail::Verdict::granted) return pending;
        return ReadGuard(*lock_);
    }

private:
    friend class RwLock;
    explicit Read(RwLock& lock) noexcept : lock_(&lock), wait_(lock.semaphore_, 1) {}

    RwLock* lock_;
    Semaphore::Wait wait_;
};

template <class T>
class RwLock<T>::Write {
public:
    Poll<WriteGuard> poll(Context& context) noexcept {
        if (wait_.ask(context) != sync_detail::Verdict::granted) return pending;
        return WriteGuard(*lock_);
    }

private:
    friend class RwLock;
    explicit Write(RwLock& lock) noexcept : lock_(&lock), wait_(lock.semaphore_, readers_max) {}

    RwLock* lock_;
    Semaphore::Wait wait_;
};

} // namespace hc::runtime
