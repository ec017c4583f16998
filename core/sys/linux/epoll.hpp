// The Selector on epoll.
#pragma once

#include <memory>

#include "core/sys/sys.hpp"

namespace hc::sys {

Result<std::unique_ptr<Selector>> make_epoll_selector();

} // namespace hc::sys
