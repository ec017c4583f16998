// Copying between two streams, both ways: a tunnel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "core/runtime/coop.hpp"
#include "core/runtime/io/async_io.hpp"
#include "core/runtime/io/copy.hpp"
#include "core/runtime/task.hpp"

namespace hc::runtime {

/// How many bytes went each way.
struct CopiedBothWays {
    std::uint64_t a_to_b = 0;
    std::uint64_t b_to_a = 0;
    friend bool operator==(const CopiedBothWays&, const CopiedBothWays&) = default;
};

/// See copy_bidirectional().
template <AsyncStream A, AsyncStream B>
class CopyBidirectional {
public:
    CopyBidirectional(A& a, B& b, std::size_t capacity) noexcept
        : there_(a, b, capacity), back_(b, a, capacity) {}

    Poll<Result<CopiedBothWays>> poll(Context& context) {
        using Answer = Result<CopiedBothWays>;
        {
            // A side that always has something must not keep the other one from its turn.
            const coop::Share share(2);
            if (!there_.advance(context)) return Answer(fail(std::move(there_.error)));
        }
        if (!back_.advance(context)) return Answer(fail(std::move(back_.error)));
        if (there_.phase != Phase::ended || back_.phase != Phase::ended) return pending;
        return Answer(copied());
    }
    /// How many bytes were taken so far.
    CopiedBothWays copied() const noexcept {
        return {.a_to_b = there_.copy.copied(), .b_to_a = back_.copy.copied()};
    }

private:
    // copying --(the reader ended)--> ending --(the writer was shut down)--> ended
    enum class Phase : std::uint8_t { copying, ending, ended };

    template <class From, class To>
    struct Way {
        Way(From& from, To& to, std::size_t capacity) noexcept
            : writer(&to), copy(from, to, capacity) {}

        /// False when it failed.
        bool advance(Context& context) {
            if (phase == Phase::copying) {
                auto polled = copy.poll(context);
                if (!polled.is_ready()) return true;
                if (!polled.value()) return take(polled.value().error());
                phase = Phase::ending;
            }
            if (phase == Phase::ending) {
                auto polled = writer->poll_shutdown(context);
                if (!polled.is_ready()) return true;
                if (!polled.value()) return take(polled.value().error());
                phase = Phase::ended;
            }
            return true;
        }
        bool take(Error& from) {
            error = std::move(from);
            return false;
        }

        To* writer;
        Copy<From, To> copy;
        Phase phase = Phase::copying;
        Error error;
    };

    Way<A, B> there_;
    Way<B, A> back_;
};

/// Copies from `a` to `b` and from `b` to `a` until both have ended. The end of one is passed on by
/// a shutdown of the other, while the opposite way goes on. Each way is a copy() with a buffer of
/// `capacity` bytes. Both streams must outlive the future.
///
/// The first error of either stream ends both ways. Giving up, or an error, loses what was read and
/// not written by then: keep the future to go on later, and copied() says what was taken.
template <AsyncStream A, AsyncStream B>
[[nodiscard]] CopyBidirectional<A, B>
copy_bidirectional(A& a, B& b, std::size_t capacity = Copy<A, B>::default_capacity) noexcept {
    return {a, b, capacity};
}

} // namespace hc::runtime
