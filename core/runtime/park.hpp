// Parking: a thread that belongs to no runtime waits for one future.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>

#include "core/runtime/task.hpp"
#include "core/runtime/waker.hpp"

namespace hc::runtime {

/// Something a thread sleeps on until a waker of it is woken. Wakes are kept: one that comes before
/// park() makes it return at once; several are one.
class Parker {
public:
    /// Any thread, and as long as it likes: wakers keep what they refer to.
    Waker waker() const { return Waker(&table, new std::shared_ptr<State>(state_)); }
    void park() {
        std::unique_lock lock(state_->mutex);
        state_->woken.wait(lock, [this] { return std::exchange(state_->notified, false); });
    }

private:
    struct State {
        std::mutex mutex;
        std::condition_variable woken;
        bool notified = false;
    };
    using Shared = std::shared_ptr<State>;

    static void wake(void* data) noexcept {
        State& state = **static_cast<Shared*>(data);
        {
            const std::lock_guard lock(state.mutex);
            state.notified = true;
        }
        state.woken.notify_one();
    }
    static constexpr WakerTable table{
        [](void* data) -> void* { return new Shared(*static_cast<Shared*>(data)); },
        &Parker::wake,
        [](void* data) noexcept { delete static_cast<Shared*>(data); },
    };

    Shared state_ = std::make_shared<State>();
};

/// Runs a future to its end on the calling thread, which sleeps while it is pending. Not on a
/// worker's thread: nothing else would run there meanwhile. Throws what the future throws.
template <Future F>
FutureValue<F> park_on(F future) {
    Parker parker;
    const Waker waker = parker.waker();
    Context context(waker);
    for (;;) {
        if (auto polled = future.poll(context); polled.is_ready()) {
            return std::move(polled).value();
        }
        parker.park();
    }
}

} // namespace hc::runtime
