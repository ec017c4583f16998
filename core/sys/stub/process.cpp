// Threads and processes where there is nothing to be done about them. Not built beside
// unix/process.cpp.
#include "core/sys/process.hpp"

namespace hc::sys {

void name_thread(std::string_view) noexcept {}
void block_signals() noexcept {}
SignalsBlocked::SignalsBlocked() noexcept { old_mask_[0] = 0; }
SignalsBlocked::~SignalsBlocked() = default;
ForkToken fork_token() noexcept { return 1; }
bool forked_since(ForkToken) noexcept { return false; }

} // namespace hc::sys
