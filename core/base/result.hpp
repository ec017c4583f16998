// Result<T>: a value or the Error that took its place.
#pragma once

#include <expected>
#include <utility>

#include "core/base/error.hpp"

namespace hc {

template <class T>
using Result = std::expected<T, Error>;

/// Short for `std::unexpected(error)` at the place where an error is returned.
inline std::unexpected<Error> fail(Error error) { return std::unexpected<Error>(std::move(error)); }

inline std::unexpected<Error> fail(ErrorKind kind, std::string message) {
    return std::unexpected<Error>(user_error(kind, std::move(message)));
}

} // namespace hc
