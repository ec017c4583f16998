// Where files have no owners that are known here.
#include "core/sys/private_file.hpp"

#include <cerrno>

namespace hc::sys {

Result<std::FILE*> append_privately(const std::string& path) {
    std::FILE* file = std::fopen(path.c_str(), "a");
    if (file == nullptr) return fail(system_error(errno, "opening " + path));
    return file;
}

} // namespace hc::sys
