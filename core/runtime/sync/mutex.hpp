// Mutex<T>: a value that one task at a time may use, for longer than between two awaits.
#pragma once

#include <optional>
#include <utility>

#include "core/runtime/sync/semaphore.hpp"

namespace hc::runtime {

/// A semaphore of one permit beside the value it guards. First come, first served; unlocked by the
/// guard's destructor, on any thread. Locking and unlocking are one atomic operation each while
/// nobody waits.
///
/// Where nothing is awaited while it is held, a std::mutex does as well and is smaller.
template <class T>
class Mutex {
public:
    class Guard;
    class Lock;

    Mutex() = default;
    template <class... Arguments>
    explicit Mutex(std::in_place_t, Arguments&&... arguments)
        : value_(std::forward<Arguments>(arguments)...) {}
    explicit Mutex(T value) : value_(std::move(value)) {}
    Mutex(const Mutex&) = delete;
    Mutex& operator=(const Mutex&) = delete;

    /// Ready with the guard. Dropping the future gives up its place in line, and unlocks when it
    /// was its turn already.
    Lock lock() noexcept { return Lock(*this); }
    /// Nothing when it is locked, or others wait for it.
    std::optional<Guard> try_lock() noexcept {
        if (auto permit = semaphore_.try_acquire()) {
            permit->forget();
            return Guard(*this);
        }
        return std::nullopt;
    }
    /// For whoever has it alone, before or after all the tasks that lock it.
    T& get_mut() noexcept { return value_; }

private:
    Semaphore semaphore_{1};
    T value_{};
};

/// The value as long as this lives. A moved from one may only be assigned to and destroyed.
template <class T>
class [[nodiscard]] Mutex<T>::Guard {
public:
    Guard(Guard&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
    Guard& operator=(Guard other) noexcept {
        std::swap(mutex_, other.mutex_);
        return *this;
    }
    ~Guard() {
        if (mutex_ != nullptr) mutex_->semaphore_.add_permits(1);
    }

    T& operator*() const noexcept { return mutex_->value_; }
    T* operator->() const noexcept { return &mutex_->value_; }

private:
    friend class Mutex;
    explicit Guard(Mutex& mutex) noexcept : mutex_(&mutex) {}

    Mutex* mutex_;
};

template <class T>
class Mutex<T>::Lock {
public:
    Poll<Guard> poll(Context& context) noexcept {
        // It is never closed.
        if (wait_.ask(context) != sync_detail::Verdict::granted) return pending;
        return Guard(*mutex_);
    }

private:
    friend class Mutex;
    explicit Lock(Mutex& mutex) noexcept : mutex_(&mutex), wait_(mutex.semaphore_, 1) {}

    Mutex* mutex_;
    Semaphore::Wait wait_;
};

} // namespace hc::runtime
