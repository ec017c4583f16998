// One run of a whole server among many clients, all of it drawn from a seed.
#pragma once

#include <cstdint>

#include "tests/sim/report.hpp"

namespace hc::simtest {

Report run(std::uint64_t seed);

} // namespace hc::simtest
