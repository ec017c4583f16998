// scope: structured concurrency. What is spawned inside of a scope has ended when the scope has.
//
//     Result<Page> page = co_await scope([&](Scope& inside) -> Task<Page> {
//         auto head = inside.spawn(fetch(url_of_head));     // these may borrow from here and from
//         auto body = inside.spawn(fetch(url_of_body));     // around the scope: they end before it
//         co_return assemble(*co_await head, *co_await body);
//     });
//
// Promises
//
// - The scope is done when its body and all its children are, and gives what the body gave.
// - A child that gives an error (a Result that is none) or throws ends the others and the body; so
//   does the body. The first error, or the first exception, is what the scope gives.
// - A scope that is dropped (its task was aborted, a timeout around it ran out) ends all that is in
//   it before its destructor returns, however deep: children are not polled again, and their
//   futures are destroyed. Should one be in the middle of a poll on another worker, this waits for
//   that poll to return; so no poll may wait for something that needs this thread.
//
// Children may run on any worker of the runtime, the body runs where the scope is awaited.
#pragma once

#include <concepts>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include "core/base/intrusive_list.hpp"
#include "core/base/result.hpp"
#include "core/runtime/spawn.hpp"
#include "core/runtime/task.hpp"

namespace hc::runtime {

class Scope;

namespace detail {

template <class T>
inline constexpr bool is_result = false;
template <class T>
inline constexpr bool is_result<Result<T>> = true;

/// What a scope gives for a body that gives T: Result<T>, which a Result is already.
template <class T>
struct ScopeResult {
    using type = Result<T>;
};
template <class T>
struct ScopeResult<Result<T>> {
    using type = Result<T>;
};

/// The children of a scope. Everything in it is guarded by `mutex_`; no waker is woken and no task
/// ended under it. A child's entry is in the list from before it is spawned until its future is
/// destroyed; `task_` is set when it was spawned.
class Children {
public:
    struct Entry : ListNode {
        sched::TaskBase* task = nullptr;
    };

    Children() = default;
    Children(const Children&) = delete;
    Children& operator=(const Children&) = delete;
    ~Children() { end_all(); }

    void add(Entry& entry) noexcept;
    void spawned(Entry& entry, sched::TaskBase& task) noexcept;
    /// The child's future is destroyed.
    void gone(Entry& entry) noexcept;
    /// The first one counts. All children are asked to end.
    void fail(Error error) noexcept;
    void fail(std::exception_ptr thrown) noexcept;

    bool has_failed() const noexcept;
    /// True when there is no child any more; else the waker is woken then, and at a failure.
    bool poll_empty(const Waker& waker);
    /// The failure, to be looked at when there is no child any more.
    std::optional<Error> take_error();

    /// Ends all children on this thread, and waits for those that are being polled elsewhere.
    void end_all() noexcept;

private:
    void abort_all() noexcept;
    sched::TaskBase* any_spawned(bool& empty) noexcept;

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    IntrusiveList<Entry> entries_;
    Waker waker_;
    bool failed_ = false;
    std::optional<Error> error_;
    std::exception_ptr thrown_;
};

/// A child's future: passes on what it gives, and tells the scope of errors and of its end.
template <Future F>
class Child {
    using Value = FutureValue<F>;

public:
    Child(Children& children, F future)
        : membership_(new Membership(children)), future_(std::move(future)) {}
    Child(Child&&) noexcept = default;
    // The future goes before the membership does.

    Children::Entry& entry() noexcept { return *membership_; }

    Poll<Value> poll(Context& context) {
        try {
            Poll<Value> polled = future_.poll(context);
            if constexpr (is_result<Value>) {
                if (polled.is_ready() && !polled.value()) {
                    membership_->children.fail(polled.value().error());
                }
            }
            return polled;
        } catch (...) {
            membership_->children.fail(std::current_exception());
            throw;
        }
    }

private:
    struct Membership : Children::Entry {
        explicit Membership(Children& in) noexcept : children(in) { in.add(*this); }
        ~Membership() { children.gone(*this); }
        Children& children;
    };

    std::unique_ptr<Membership> membership_;
    F future_;
};

} // namespace detail

/// The inside of a scope, for its body and its children: any of them may spawn, as long as the
/// scope lives.
class Scope {
public:
    /// scope() makes it.
    explicit Scope(detail::Children& children) noexcept : children_(children) {}
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

    /// A child that any worker may run. The handle may be joined, aborted (which is no error of the
    /// scope) or dropped. In a scope that has failed already it ends at once.
    template <Future F>
    JoinHandle<FutureValue<F>> spawn(F future);

private:
    detail::Children& children_;
};

template <Future F>
JoinHandle<FutureValue<F>> Scope::spawn(F future) {
    sched::Scheduler* scheduler = sched::Scheduler::current();
    if (scheduler == nullptr) return sched::never_began<FutureValue<F>>(ErrorKind::closed);
    using Wrapped = detail::Child<F>;
    Wrapped child(children_, std::move(future));
    detail::Children::Entry& entry = child.entry();
    auto* task =
        new sched::FutureTask<Wrapped>(sched::TaskBase::Reach::anywhere, true, std::move(child));
    JoinHandle<FutureValue<F>> handle(*task);
    children_.spawned(entry, *task);
    sched::launch(*task, *scheduler);
    if (children_.has_failed()) handle.abort();
    return handle;
}

namespace detail {

/// Polls the body until it is done or the scope has failed, then waits for the children.
template <Future F>
class ScopeDone {
    using Value = FutureValue<F>;
    using Given = typename ScopeResult<Value>::type;

public:
    ScopeDone(Children& children, F& body) noexcept : children_(children), body_(body) {}

    Poll<Given> poll(Context& context) {
        if (!given_ && !children_.has_failed()) poll_body(context);
        if (!children_.poll_empty(context.waker())) return pending;
        if (auto error = children_.take_error()) return Given(fail(std::move(*error)));
        if (!given_) return pending; // the body goes on
        return std::move(*given_);
    }

private:
    void poll_body(Context& context) {
        try {
            auto polled = body_.poll(context);
            if (!polled.is_ready()) return;
            if constexpr (std::is_void_v<Value>) {
                given_.emplace();
            } else {
                given_.emplace(std::move(polled).value());
                if (!*given_) children_.fail(given_->error());
            }
        } catch (...) {
            children_.fail(std::current_exception());
        }
    }

    Children& children_;
    F& body_;
    std::optional<Given> given_;
};

} // namespace detail

namespace detail {

template <class Body>
auto run_scope(Body body)
    -> Task<typename ScopeResult<FutureValue<std::invoke_result_t<Body&, Scope&>>>::type> {
    using Started = std::invoke_result_t<Body&, Scope&>;
    Children children;
    Scope inside(children);
    Started started = std::invoke(body, inside);
    // Goes first when this is dropped: children may borrow from the body.
    struct EndFirst {
        Children& children;
        ~EndFirst() { children.end_all(); }
    };
    const EndFirst first{children};
    ScopeDone<Started> done(children, started);
    co_return co_await done;
}

} // namespace detail

/// Runs `body(Scope&)`, which gives a Task, and all that it spawns inside; see the top of the file.
/// A copy of `body` lives until the end of the scope, so that a lambda may capture and be a
/// coroutine.
template <class Body>
auto scope(Body&& body) {
    using Kept = std::decay_t<Body>;
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 14
    static_assert(
        std::is_lvalue_reference_v<Body> || std::is_trivially_copyable_v<Kept>,
        "GCC before 14 destroys what a lambda within a co_await expression has captured by "
        "value twice: give the lambda a name first, or capture by reference");
#endif
    return detail::run_scope<Kept>(std::forward<Body>(body));
}

} // namespace hc::runtime
