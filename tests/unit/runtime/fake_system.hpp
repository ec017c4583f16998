// A system whose clock stands still and whose selector says what the test tells it: one thread, no
// time, every turn exactly repeatable.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/sys/sys.hpp"

namespace hc::runtime::test {

class FakeSelector final : public sys::Selector {
public:
    struct Watched {
        sys::Socket socket;
        sys::Token token;
    };
    std::vector<Watched> watched;
    std::vector<sys::Event> ready; // given by the next select
    std::vector<std::optional<Duration>> waits;
    std::vector<Instant> deadlines;
    int wakes = 0; // since the last select
    bool broken = false;

    Result<void> register_(sys::Socket socket, sys::Token token, sys::Interest) override {
        watched.push_back({socket, token});
        return {};
    }
    Result<void> reregister(sys::Socket, sys::Token, sys::Interest) override { return {}; }
    Result<void> deregister(sys::Socket socket) override {
        std::erase_if(watched, [socket](const Watched& w) { return w.socket == socket; });
        return {};
    }
    Result<std::size_t> select(std::span<sys::Event> events,
                               std::optional<Duration> timeout) override {
        waits.push_back(timeout);
        wakes = 0;
        if (broken) return fail(ErrorKind::io, "the selector is broken");
        const std::size_t count = std::min(ready.size(), events.size());
        std::copy_n(ready.begin(), count, events.begin());
        ready.erase(ready.begin(), ready.begin() + static_cast<std::ptrdiff_t>(count));
        return count;
    }
    void wake() noexcept override { ++wakes; }
    std::intptr_t native_handle() const noexcept override { return -1; }
    void set_deadline(Instant at) noexcept override { deadlines.push_back(at); }
};

class FakeSystem final : public sys::System, public sys::Clock {
public:
    Instant time{1'000'000'000};
    WallTime wall_time{784'111'777, 0}; // 1994-11-06 08:49:37
    int clock_reads = 0;
    int wall_reads = 0;
    std::function<void()> on_clock_read; // called once, then gone
    FakeSelector* selector = nullptr;    // the last one made; its worker's

    Result<std::unique_ptr<sys::Selector>> make_selector() override {
        auto made = std::make_unique<FakeSelector>();
        selector = made.get();
        return made;
    }
    sys::Sockets& sockets() noexcept override { return sys::native().sockets(); }
    sys::Clock& clock() noexcept override { return *this; }
    Result<void> entropy(std::span<std::byte> out) override {
        std::ranges::fill(out, std::byte{7});
        return {};
    }
    unsigned processors() const noexcept override { return 1; }
    std::string_view name() const noexcept override { return "fake"; }

    Instant now() noexcept override {
        ++clock_reads;
        if (auto call = std::exchange(on_clock_read, nullptr)) call();
        return time;
    }
    WallTime wall() noexcept override {
        ++wall_reads;
        return wall_time;
    }
};

} // namespace hc::runtime::test
