// Mutex<T> and RwLock<T>: what they add to the semaphore they are made of.
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "core/runtime/park.hpp"
#include "core/runtime/sync/mutex.hpp"
#include "core/runtime/sync/rw_lock.hpp"
#include "tests/unit/runtime/sync/probe.hpp"

namespace hc::runtime {
namespace {

using test::Probe;

static_assert(Future<Mutex<int>::Lock>);
static_assert(Future<RwLock<int>::Read>);
static_assert(Future<RwLock<int>::Write>);

TEST(Mutex, OneAtATimeInOrder) {
    Mutex<std::string> mutex("a");
    Probe first(mutex.lock());
    Probe second(mutex.lock());
    Probe third(mutex.lock());
    ASSERT_TRUE(first.poll());
    EXPECT_FALSE(second.poll());
    EXPECT_FALSE(third.poll());
    EXPECT_FALSE(mutex.try_lock().has_value());
    *first.value() += "b";
    first.let_go();
    EXPECT_EQ(second.wakes(), 1);
    EXPECT_EQ(third.wakes(), 0);
    EXPECT_FALSE(mutex.try_lock().has_value()) << "it is the second one's turn";
    EXPECT_FALSE(third.poll());
    ASSERT_TRUE(second.poll());
    second.value()->append("c");
    second.let_go();
    ASSERT_TRUE(third.poll());
    EXPECT_EQ(*third.value(), "abc");
    third.let_go();
    EXPECT_EQ(**mutex.try_lock(), "abc");
    EXPECT_EQ(mutex.get_mut(), "abc");
}

TEST(Mutex, ADroppedLockPassesItsTurnOn) {
    Mutex<int> mutex(std::in_place, 1);
    auto guard = mutex.try_lock();
    ASSERT_TRUE(guard.has_value());
    Probe first(mutex.lock());
    Probe second(mutex.lock());
    EXPECT_FALSE(first.poll());
    EXPECT_FALSE(second.poll());
    guard.reset();
    EXPECT_EQ(first.wakes(), 1);
    first.drop();
    EXPECT_EQ(second.wakes(), 1);
    second.drop();
    EXPECT_TRUE(mutex.try_lock().has_value());
}

TEST(Mutex, AGuardMoves) {
    Mutex<int> mutex(1);
    Mutex<int> other(2);
    auto a = *mutex.try_lock();
    auto b = *other.try_lock();
    a = std::move(b);
    EXPECT_EQ(*a, 2);
    EXPECT_TRUE(mutex.try_lock().has_value()) << "assigning unlocks";
    EXPECT_FALSE(other.try_lock().has_value());
}

TEST(Mutex, WhoHasItLastMayDestroyIt) {
    auto mutex = std::make_unique<Mutex<int>>(1);
    auto guard = mutex->try_lock();
    Probe next(mutex->lock());
    EXPECT_FALSE(next.poll());
    guard.reset();
    ASSERT_TRUE(next.poll());
    next.let_go();
    next.drop();
    mutex.reset();
}

TEST(RwLock, ReadersTogetherWritersAlone) {
    RwLock<int> lock(7);
    Probe a(lock.read());
    Probe b(lock.read());
    ASSERT_TRUE(a.poll());
    ASSERT_TRUE(b.poll());
    EXPECT_EQ(*a.value() + *b.value(), 14);
    EXPECT_FALSE(lock.try_write().has_value());
    Probe writer(lock.write());
    EXPECT_FALSE(writer.poll());
    a.let_go();
    EXPECT_EQ(writer.wakes(), 0);
    b.let_go();
    EXPECT_EQ(writer.wakes(), 1);
    ASSERT_TRUE(writer.poll());
    *writer.value() = 8;
    EXPECT_FALSE(lock.try_read().has_value());
    EXPECT_FALSE(lock.try_write().has_value());
    writer.let_go();
    EXPECT_EQ(**lock.try_read(), 8);
    EXPECT_EQ(**lock.try_write(), 8);
    EXPECT_EQ(lock.get_mut(), 8);
}

TEST(RwLock, AWriterThatWaitsStopsNewReaders) {
    RwLock<int> lock(0);
    Probe reader(lock.read());
    ASSERT_TRUE(reader.poll());
    Probe writer(lock.write());
    EXPECT_FALSE(writer.poll());
    Probe late(lock.read());
    EXPECT_FALSE(late.poll());
    EXPECT_FALSE(lock.try_read().has_value());
    reader.let_go();
    EXPECT_EQ(late.wakes(), 0);
    ASSERT_TRUE(writer.poll());
    writer.let_go();
    EXPECT_EQ(late.wakes(), 1);
    EXPECT_TRUE(late.poll());
}

TEST(RwLock, AWriterThatGivesUpLetsTheReadersIn) {
    RwLock<int> lock(0);
    Probe reader(lock.read());
    ASSERT_TRUE(reader.poll());
    Probe writer(lock.write());
    EXPECT_FALSE(writer.poll());
    Probe one(lock.read());
    Probe two(lock.read());
    EXPECT_FALSE(one.poll());
    EXPECT_FALSE(two.poll());
    writer.drop();
    EXPECT_EQ(one.wakes(), 1);
    EXPECT_EQ(two.wakes(), 1);
    EXPECT_TRUE(one.poll());
    EXPECT_TRUE(two.poll());
}

TEST(RwLock, AWriterGoesOnAsAReader) {
    RwLock<int> lock(0);
    Probe reader(lock.read());
    auto writer = lock.try_write();
    ASSERT_TRUE(writer.has_value());
    EXPECT_FALSE(reader.poll());
    **writer = 5;
    auto guard = std::move(*writer).downgrade();
    writer.reset();
    EXPECT_EQ(*guard, 5);
    EXPECT_EQ(reader.wakes(), 1);
    EXPECT_TRUE(reader.poll());
    EXPECT_FALSE(lock.try_write().has_value());
}

Task<int> swap_in(Mutex<int>* mutex, int value) {
    auto guard = co_await mutex->lock();
    const int old = std::exchange(*guard, value);
    co_return old;
}

TEST(Mutex, IsAwaited) {
    Mutex<int> mutex(3);
    EXPECT_EQ(park_on(swap_in(&mutex, 4)), 3);
    EXPECT_EQ(park_on(swap_in(&mutex, 5)), 4);
}

} // namespace
} // namespace hc::runtime
