// What every opaque handle begins with: a mark that tells it from other memory, and a count of
// references. The mark catches a handle of the wrong type and most uses after the last release; it
// is a courtesy to the caller, not a defence.
#pragma once

#include <atomic>
#include <cstdint>

namespace hc::capi {

enum class Mark : std::uint32_t {
    dead = 0xdeadbeef,
    config = 0x6863'0001,
    runtime = 0x6863'0002,
    queue = 0x6863'0003,
    server = 0x6863'0004,
    error = 0x6863'0005,
};

class Object {
public:
    explicit Object(Mark mark) noexcept : mark_(mark) {}
    Object(const Object&) = delete;
    Object& operator=(const Object&) = delete;

    bool is(Mark mark) const noexcept { return mark_ == mark; }
    void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    /// A new reference, unless the last one is gone already.
    bool try_retain() noexcept {
        std::uint32_t n = references_.load(std::memory_order_relaxed);
        while (n != 0) {
            if (references_.compare_exchange_weak(n, n + 1, std::memory_order_relaxed)) return true;
        }
        return false;
    }
    /// True when this was the last one: the caller destroys the object.
    bool drop() noexcept { return references_.fetch_sub(1, std::memory_order_acq_rel) == 1; }

protected:
    ~Object() { mark_ = Mark::dead; }

private:
    volatile Mark mark_; // volatile, so that the mark of the dead is really written
    std::atomic<std::uint32_t> references_{1};
};

/// A counted reference to a handle, for handles that keep others alive.
template <class T>
class Ref {
public:
    Ref() = default;
    /// Takes one more reference.
    explicit Ref(T* object) noexcept : object_(object) {
        if (object_ != nullptr) object_->retain();
    }
    /// Takes over a reference that the caller holds.
    static Ref adopt(T* object) noexcept {
        Ref ref;
        ref.object_ = object;
        return ref;
    }
    Ref(Ref&& other) noexcept : object_(other.object_) { other.object_ = nullptr; }
    Ref& operator=(Ref&& other) noexcept {
        T* mine = object_;
        object_ = other.object_;
        other.object_ = mine;
        return *this;
    }
    Ref(const Ref&) = delete;
    Ref& operator=(const Ref&) = delete;
    ~Ref() {
        if (object_ != nullptr && object_->drop()) object_->destroy();
    }

    T* get() const noexcept { return object_; }
    T* operator->() const noexcept { return object_; }
    T& operator*() const noexcept { return *object_; }
    explicit operator bool() const noexcept { return object_ != nullptr; }

private:
    T* object_ = nullptr;
};

} // namespace hc::capi
