// A stream that does what a script tells it: short reads and writes, waits, errors, the end.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/result.hpp"
#include "core/runtime/io/async_io.hpp"

namespace hc::runtime::test {

struct Wait {};  // until the test says go_on()
struct Yield {}; // pending once, and woken at once
struct End {};
struct Fails {
    ErrorKind kind = ErrorKind::reset;
};
struct Takes {
    std::size_t bytes; // 0 breaks the contract, on purpose
};

/// One direction's steps, and the waker of who waits.
template <class... Step>
class Script {
public:
    using Any = std::variant<Wait, Yield, Fails, Step...>;
    Script() = default;
    template <class... Given>
        requires(sizeof...(Given) > 0 && (std::constructible_from<Any, Given> && ...))
    Script(Given... steps) {
        (add(std::move(steps)), ...);
    }

    void add(Any step) { steps_.push_back(std::move(step)); }
    bool over() const { return steps_.empty(); }
    Any& front() { return steps_.front(); }
    void pop() { steps_.pop_front(); }
    /// True when the step is to wait, which has been arranged for.
    bool waits(Context& context) {
        EXPECT_FALSE(failed_) << "asked again after an error";
        if (over() || std::holds_alternative<Wait>(front())) {
            waker_ = context.waker();
            return true;
        }
        if (!std::holds_alternative<Yield>(front())) return false;
        pop();
        context.waker().wake();
        return true;
    }
    std::optional<Error> error() {
        const Fails* fails = std::get_if<Fails>(&front());
        if (fails == nullptr) return std::nullopt;
        failed_ = true;
        return Error{.kind = fails->kind, .message = "scripted"};
    }
    /// Ends a Wait, or adds a step to what waits for one.
    void go_on() {
        if (!over() && std::holds_alternative<Wait>(front())) pop();
        std::exchange(waker_, Waker()).wake();
    }
    bool is_waited_for() const { return static_cast<bool>(waker_); }

private:
    std::deque<Any> steps_;
    Waker waker_;
    bool failed_ = false;
};

/// Reads: the pieces of the script, none larger than asked for; behind the script it waits. Writes,
/// flushes and shutdowns: by their scripts, behind which all succeeds.
class ScriptedStream {
public:
    Script<std::string, End> reads;
    Script<Takes> writes;
    Script<> flushes;
    Script<> shutdowns;

    std::string written;
    std::size_t flushed = 0; // so many of `written`
    int flush_count = 0;
    int shutdown_count = 0;
    std::vector<std::size_t> read_sizes; // what was asked for, when something was given
    std::vector<std::size_t> write_sizes;

    Poll<Result<std::size_t>> poll_read(Context& context, std::span<char> into) {
        EXPECT_FALSE(into.empty());
        if (reads.waits(context)) return pending;
        if (auto error = reads.error()) return Result<std::size_t>(fail(*std::move(error)));
        read_sizes.push_back(into.size());
        if (std::holds_alternative<End>(reads.front())) return Result<std::size_t>(0);
        auto& piece = std::get<std::string>(reads.front());
        const std::size_t count = piece.copy(into.data(), into.size());
        piece.erase(0, count);
        if (piece.empty()) reads.pop();
        return Result<std::size_t>(count);
    }
    Poll<Result<std::size_t>> poll_write(Context& context, std::string_view bytes) {
        EXPECT_FALSE(bytes.empty());
        EXPECT_EQ(shutdown_count, 0);
        std::size_t count = bytes.size();
        if (!writes.over()) {
            if (writes.waits(context)) return pending;
            if (auto error = writes.error()) return Result<std::size_t>(fail(*std::move(error)));
            count = std::min(count, std::get<Takes>(writes.front()).bytes);
            writes.pop();
        }
        write_sizes.push_back(bytes.size());
        written += bytes.substr(0, count);
        return Result<std::size_t>(count);
    }
    Poll<Result<void>> poll_flush(Context& context) {
        if (!flushes.over()) {
            if (flushes.waits(context)) return pending;
            if (auto error = flushes.error()) return Result<void>(fail(*std::move(error)));
        }
        flushed = written.size();
        ++flush_count;
        return Result<void>();
    }
    Poll<Result<void>> poll_shutdown(Context& context) {
        if (!shutdowns.over()) {
            if (shutdowns.waits(context)) return pending;
            if (auto error = shutdowns.error()) return Result<void>(fail(*std::move(error)));
        }
        flushed = written.size();
        ++shutdown_count;
        return Result<void>();
    }
};
static_assert(AsyncStream<ScriptedStream>);

} // namespace hc::runtime::test
