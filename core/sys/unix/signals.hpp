// Signals, as this folder sees them among itself.
#pragma once

namespace hc::sys {

/// True when the calling thread called block_signals(): a SIGPIPE cannot reach its host.
bool signals_are_blocked() noexcept;

} // namespace hc::sys
