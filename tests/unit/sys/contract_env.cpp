#include "tests/unit/sys/contract_env.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/sys/sim/world.hpp"
#include "tests/support/backend.hpp"
#include "tests/unit/sys/native_systems.hpp"

namespace hc::sys::test {

namespace {

class NativeEnv final : public Env {
public:
    explicit NativeEnv(System& system) : system_(system) {
        std::string pattern = std::filesystem::temp_directory_path() / "hc-sys-XXXXXX";
        folder_ = ::mkdtemp(pattern.data());
    }
    ~NativeEnv() override {
        for (const int file : files_) ::close(file);
        std::filesystem::remove_all(folder_);
    }
    System& system() override { return system_; }
    std::intptr_t make_file(const std::string& content) override {
        std::string pattern = folder_ + "/file-XXXXXX";
        const int file = ::mkstemp(pattern.data());
        files_.push_back(file);
        return ::write(file, content.data(), content.size()) == static_cast<ssize_t>(content.size())
                   ? file
                   : -1;
    }
    std::string socket_path() override { return folder_ + "/socket"; }
    void make_plain_file(const std::string& path) override { std::ofstream(path) << "text"; }
    bool exists(const std::string& path) override {
        return std::filesystem::exists(std::filesystem::symlink_status(path));
    }

private:
    System& system_;
    std::string folder_;
    std::vector<int> files_;
};

class SimEnv final : public Env {
public:
    SimEnv(std::uint64_t seed, sim::Options options) : world_(seed, std::move(options)) {}
    System& system() override { return world_; }
    std::intptr_t make_file(const std::string& content) override {
        return world_.add_file(content);
    }
    std::string socket_path() override { return "/run/socket"; }
    void make_plain_file(const std::string& path) override {
        world_.network().add_plain_file(path);
    }
    bool exists(const std::string& path) override { return world_.network().file_exists(path); }

private:
    sim::World world_;
};

/// Hostile, but for stalls longer than a test waits to see that nothing comes.
sim::Options rough() {
    sim::Options options = sim::Options::hostile();
    options.stall_min = std::chrono::milliseconds(1);
    options.stall_max = std::chrono::milliseconds(20);
    return options;
}

} // namespace

std::vector<EnvCase> all_envs() {
    std::vector<EnvCase> out;
    for (const NativeCase& each : native_systems()) {
        if (each.absent.empty()) {
            out.push_back(
                {each.name, [&each] { return std::make_unique<NativeEnv>(*each.system); }});
        } else {
            out.push_back({each.name, nullptr, each.absent});
        }
    }
    if (hc::test::on_io_uring()) return out; // the simulation is the same there
    out.push_back({"sim", [] { return std::make_unique<SimEnv>(1, sim::Options{}); }});
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        out.push_back({"sim_rough_" + std::to_string(seed),
                       [seed] { return std::make_unique<SimEnv>(seed, rough()); }});
    }
    return out;
}

} // namespace hc::sys::test
