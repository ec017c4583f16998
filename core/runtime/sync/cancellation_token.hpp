// CancellationToken: says to tasks, and to those they started, that they should end.
//
// Tokens form a tree. Each has a node of its own, shared by the copies of the token and by the
// futures that wait for it:
//
//   field        who, when
//   refs         counts the handles, the futures and the children; the last one, on any thread,
//                takes the node out of its parent's list, frees it and then drops the parent
//   cancelled    set once, under the mutex; read by all without it
//   line,        under the node's mutex
//   children
//   links        under the parent's mutex while in its list. A cancel takes the children out of it
//                and holds each of them, and then the links are its own. One that nobody holds any
//                more is on its way to that mutex, and finds itself not in the list.
//
// Cancelling and freeing walk the tree in loops, so its depth is not limited by a stack.
#pragma once

#include <cassert>
#include <optional>
#include <type_traits>
#include <utility>

#include "core/runtime/coop.hpp"
#include "core/runtime/poll.hpp"
#include "core/runtime/sync/waiters.hpp"
#include "core/runtime/task.hpp"

namespace hc::runtime {

/// A copy is the same token. Any thread may call anything. A moved from one may only be assigned to
/// and destroyed.
class CancellationToken {
public:
    class Cancelled;
    template <class F>
    class RunUntilCancelled;
    class DropGuard;

    CancellationToken(); // of nobody
    CancellationToken(const CancellationToken& other) noexcept;
    CancellationToken(CancellationToken&& other) noexcept
        : node_(std::exchange(other.node_, nullptr)) {}
    CancellationToken& operator=(CancellationToken other) noexcept {
        std::swap(node_, other.node_);
        return *this;
    }
    ~CancellationToken();

    /// One that is cancelled with this one, and can be cancelled without it. A child of a cancelled
    /// token is cancelled.
    CancellationToken child_token() const;
    /// Cancels this one and all below it, once; wakes all who wait for any of them.
    void cancel() const noexcept;
    /// What was done before the cancel is seen by whom this tells of it.
    bool is_cancelled() const noexcept;
    /// Ready once it is cancelled. Keeps what it needs of the token.
    Cancelled cancelled() const noexcept;
    /// The future's value, or nothing when the token is cancelled first; then the future is not
    /// polled again, and is destroyed with this one. For a future of nothing: whether it was ready.
    template <class F>
    RunUntilCancelled<F> run_until_cancelled(F future) const;
    /// Cancels this token when it is destroyed.
    DropGuard drop_guard() const noexcept;

private:
    struct Node;
    explicit CancellationToken(Node* node) noexcept : node_(node) {}
    static void drop(Node* node) noexcept;

    Node* node_;
};

/// Move it before the first poll only.
class CancellationToken::Cancelled : private sync_detail::Waiter {
public:
    Cancelled(Cancelled&& other) noexcept : token_(std::move(other.token_)) {
        assert(!other.in_line_);
    }
    ~Cancelled();
    Poll<void> poll(Context& context) noexcept;

private:
    friend class CancellationToken;
    explicit Cancelled(const CancellationToken& token) noexcept : token_(token) {}

    CancellationToken token_;
    bool in_line_ = false;
};

/// Move it before the first poll only.
template <class F>
class CancellationToken::RunUntilCancelled {
    using Value = FutureValue<F>;
    static constexpr bool is_void = std::is_void_v<Value>;

public:
    using Answer = std::conditional_t<is_void, bool, std::optional<Value>>;

    RunUntilCancelled(Cancelled cancelled, F future)
        : cancelled_(std::move(cancelled)), future_(std::move(future)) {}

    Poll<Answer> poll(Context& context) {
        if (cancelled_.poll(context).is_ready()) return Answer{};
        auto polled = future_.poll(context);
        if (!polled.is_ready()) return pending;
        if constexpr (is_void) {
            return true;
        } else {
            return Answer(std::move(polled).value());
        }
    }

private:
    Cancelled cancelled_;
    F future_;
};

class [[nodiscard]] CancellationToken::DropGuard {
public:
    explicit DropGuard(CancellationToken token) noexcept : token_(std::move(token)) {}
    DropGuard(DropGuard&& other) noexcept : token_(std::move(other.token_)) {}
    DropGuard& operator=(DropGuard other) noexcept {
        std::swap(token_, other.token_);
        return *this;
    }
    ~DropGuard() {
        if (token_.node_ != nullptr) token_.cancel();
    }
    /// Does nothing any more; gives the token.
    CancellationToken disarm() && noexcept { return std::move(token_); }

private:
    CancellationToken token_;
};

inline CancellationToken::Cancelled CancellationToken::cancelled() const noexcept {
    return Cancelled(*this);
}
inline CancellationToken::DropGuard CancellationToken::drop_guard() const noexcept {
    return DropGuard(*this);
}
template <class F>
CancellationToken::RunUntilCancelled<F> CancellationToken::run_until_cancelled(F future) const {
    return {cancelled(), std::move(future)};
}

} // namespace hc::runtime
