// SendError<T>: what was not sent, and why.
#pragma once

#include "core/base/error.hpp"

namespace hc::runtime {

/// `closed`: nobody will take it. `again`: there is no room now (from a try_send only).
template <class T>
struct SendError {
    ErrorKind kind = ErrorKind::closed;
    T value;
};

} // namespace hc::runtime
