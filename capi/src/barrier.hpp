// The one door of the library: every export runs its body through `barrier`, which lets no
// exception out and no null, foreign or forked handle in. tests/tidy/barrier.py proves that none
// goes round it.
#pragma once

#include <httpcore/httpcore.h>

#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include "capi/src/object.hpp"
#include "core/base/error.hpp"

namespace hc::capi {

constexpr hc_status status_of(ErrorKind kind) noexcept { return static_cast<hc_status>(kind); }

/// Runs `body`, which gives a status (or another type that a status converts to).
template <class Body>
auto barrier(Body&& body) noexcept -> std::invoke_result_t<Body> {
    using Answer = std::invoke_result_t<Body>;
    try {
        return std::forward<Body>(body)();
    } catch (const std::bad_alloc&) {
        return static_cast<Answer>(HC_E_NO_MEMORY);
    } catch (...) {
        return static_cast<Answer>(HC_E_INTERNAL);
    }
}

/// The same for a function of a handle: `body` is given a reference to it.
template <class Handle, class Body>
auto barrier(Handle* handle, Body&& body) noexcept -> std::invoke_result_t<Body, Handle&> {
    using Answer = std::invoke_result_t<Body, Handle&>;
    if (handle == nullptr || !handle->is(std::remove_const_t<Handle>::mark)) {
        return static_cast<Answer>(HC_E_INVALID);
    }
    if constexpr (requires { handle->forked(); }) {
        if (handle->forked()) return static_cast<Answer>(HC_E_FORKED);
    }
    return barrier([&] { return std::forward<Body>(body)(*handle); });
}

/// For a function that gives a text, or a number that is not a status: what to give instead.
template <class Answer, class Body>
Answer barrier_or(Answer otherwise, Body&& body) noexcept {
    try {
        return std::forward<Body>(body)();
    } catch (...) {
        return otherwise;
    }
}

template <class Handle>
hc_status barrier_retain(Handle* handle) noexcept {
    return barrier(handle, [](Handle& object) -> hc_status {
        object.retain();
        return HC_OK;
    });
}

/// Release is legal on NULL and in a forked child, where it leaks.
template <class Handle>
hc_status barrier_release(Handle* handle) noexcept {
    if (handle == nullptr) return HC_OK;
    if (!handle->is(Handle::mark)) return HC_E_INVALID;
    if constexpr (requires { handle->forked(); }) {
        if (handle->forked()) return HC_OK;
    }
    return barrier([&]() -> hc_status {
        if (handle->drop()) handle->destroy();
        return HC_OK;
    });
}

} // namespace hc::capi
