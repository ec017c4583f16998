#include "tests/support/model/explore.hpp"

#include <cstdlib>

namespace hc::model {
namespace {

void describe(Outcome& outcome, const Execution& execution) {
    outcome.failure = execution.failure();
    for (const std::string& line : execution.trace()) outcome.trace += line + "\n";
}

} // namespace

Outcome replay(const Limits& limits, const std::string& schedule,
               const std::function<void()>& body) {
    Outcome outcome;
    const std::size_t colon = schedule.find(':');
    const Sharing sharing = Sharing::parse(schedule.substr(0, colon));
    Choices choices = Choices::parse(schedule.substr(colon + 1));
    Execution execution;
    outcome.schedules = 1;
    outcome.schedule = schedule;
    execution.run(limits, body, choices, sharing, true);
    describe(outcome, execution);
    return outcome;
}

Outcome explore(const Limits& limits, const std::function<void()>& body) {
    if (const char* const schedule = std::getenv("HTTPCORE_MODEL_REPLAY")) {
        return replay(limits, schedule, body);
    }
    Outcome outcome;
    Choices choices;
    Sharing sharing;
    Execution execution;
    do {
        ++outcome.schedules;
        if (!execution.run(limits, body, choices, sharing, false)) {
            const std::uint64_t schedules = outcome.schedules;
            outcome = replay(limits, sharing.text() + ":" + choices.text(), body);
            outcome.schedules = schedules;
            if (outcome.failure.empty()) outcome.failure = "a failure that its replay lacks";
            return outcome;
        }
        if (sharing.join(execution.seen())) {
            choices = Choices{}; // what was left out may matter: from the beginning
        } else if (!choices.advance()) {
            outcome.complete = true;
            return outcome;
        }
    } while (outcome.schedules < limits.schedules);
    return outcome;
}

std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
    out << outcome.schedules << " schedules";
    if (!outcome.failure.empty()) out << "\n" << outcome.failure;
    if (!outcome.schedule.empty()) out << "\nHTTPCORE_MODEL_REPLAY=" << outcome.schedule;
    if (!outcome.trace.empty()) out << "\n" << outcome.trace;
    if (outcome.failure.empty()) out << (outcome.complete ? ": all" : ": more than the limit");
    return out;
}

} // namespace hc::model
