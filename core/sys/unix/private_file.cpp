#include "core/sys/private_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace hc::sys {

namespace {

constexpr ::mode_t of_the_owner = S_IRUSR | S_IWUSR;

bool make_private(int fd) noexcept {
    struct stat facts{};
    if (::fstat(fd, &facts) != 0) return false;
    return !S_ISREG(facts.st_mode) || (facts.st_mode & (S_IRWXG | S_IRWXO)) == 0 ||
           ::fchmod(fd, of_the_owner) == 0;
}

} // namespace

Result<std::FILE*> append_privately(const std::string& path) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, of_the_owner);
    std::FILE* file = nullptr;
    if (fd >= 0 && make_private(fd)) file = ::fdopen(fd, "a");
    if (file != nullptr) return file;
    const int error = errno;
    if (fd >= 0) ::close(fd);
    return fail(system_error(error, "opening " + path + " for its owner alone"));
}

} // namespace hc::sys
