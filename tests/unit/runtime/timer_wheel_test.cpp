#include "core/runtime/timer_wheel.hpp"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "core/base/random.hpp"

namespace hc::runtime {
namespace {

constexpr Instant start{5'000'000'123};
constexpr std::int64_t ms = 1'000'000;
constexpr std::int64_t day = 86'400'000 * ms;

/// A timer that calls a function.
class Alarm : private Timer {
public:
    explicit Alarm(std::function<void()> call = [] {})
        : Timer(&Alarm::fired), call_(std::move(call)) {}
    Timer& timer() { return *this; }

private:
    static void fired(Timer& timer) noexcept {
        auto call = static_cast<Alarm&>(timer).call_; // a copy: it may destroy the alarm
        call();
    }
    std::function<void()> call_;
};

Instant at(std::int64_t ns) { return {start.ns + ns}; }

TEST(TimerWheel, FiresAtTheDeadlineAndNotBefore) {
    TimerWheel wheel(start);
    int fired = 0;
    Alarm alarm([&] { ++fired; });
    EXPECT_TRUE(wheel.next().is_never());
    wheel.set(alarm.timer(), at(10 * ms + 5));
    EXPECT_EQ(wheel.next(), at(10 * ms + 5));
    wheel.advance(at(10 * ms + 4));
    EXPECT_EQ(fired, 0);
    EXPECT_TRUE(alarm.timer().armed());
    EXPECT_EQ(wheel.next(), at(10 * ms + 5));
    wheel.advance(at(10 * ms + 5));
    EXPECT_EQ(fired, 1);
    EXPECT_FALSE(alarm.timer().armed());
    wheel.advance(at(1000 * ms));
    EXPECT_EQ(fired, 1);
    EXPECT_TRUE(wheel.next().is_never());
}

TEST(TimerWheel, AnyDistanceIsReachedInSteps) {
    for (const std::int64_t distance : {std::int64_t{1}, 63 * ms, 64 * ms, 65 * ms, 4096 * ms,
                                        3'600'000 * ms, 400 * day, 36'500 * day}) {
        TimerWheel wheel(start);
        bool fired = false;
        Alarm alarm([&] { fired = true; });
        wheel.set(alarm.timer(), at(distance));
        int steps = 0;
        while (!fired) {
            const Instant next = wheel.next();
            ASSERT_LE(next, at(distance));
            wheel.advance(next);
            ASSERT_EQ(fired, next == at(distance));
            ASSERT_LE(++steps, 60); // a few a level, however far it is
        }
    }
}

/// Who waits until next() and finds nothing due must not find the same next() again: a worker would
/// spin until the tick is over, and a simulated one, whose time stands still, for ever.
TEST(TimerWheel, ManyTimersLaterInTheCurrentTickAreWaitedFor) {
    TimerWheel wheel(start);
    int fired = 0;
    std::vector<std::unique_ptr<Alarm>> alarms;
    for (int i = 0; i < 100; ++i) {
        alarms.push_back(std::make_unique<Alarm>([&] { ++fired; }));
        wheel.set(alarms.back()->timer(), at(5 * ms + 900'000 + i));
    }
    int steps = 0;
    for (Instant now = at(5 * ms + 100'000); fired < 100; now = wheel.next()) {
        wheel.advance(now);
        if (fired < 100) ASSERT_GT(wheel.next(), now);
        ASSERT_LE(++steps, 101);
    }
}

TEST(TimerWheel, CancelAndDestroyKeepATimerFromFiring) {
    TimerWheel wheel(start);
    int fired = 0;
    Alarm cancelled([&] { ++fired; });
    wheel.set(cancelled.timer(), at(3 * ms));
    wheel.cancel(cancelled.timer());
    Alarm never([&] { ++fired; });
    wheel.set(never.timer(), at(3 * ms));
    wheel.set(never.timer(), Instant::never());
    EXPECT_FALSE(never.timer().armed());
    {
        Alarm destroyed([&] { ++fired; });
        wheel.set(destroyed.timer(), at(4 * ms));
    }
    EXPECT_TRUE(wheel.next().is_never());
    wheel.advance(at(1000 * ms));
    EXPECT_EQ(fired, 0);
}

TEST(TimerWheel, ADeadlineMovedLaterOrEarlierCounts) {
    TimerWheel wheel(start);
    std::vector<int> fired;
    Alarm later([&] { fired.push_back(1); });
    Alarm earlier([&] { fired.push_back(2); });
    wheel.set(later.timer(), at(5 * ms));
    wheel.set(later.timer(), at(300 * ms));
    wheel.set(earlier.timer(), at(400 * ms));
    wheel.set(earlier.timer(), at(7 * ms));
    EXPECT_LE(wheel.next(), at(7 * ms));
    wheel.advance(at(6 * ms));
    EXPECT_TRUE(fired.empty());
    wheel.advance(at(299 * ms));
    EXPECT_EQ(fired, (std::vector{2}));
    wheel.advance(at(300 * ms));
    EXPECT_EQ(fired, (std::vector{2, 1}));
}

TEST(TimerWheel, APassedDeadlineFiresAtTheNextAdvanceAndOnlyThen) {
    TimerWheel wheel(start);
    wheel.advance(at(100 * ms));
    int fired = 0;
    Alarm* self = nullptr;
    Alarm again([&] {
        ++fired;
        wheel.set(self->timer(), at(1)); // long ago; must not hang this advance
    });
    self = &again;
    wheel.set(again.timer(), at(50 * ms));
    EXPECT_EQ(wheel.next(), at(50 * ms));
    wheel.advance(at(100 * ms));
    EXPECT_EQ(fired, 1);
    wheel.advance(at(5000 * ms)); // a jump
    EXPECT_EQ(fired, 2);
    wheel.set(again.timer(), at(9000 * ms));
    wheel.advance(at(8000 * ms));
    EXPECT_EQ(fired, 2);
}

TEST(TimerWheel, FireFunctionsMayDestroyAndSetAnyTimer) {
    TimerWheel wheel(start);
    std::vector<std::unique_ptr<Alarm>> alarms(4);
    std::vector<int> fired;
    alarms[0] = std::make_unique<Alarm>([&] {
        fired.push_back(0);
        alarms[1].reset();                          // due in the same tick
        wheel.set(alarms[2]->timer(), at(20 * ms)); // due in the same tick, moved later
        wheel.set(alarms[3]->timer(), at(10 * ms)); // a later one, moved to now
        alarms[0].reset();                          // itself
    });
    alarms[1] = std::make_unique<Alarm>([&] { fired.push_back(1); });
    alarms[2] = std::make_unique<Alarm>([&] { fired.push_back(2); });
    alarms[3] = std::make_unique<Alarm>([&] { fired.push_back(3); });
    for (std::size_t i = 0; i < 3; ++i) wheel.set(alarms[i]->timer(), at(10 * ms));
    wheel.set(alarms[3]->timer(), at(900 * ms));
    wheel.advance(at(10 * ms));
    EXPECT_EQ(fired, (std::vector{0}));
    wheel.advance(at(10 * ms));
    EXPECT_EQ(fired, (std::vector{0, 3}));
    wheel.advance(at(20 * ms));
    EXPECT_EQ(fired, (std::vector{0, 3, 2}));
}

TEST(TimerWheel, TimeDoesNotGoBack) {
    TimerWheel wheel(start);
    int fired = 0;
    Alarm alarm([&] { ++fired; });
    wheel.advance(at(50 * ms));
    wheel.set(alarm.timer(), at(60 * ms));
    wheel.advance(at(0));
    wheel.advance({start.ns - ms});
    EXPECT_EQ(fired, 0);
    wheel.advance(at(60 * ms));
    EXPECT_EQ(fired, 1);
}

/// The wheel beside a sorted map that does the same the slow way.
class Model {
public:
    explicit Model(std::uint64_t seed) : random_(seed), wheel_(start) {
        for (int i = 0; i < count; ++i) make(i);
    }

    void step() {
        const int which = static_cast<int>(random_.below(count));
        switch (random_.below(10)) {
        case 0: cancel(which); break;
        case 1: // destroyed and made anew
            cancel(which);
            make(which);
            break;
        case 2:
        case 3: advance(random_distance()); break;
        case 4: advance(wheel_.next().is_never() ? 0 : (wheel_.next() - now_).count()); break;
        default: set(which, Instant{now_.ns + random_distance() - 2 * ms}); break;
        }
        check();
    }
    int fired() const { return fired_; }

private:
    static constexpr int count = 200;

    void make(int i) {
        alarms_[static_cast<std::size_t>(i)].emplace([this, i] { on_fire(i); });
    }
    std::int64_t random_distance() {
        const std::uint64_t magnitude = random_.below(44); // up to 5 hours
        return static_cast<std::int64_t>(random_.below(std::uint64_t{1} << magnitude));
    }
    void forget(int which) {
        if (auto& place = places_[static_cast<std::size_t>(which)]) {
            expected_.erase(*place);
            place.reset();
        }
    }
    void set(int which, Instant deadline) {
        forget(which);
        places_[static_cast<std::size_t>(which)] = expected_.emplace(deadline.ns, which);
        wheel_.set(alarms_[static_cast<std::size_t>(which)]->timer(), deadline);
    }
    void cancel(int which) {
        forget(which);
        wheel_.cancel(alarms_[static_cast<std::size_t>(which)]->timer());
    }
    void on_fire(int which) {
        const auto place = places_[static_cast<std::size_t>(which)];
        ASSERT_TRUE(place.has_value()) << "fired though not armed";
        const std::int64_t deadline = (*place)->first;
        ASSERT_LE(deadline, now_.ns) << "fired too early";
        // Earlier ticks first, save for what was due before this advance.
        const std::int64_t tick = (std::max(deadline, before_.ns) - start.ns) / ms;
        ASSERT_GE(tick, last_tick_);
        last_tick_ = tick;
        forget(which);
        ++fired_;
        if (random_.below(4) == 0) set(static_cast<int>(random_.below(count)), after_now());
        if (random_.below(8) == 0) set(which, after_now());
        if (random_.below(8) == 0) cancel(static_cast<int>(random_.below(count)));
    }
    Instant after_now() { return {now_.ns + 1 + random_distance()}; }
    void advance(std::int64_t by) {
        before_ = now_;
        now_.ns += std::max<std::int64_t>(by, 0);
        last_tick_ = 0;
        wheel_.advance(now_);
        ASSERT_TRUE(expected_.empty() || expected_.begin()->first > now_.ns) << "did not fire";
    }
    void check() {
        if (expected_.empty()) return;
        ASSERT_LE(wheel_.next().ns, expected_.begin()->first);
    }

    Random random_;
    Instant now_ = start;
    Instant before_ = start;
    std::int64_t last_tick_ = 0;
    int fired_ = 0;
    TimerWheel wheel_;
    std::multimap<std::int64_t, int> expected_;
    std::array<std::optional<std::multimap<std::int64_t, int>::iterator>, count> places_{};
    std::array<std::optional<Alarm>, count> alarms_;
};

TEST(TimerWheel, DoesWhatASortedMapDoes) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        Model model(seed);
        for (int i = 0; i < 50'000; ++i) {
            model.step();
            ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed << ", step " << i;
        }
        EXPECT_GT(model.fired(), 10'000);
    }
}

// A year with one timer in each of its days costs a few moves a timer, not one a tick.
TEST(TimerWheel, LargeJumpsCostOnlyWhatIsFiled) {
    TimerWheel wheel(start);
    int fired = 0;
    std::vector<std::unique_ptr<Alarm>> alarms;
    for (int n = 1; n <= 365; ++n) {
        alarms.push_back(std::make_unique<Alarm>([&] { ++fired; }));
        wheel.set(alarms.back()->timer(), at(n * day));
    }
    const auto begin = std::chrono::steady_clock::now();
    wheel.advance(at(364 * day));
    EXPECT_EQ(fired, 364);
    // A step a tick would be 3 * 10^10 of them.
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

} // namespace
} // namespace hc::runtime
