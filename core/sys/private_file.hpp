// A file for secrets.
#pragma once

#include <cstdio>
#include <string>

#include "core/base/result.hpp"

namespace hc::sys {

/// Opens a file for appending, to be closed by fclose(). A new one is its owner's alone from its
/// first moment on; one that is there has to become so, or it is an error. What is no plain file (a
/// pipe, a terminal) is taken as it is.
Result<std::FILE*> append_privately(const std::string& path);

} // namespace hc::sys
