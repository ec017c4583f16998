// Where the shared test vectors are: $HC_VECTORS, else ../shared/vectors from the project's root.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

namespace hc::test {

/// The folder of one set of vectors, or nullopt when it is not present.
inline std::optional<std::filesystem::path> find_vectors(std::string_view set) {
    std::filesystem::path folder;
    if (const char* named = std::getenv("HC_VECTORS")) {
        folder = named;
    } else {
        const char* root = std::getenv("HTTPCORE_SOURCE_ROOT");
        folder = std::filesystem::path(root != nullptr ? root : ".") / ".." / "shared" / "vectors";
    }
    folder /= set;
    std::error_code error;
    if (!std::filesystem::is_directory(folder, error)) return std::nullopt;
    return folder;
}

inline std::string read_file(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

} // namespace hc::test
