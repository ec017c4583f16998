// Future: what can be polled. Task<T>: a coroutine that awaits futures and other tasks, and is
// itself a future.
//
// How a poll reaches the innermost coroutine. Tasks that await each other form a strand: the task
// that is polled from outside is its root, and only the innermost one can go on. The root's Strand
// remembers that one (`top`) and the future it waits for (`leaf`). A poll asks the leaf; when it is
// ready, it resumes `top` until the next leaf is pending or the root is done. So a poll costs the
// same at any depth. Awaiting a task and returning from one only exchange `top` and go back to the
// loop in Strand::advance: no call stack grows, at no optimisation level.
//
// Ownership. A Task owns its coroutine frame. The Task that is awaited lives in the frame of the
// one that awaits it, so that destroying a suspended root destroys the whole strand, innermost
// first. A task must not be destroyed while it runs (from inside its own poll).
//
// Threads. Poll, move and destroy on one thread at a time. Only wakers cross threads.
//
// Exceptions. What leaves a coroutine is kept and thrown again to whoever awaits it (or from
// Task::poll to whoever polls it). Nobody awaits a task given to Worker::spawn_local: what it
// throws is written to the worker's log sink as an error of "task", and dropped.
//
// Coroutines are functions with by-value parameters: a frame outlives the call that made it, and
// with it every reference and every capture of a lambda.
#pragma once

#include <concepts>
#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "core/base/block_cache.hpp"
#include "core/runtime/poll.hpp"
#include "core/runtime/waker.hpp"

namespace hc::runtime {

template <class P>
struct PollValue {};
template <class T>
struct PollValue<Poll<T>> {
    using type = T;
};

/// Something that can be asked whether it is done: `Poll<T> poll(Context&)`. When it answers
/// pending it has kept a copy of the context's waker, and wakes it when it is worth asking again.
/// It is not asked again once it was ready.
template <class F>
concept Future = requires(F& future, Context& context) {
    typename PollValue<decltype(future.poll(context))>::type;
};

template <Future F>
using FutureValue =
    typename PollValue<decltype(std::declval<F&>().poll(std::declval<Context&>()))>::type;

template <class T = void>
class Task;

namespace task_detail {

struct PromiseBase;

/// See the top of the file. Every promise holds one; only the root's is used.
struct Strand {
    std::coroutine_handle<> top;                      // to be resumed next; null: the root is done
    bool (*leaf)(void*, Context&) noexcept = nullptr; // asks what `top` waits for; null: nothing
    void* leaf_data = nullptr;
    Context* context = nullptr; // during a poll

    /// True when the root is done.
    bool advance(Context& now) noexcept {
        context = &now;
        if (leaf != nullptr) {
            if (!leaf(leaf_data, now)) return false;
            leaf = nullptr;
        }
        do {
            top.resume();
        } while (leaf == nullptr && top);
        return leaf == nullptr;
    }
};

struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> handle) const noexcept {
        handle.promise().strand->top = handle.promise().continuation;
    }
    void await_resume() const noexcept {}
};

template <class F>
class FutureAwaiter;
template <class T>
class TaskAwaiter;

struct PromiseBase : Cached {
    Strand own;
    Strand* strand = &own;                // the root's, once awaited
    std::coroutine_handle<> continuation; // who awaits this; null for a root
    std::exception_ptr thrown;
    bool started = false;

    std::suspend_always initial_suspend() const noexcept { return {}; }
    FinalAwaiter final_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept { thrown = std::current_exception(); }

    /// A task is moved into the frame that awaits it. `co_await std::move(task)` for a named one.
    template <class T>
    TaskAwaiter<T> await_transform(Task<T>&& task) noexcept {
        return TaskAwaiter<T>(std::move(task));
    }
    template <class T>
    void await_transform(Task<T>&) = delete;
    /// Other futures: a temporary is moved into the frame, a named one stays where it is.
    template <Future F>
    FutureAwaiter<F> await_transform(F&& future) noexcept(std::is_lvalue_reference_v<F>) {
        return FutureAwaiter<F>(std::forward<F>(future));
    }
};

template <class T>
struct Promise : PromiseBase {
    std::optional<T> result;

    Task<T> get_return_object() noexcept;
    template <class U>
    void return_value(U&& value) {
        result.emplace(std::forward<U>(value));
    }
    T take() {
        if (thrown) std::rethrow_exception(std::exchange(thrown, nullptr));
        return std::move(*result);
    }
};

template <>
struct Promise<void> : PromiseBase {
    Task<void> get_return_object() noexcept;
    void return_void() const noexcept {}
    void take() {
        if (thrown) std::rethrow_exception(std::exchange(thrown, nullptr));
    }
};

} // namespace task_detail

/// A lazily started coroutine that gives a T (a value or void). Move-only. An empty one (moved
/// from) may only be assigned to and destroyed.
template <class T>
class [[nodiscard]] Task {
public:
    using promise_type = task_detail::Promise<T>;

    Task() = default;
    Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
    Task& operator=(Task other) noexcept {
        std::swap(frame_, other.frame_);
        return *this;
    }
    ~Task() {
        if (frame_) frame_.destroy();
    }

    explicit operator bool() const noexcept { return static_cast<bool>(frame_); }

    /// Runs until the next pending future or the end. Throws what the task threw. Not to be called
    /// again after it was ready.
    Poll<T> poll(Context& context) {
        if (!advance(context)) return pending;
        if constexpr (std::is_void_v<T>) {
            take();
            return Poll<void>::ready();
        } else {
            return take();
        }
    }

private:
    friend promise_type;
    friend class task_detail::TaskAwaiter<T>;
    using Frame = std::coroutine_handle<promise_type>;
    explicit Task(Frame frame) noexcept : frame_(frame) {}

    bool advance(Context& context) noexcept {
        promise_type& promise = frame_.promise();
        if (!std::exchange(promise.started, true)) promise.own.top = frame_;
        return promise.own.advance(context);
    }
    T take() { return frame_.promise().take(); }

    Frame frame_;
};

namespace task_detail {

template <class T>
Task<T> Promise<T>::get_return_object() noexcept {
    return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() noexcept {
    return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

/// Awaits a future other than a task. `F` is the type for a temporary, a reference for a named one.
template <class F>
class FutureAwaiter {
    using Value = FutureValue<std::remove_reference_t<F>>;

public:
    template <class G>
        requires(!std::same_as<std::remove_cvref_t<G>, FutureAwaiter>)
    explicit FutureAwaiter(G&& future) : future_(std::forward<G>(future)) {}

    // The promise is not known before await_suspend, so the first poll is made there.
    bool await_ready() const noexcept { return false; }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> handle) noexcept {
        Strand& strand = *handle.promise().strand;
        if (ask(this, *strand.context)) return false;
        strand.leaf = &FutureAwaiter::ask;
        strand.leaf_data = this;
        return true;
    }
    Value await_resume() {
        if (thrown_) std::rethrow_exception(std::move(thrown_));
        return std::move(answer_).value();
    }

private:
    static bool ask(void* self, Context& context) noexcept {
        auto& awaiter = *static_cast<FutureAwaiter*>(self);
        try {
            awaiter.answer_ = awaiter.future_.poll(context);
            return awaiter.answer_.is_ready();
        } catch (...) {
            awaiter.thrown_ = std::current_exception();
            return true;
        }
    }

    F future_;
    Poll<Value> answer_{pending};
    std::exception_ptr thrown_;
};

/// Awaits a task. One that was not polled before joins the strand; one that was polled as a root is
/// asked like any other future, because its own frames already point to its own strand.
template <class T>
class TaskAwaiter {
public:
    explicit TaskAwaiter(Task<T>&& task) noexcept : task_(std::move(task)) {}

    bool await_ready() const noexcept { return false; }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> handle) noexcept {
        Strand& strand = *handle.promise().strand;
        auto& child = task_.frame_.promise();
        if (child.started) {
            if (ask(this, *strand.context)) return false;
            strand.leaf = &TaskAwaiter::ask;
            strand.leaf_data = this;
            return true;
        }
        child.started = true;
        child.strand = &strand;
        child.continuation = handle;
        strand.top = task_.frame_;
        return true;
    }
    T await_resume() { return task_.take(); }

private:
    static bool ask(void* self, Context& context) noexcept {
        return static_cast<TaskAwaiter*>(self)->task_.advance(context);
    }

    Task<T> task_;
};

} // namespace task_detail

/// Lets everything else that is runnable go first.
class YieldNow {
public:
    Poll<void> poll(Context& context) noexcept {
        if (std::exchange(yielded_, true)) return Poll<void>::ready();
        context.waker().wake();
        return pending;
    }

private:
    bool yielded_ = false;
};

inline YieldNow yield_now() noexcept { return {}; }

} // namespace hc::runtime
