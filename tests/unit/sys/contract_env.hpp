// The systems that the contract in core/sys/sys.hpp is tested on.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "core/sys/sys.hpp"

namespace hc::sys::test {

/// One system, and what a test needs beside the contract to exercise it.
class Env {
public:
    virtual ~Env() = default;
    virtual System& system() = 0;
    /// A file that `send_file` can read.
    virtual std::intptr_t make_file(const std::string& content) = 0;
    /// Where a Unix socket's file may be; nothing is there yet.
    virtual std::string socket_path() = 0;
    /// Puts something there that is no socket.
    virtual void make_plain_file(const std::string& path) = 0;
    virtual bool exists(const std::string& path) = 0;
};

struct EnvCase {
    std::string name;
    std::function<std::unique_ptr<Env>()> make;
    std::string absent; // why there is none here
};
inline std::string name_of(const testing::TestParamInfo<EnvCase>& info) { return info.param.name; }
inline void PrintTo(const EnvCase& env, std::ostream* out) { *out << env.name; }

std::vector<EnvCase> all_envs();

} // namespace hc::sys::test
