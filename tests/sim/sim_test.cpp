// Whole servers among random clients. HTTPCORE_SIM_SEEDS says how many runs there are,
// HTTPCORE_SIM_SEED where they begin; a failure names its seed.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tests/sim/run.hpp"

namespace hc::simtest {
namespace {

std::uint64_t number_of(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text == nullptr || *text == '\0' ? otherwise : std::strtoull(text, nullptr, 10);
}

std::uint64_t first_seed() { return number_of("HTTPCORE_SIM_SEED", 1); }
std::uint64_t seeds() { return number_of("HTTPCORE_SIM_SEEDS", 400); }

std::string text_of(const Report& report) {
    std::string out;
    for (const std::string& wrong : report.wrong) out += "  " + wrong + '\n';
    return out;
}

TEST(Simulation, EveryPromiseIsKept) {
    Report all;
    int failures = 0;
    for (std::uint64_t seed = first_seed(); seed < first_seed() + seeds(); ++seed) {
        const Report report = run(seed);
        EXPECT_TRUE(report.wrong.empty())
            << "HTTPCORE_SIM_SEED=" << seed << " HTTPCORE_SIM_SEEDS=1\n"
            << text_of(report);
        if (!report.wrong.empty() && ++failures == 10) break;
        all.answers_whole += report.answers_whole;
        all.answers_cut += report.answers_cut;
        all.answers_own += report.answers_own;
        all.bodies_whole += report.bodies_whole;
        all.tunnels += report.tunnels;
        all.refused_sends += report.refused_sends;
        all.resets += report.resets;
        all.timeouts += report.timeouts;
        all.drained_early += report.drained_early;
    }
    RecordProperty("whole", std::to_string(all.answers_whole));
    if (seeds() < 100) return;
    // The runs are worth something only when all of this happens in them.
    const std::uint64_t n = seeds();
    EXPECT_GT(all.answers_whole, n * 3);
    EXPECT_GT(all.answers_cut, n / 20);
    EXPECT_GT(all.answers_own, n);
    EXPECT_GT(all.bodies_whole, n);
    EXPECT_GT(all.tunnels, n / 10);
    EXPECT_GT(all.refused_sends, n);
    EXPECT_GT(all.resets, n / 4);
    EXPECT_GT(all.timeouts, n / 20);
    EXPECT_GT(all.drained_early, n / 10);
}

TEST(Simulation, TheSameSeedGivesTheSameTrace) {
    for (std::uint64_t seed = first_seed(); seed < first_seed() + seeds() / 10 + 1; ++seed) {
        EXPECT_EQ(run(seed).trace, run(seed).trace) << "HTTPCORE_SIM_SEED=" << seed;
    }
}

TEST(Simulation, AnotherSeedGivesAnotherTrace) {
    EXPECT_NE(run(first_seed()).trace, run(first_seed() + 1).trace);
}

} // namespace
} // namespace hc::simtest
