// JoinHandle: the other end of a spawned task. spawn() and spawn_local() give one.
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "core/base/result.hpp"
#include "core/runtime/coop.hpp"
#include "core/runtime/sched/task_base.hpp"
#include "core/runtime/task.hpp"

namespace hc::runtime {

namespace sched {

/// What a task gives: a value, an exception, or the reason why it was ended.
template <class T>
class Outcome {
public:
    void set(T value) { value_.emplace(std::move(value)); }
    void set_thrown(std::exception_ptr thrown) noexcept { thrown_ = std::move(thrown); }
    void set_ended(ErrorKind why) noexcept { ended_ = why; }
    const std::exception_ptr& thrown() const noexcept { return thrown_; }
    void clear() noexcept {
        value_.reset();
        thrown_ = nullptr;
    }
    Result<T> take() {
        if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
        if (value_) return std::move(*value_);
        return fail(ended_, "the task was ended before it was done");
    }

private:
    std::optional<T> value_;
    std::exception_ptr thrown_;
    ErrorKind ended_ = ErrorKind::cancelled;
};

template <>
class Outcome<void> {
public:
    void set() noexcept { ended_ = ErrorKind::ok; }
    void set_thrown(std::exception_ptr thrown) noexcept { thrown_ = std::move(thrown); }
    void set_ended(ErrorKind why) noexcept { ended_ = why; }
    const std::exception_ptr& thrown() const noexcept { return thrown_; }
    void clear() noexcept { thrown_ = nullptr; }
    Result<void> take() {
        if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
        if (ended_ == ErrorKind::ok) return {};
        return fail(ended_, "the task was ended before it was done");
    }

private:
    std::exception_ptr thrown_;
    ErrorKind ended_ = ErrorKind::cancelled;
};

/// A task with a result of type T.
template <class T>
class Joinable : public TaskBase {
public:
    Result<T> take() { return outcome_.take(); }

protected:
    using TaskBase::TaskBase;

    void drop_result(LogSink log) noexcept override {
        if (outcome_.thrown()) log_thrown(log, outcome_.thrown());
        outcome_.clear();
    }
    static void log_thrown(LogSink log, const std::exception_ptr& thrown) noexcept {
        try {
            std::rethrow_exception(thrown);
        } catch (const std::exception& known) {
            log(LogLevel::error, "task", known.what());
        } catch (...) {
            log(LogLevel::error, "task", "a task ended with an unknown exception");
        }
    }

    Outcome<T> outcome_;
};

/// A task that is a future, polled by workers.
template <Future F>
class FutureTask final : public Joinable<FutureValue<F>> {
    using Value = FutureValue<F>;

public:
    FutureTask(TaskBase::Reach reach, bool joined, F future) noexcept
        : Joinable<Value>(reach, joined), future_(std::move(future)) {}

private:
    bool poll_future(Context& context) noexcept override {
        try {
            auto polled = future_->poll(context);
            if (!polled.is_ready()) return false;
            if constexpr (std::is_void_v<Value>) {
                this->outcome_.set();
            } else {
                this->outcome_.set(std::move(polled).value());
            }
        } catch (...) {
            this->outcome_.set_thrown(std::current_exception());
        }
        future_.reset();
        return true;
    }
    void drop_future(ErrorKind why) noexcept override {
        this->outcome_.set_ended(why);
        future_.reset();
    }

    std::optional<F> future_;
};

} // namespace sched

/// Asks a task to end, from anywhere and at any time; keeps nothing of it alive but its state.
class AbortHandle {
public:
    explicit AbortHandle(sched::TaskBase& task) noexcept : task_(&task) { task.hold(); }
    AbortHandle(const AbortHandle& other) noexcept : AbortHandle(*other.task_) {}
    AbortHandle& operator=(const AbortHandle& other) noexcept {
        AbortHandle copy(other);
        std::swap(task_, copy.task_);
        return *this;
    }
    ~AbortHandle() { task_->drop(); }

    /// The task is not polled again: what it awaits and all its frames are destroyed where it would
    /// have been polled next. Nothing happens when it is done. Any thread.
    void abort() const noexcept { task_->abort(); }
    TaskId id() const noexcept { return task_->id(); }
    TaskState state() const noexcept { return task_->state(); }

private:
    sched::TaskBase* task_;
};

/// Waits for a task and takes its result: a future of Result<T>. The error says that the task was
/// ended before it was done: `cancelled` (abort, or its runtime has stopped), `limit`
/// (spawn_blocking: the queue was full), `closed` (there was no runtime to run it). An exception of
/// the task is thrown to whoever polls this.
///
/// Move-only; polled and destroyed on any one thread at a time. Destroying it lets the task go on
/// by itself; its result is then destroyed where it ends, and an exception is logged.
template <class T>
class [[nodiscard]] JoinHandle {
public:
    /// Takes over a reference.
    explicit JoinHandle(sched::Joinable<T>& task) noexcept : task_(&task) {}
    JoinHandle(JoinHandle&& other) noexcept : task_(std::exchange(other.task_, nullptr)) {}
    JoinHandle& operator=(JoinHandle other) noexcept {
        std::swap(task_, other.task_);
        return *this;
    }
    ~JoinHandle() {
        if (task_ != nullptr) task_->leave();
    }

    Poll<Result<T>> poll(Context& context) {
        if (!task_->poll_complete(context)) return pending;
        if (!coop::spend(context)) return pending;
        return task_->take();
    }
    /// As AbortHandle::abort. A result that is there already is still given.
    void abort() const noexcept { task_->abort(); }
    AbortHandle abort_handle() const noexcept { return AbortHandle(*task_); }
    bool is_finished() const noexcept { return task_->is_complete(); }
    TaskId id() const noexcept { return task_->id(); }
    TaskState state() const noexcept { return task_->state(); }
    /// Lets the task go on by itself, as the destructor does.
    void detach() && noexcept { const JoinHandle gone(std::move(*this)); }
    /// The task itself, for those who end it in their own way (see scope.hpp).
    sched::TaskBase& task() const noexcept { return *task_; }

private:
    sched::Joinable<T>* task_;
};

} // namespace hc::runtime
