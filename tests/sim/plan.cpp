#include "tests/sim/plan.hpp"

#include <chrono>
#include <string_view>

#include "tests/sim/dice.hpp"

namespace hc::simtest {

namespace {

using namespace std::chrono_literals;

/// A text that differs at each place and between numbers, and is cheap to check anywhere.
char byte_of(std::uint64_t number, std::uint64_t i, std::uint64_t which) noexcept {
    const std::uint64_t mixed = (number ^ which * 0x9e3779b97f4a7c15ULL) + i / 61 * 7;
    return static_cast<char>('!' + (mixed + i) % 94);
}

std::string run_of(std::uint64_t number, std::uint64_t from, std::uint64_t size,
                   std::uint64_t which) {
    std::string out(size, '\0');
    for (std::uint64_t i = 0; i < size; ++i) out[i] = byte_of(number, from + i, which);
    return out;
}

void draw_request(Plan& plan, Dice& dice) {
    constexpr const char* methods[] = {"GET", "GET", "HEAD", "POST", "POST", "PUT", "OPTIONS"};
    plan.method = methods[dice.below(std::size(methods))];
    plan.old = dice.chance(10);
    plan.closing = dice.chance(8);
    if (plan.method == "POST" || plan.method == "PUT") {
        plan.body = plan.old || dice.chance(50) ? Plan::Body::length : Plan::Body::chunked;
        plan.body_size = dice.size(dice.chance(10) ? 100'000 : 5'000);
        plan.trailers = plan.body == Plan::Body::chunked && dice.chance(30);
        plan.expect = !plan.old && plan.body_size > 0 && dice.chance(20);
    }
    plan.upgrade = plan.body == Plan::Body::none && !plan.old && dice.chance(12);
    plan.tunnel_size = dice.size(20'000);
    if (dice.chance(5)) plan.target = Plan::Target::no_path;
    if (dice.chance(5)) plan.target = Plan::Target::no_method;
    if (!plan.upgrade && dice.chance(6)) {
        plan.fault = static_cast<Plan::Fault>(dice.between(1, 6));
        if (plan.fault == Plan::Fault::bad_chunk && plan.body != Plan::Body::chunked) {
            plan.fault = Plan::Fault::bad_field;
        }
    }
}

void draw_handler(Plan& plan, Dice& dice) {
    using enum Plan::Answer;
    constexpr Plan::Answer answers[] = {at_once,  at_once,    after_body, after_body, after_body,
                                        later,    streamed,   streamed,   at_once,    later,
                                        streamed, after_body, aborted,    given_up};
    plan.answer = answers[dice.below(std::size(answers))];
    if (plan.upgrade && dice.chance(70)) plan.answer = tunnel;
    constexpr int statuses[] = {200, 200, 200, 201, 204, 304, 404, 500};
    plan.status = statuses[dice.below(std::size(statuses))];
    plan.answer_size = dice.size(dice.chance(5) ? 400'000 : 8'000);
    if (plan.answer == aborted || plan.answer == given_up) {
        plan.begun = dice.chance(50);
        if (plan.begun) plan.status = 200;
        if (plan.begun) ++plan.answer_size;
        plan.cut_at = plan.begun ? dice.below(plan.answer_size) : 0;
    }
    if (plan.status == 204 || plan.status == 304) plan.answer_size = 0;
    plan.known_length = dice.chance(50);
    plan.answer_trailers = dice.chance(20);
    plan.hints = dice.chance(10);
    plan.wants_close = dice.chance(5);
    plan.keeps = dice.chance(30);
    plan.release_early = dice.chance(30);
    plan.linger_closed = dice.chance(10);
    plan.lends = dice.chance(30);
    if (dice.chance(40)) plan.credit = 1 + dice.size(3'000);
    if (plan.body_size / plan.credit > 50) plan.credit = plan.body_size / 50;
    if (dice.chance(20) && plan.answer != after_body && plan.answer != tunnel) plan.credit = 0;
    plan.chunk = 1 + dice.size(20'000);
    if (plan.answer_size / plan.chunk > 400) plan.chunk = plan.answer_size / 400;
    plan.delay = dice.chance(50) ? dice.time(10ms) : dice.time(2s);
}

void put_body(std::string& out, const Plan& plan, Dice& dice) {
    if (plan.body == Plan::Body::length) out += plan.request_bytes(0, plan.body_size);
    if (plan.body != Plan::Body::chunked) return;
    const std::uint64_t bad =
        plan.fault == Plan::Fault::bad_chunk ? dice.below(plan.body_size + 1) : UINT64_MAX;
    for (std::uint64_t at = 0; at < plan.body_size;) {
        if (at >= bad) break;
        const std::uint64_t size = 1 + dice.size(plan.body_size - at);
        constexpr char digits[] = "0123456789aBcDeF";
        std::string hex;
        for (std::uint64_t n = size; n > 0; n /= 16) hex.insert(0, 1, digits[n % 16]);
        out += hex + (dice.chance(10) ? ";ext=1" : "") + "\r\n";
        out += plan.request_bytes(at, size) + "\r\n";
        at += size;
    }
    if (plan.fault == Plan::Fault::bad_chunk) out += "no number\r\n";
    out += "0\r\n";
    if (plan.trailers) out += "X-Trailer: " + std::to_string(plan.number) + "\r\n";
    out += "\r\n";
}

} // namespace

Plan Plan::of(std::uint64_t number) {
    Plan plan;
    plan.number = number;
    Dice dice(number);
    draw_request(plan, dice);
    draw_handler(plan, dice);
    return plan;
}

char Plan::request_byte(std::uint64_t i) const noexcept { return byte_of(number, i, 1); }
char Plan::answer_byte(std::uint64_t i) const noexcept { return byte_of(number, i, 2); }
char Plan::tunnel_byte(std::uint64_t i) const noexcept { return byte_of(number, i, 3); }
std::string Plan::request_bytes(std::uint64_t from, std::uint64_t size) const {
    return run_of(number, from, size, 1);
}
std::string Plan::answer_bytes(std::uint64_t from, std::uint64_t size) const {
    return run_of(number, from, size, 2);
}
std::string Plan::tunnel_bytes(std::uint64_t from, std::uint64_t size) const {
    return run_of(number, from, size, 3);
}

std::string Plan::wire(std::size_t& head_size) const {
    Dice dice(number ^ 0x5eed);
    std::string path = keeps ? "/keep/" : "/lend/";
    if (target == Target::no_path) path = "/nowhere/";
    if (target == Target::no_method) path = "/patch/";
    std::string out = method + " " + path + std::to_string(number) + " HTTP/";
    out += fault == Fault::bad_version ? "3.7" : old ? "1.0" : "1.1";
    out += "\r\n";
    if (fault != Fault::no_host) out += "Host: sim\r\n";
    if (old && fault == Fault::no_host) out += "Host: a\r\nHost: b\r\n"; // an old one needs none
    if (upgrade) out += "Connection: Upgrade\r\nUpgrade: echo\r\n";
    if (!upgrade && closing) out += "Connection: close\r\n";
    if (!upgrade && !closing && old) out += "Connection: keep-alive\r\n";
    if (expect) out += "Expect: 100-continue\r\n";
    out += "X-Pad: " + std::string(dice.size(300) + 1, 'p') + "\r\n";
    if (fault == Fault::bad_field) out += "No Colon Here\r\n";
    if (fault == Fault::two_lengths) out += "Content-Length: 1\r\nContent-Length: 2\r\n";
    if (fault == Fault::long_head) out += "X-Long: " + std::string(40'000, 'l') + "\r\n";
    if (body == Body::length) out += "Content-Length: " + std::to_string(body_size) + "\r\n";
    if (body == Body::chunked) out += "Transfer-Encoding: chunked\r\n";
    out += "\r\n";
    head_size = out.size();
    put_body(out, *this, dice);
    return out;
}

std::string Plan::describe() const {
    return method + " number " + std::to_string(number) + (old ? " old" : "") +
           (closing ? " closing" : "") + " body " + std::to_string(static_cast<int>(body)) + ":" +
           std::to_string(body_size) + (expect ? " expect" : "") + (upgrade ? " upgrade" : "") +
           " target " + std::to_string(static_cast<int>(target)) + " fault " +
           std::to_string(static_cast<int>(fault)) + " answer " +
           std::to_string(static_cast<int>(answer)) + " " + std::to_string(status) + ":" +
           std::to_string(answer_size) + (begun ? " begun" : "") + " credit " +
           std::to_string(credit);
}

} // namespace hc::simtest
