// A waker that counts, and a context around it, for polling futures by hand.
#pragma once

#include <atomic>
#include <utility>

#include "core/runtime/waker.hpp"

namespace hc::runtime::test {

class CountingWaker {
public:
    CountingWaker() = default;
    CountingWaker(const CountingWaker&) = delete;
    CountingWaker& operator=(const CountingWaker&) = delete;

    Context& context() noexcept { return context_; }
    int wakes() const noexcept { return wakes_; }
    /// Wakes since the last time this was asked.
    int new_wakes() noexcept { return wakes_ - std::exchange(seen_, wakes_.load()); }
    /// How many wakers there are beside the context's.
    int references() const noexcept { return references_ - 1; }

private:
    std::atomic<int> wakes_{0};
    std::atomic<int> references_{0};
    int seen_ = 0;

    Waker first() {
        ++references_;
        return {&table, this};
    }
    static constexpr WakerTable table{
        [](void* data) {
            ++static_cast<CountingWaker*>(data)->references_;
            return data;
        },
        [](void* data) noexcept { ++static_cast<CountingWaker*>(data)->wakes_; },
        [](void* data) noexcept { --static_cast<CountingWaker*>(data)->references_; }};
    Waker waker_ = first();
    Context context_{waker_};
};

} // namespace hc::runtime::test
