#include "tests/sim/clients.hpp"

#include <algorithm>
#include <chrono>

namespace hc::simtest {

using namespace std::chrono_literals;

Client::Client(sys::sim::World& world, const sys::Address& server, std::uint64_t seed,
               const Excuses& excuses, Report& report, std::string prefix)
    : world_(world), excuses_(excuses), report_(report), dice_(seed), prefix_(std::move(prefix)) {
    manner_ = dice_.chance(60) ? Manner::well : static_cast<Manner>(dice_.between(1, 4));
    const std::uint64_t count = 1 + dice_.size(8);
    bytes_ = prefix_;
    for (std::uint64_t i = 0; i < count; ++i) {
        plans_.push_back(Plan::of(dice_.next()));
        std::size_t head = 0;
        begins_.push_back(bytes_.size());
        const std::string wire = plans_.back().wire(head);
        heads_.push_back(bytes_.size() + head);
        bytes_ += wire;
        if (plans_.back().upgrade || plans_.back().fault != Plan::Fault::none) break;
    }
    begins_.push_back(bytes_.size());
    if (manner_ != Manner::well) leave_at_ = dice_.below(bytes_.size() + 1);
    pipelines_ = dice_.chance(50);
    pauses_ = dice_.chance(30);
    waits_for_continue_ = dice_.chance(70);
    pace_ = dice_.chance(70) ? dice_.time(3ms) : dice_.time(200ms);
    // So many pieces that even the slowest client keeps all time limits.
    piece_max_ = std::max<std::uint64_t>(1, bytes_.size() / 20) + dice_.size(3'000);
    answers_ = std::make_unique<Answers>(plans_, excuses_, report_);
    peer_ = std::move(sys::sim::Peer::connect(world_, server).value());
    port_ = world_.sockets().local_address(peer_->socket()).value().port;
    act_after(dice_.time(1s));
}

void Client::act_after(Duration delay) {
    world_.at(world_.now() + std::max<Duration>(delay, 1us), [this] { act(); });
}

void Client::read() {
    const std::string got = peer_->take_received();
    if (!got.empty()) report_.note("g" + std::to_string(got.size()));
    answers_->feed(got);
}

void Client::act() {
    if (done_) return;
    read();
    if (peer_->over()) return finish();
    if (left_) return act_after(100ms);
    if (pauses_ && dice_.chance(20)) {
        if (dice_.chance(50)) {
            peer_->pause_reading();
        } else {
            peer_->resume_reading();
        }
    }
    if (sent_ >= leave_at_) return leave();
    const bool moved = answers_->in_tunnel() ? (send_tunnel(), true) : send_some();
    if (!moved && pauses_) peer_->resume_reading();
    act_after(moved ? pace_ : 5ms);
}

/// The next piece may go out: what it waits for, if it waits, has come.
bool Client::may_send() {
    // Which request the next byte belongs to.
    std::size_t i = 0;
    while (i + 1 < plans_.size() && begins_[i + 1] <= sent_) ++i;
    if (sent_ == begins_[i] && !pipelines_ && answers_->whole() < i) return false;
    if (sent_ != heads_[i] || !plans_[i].expect || !waits_for_continue_) return true;
    if (answers_->whole() > i || (answers_->whole() == i && answers_->may_send_body())) return true;
    if (waits_since_ == Instant{}) waits_since_ = world_.now();
    return world_.now() - waits_since_ > 3s; // RFC 9110, section 10.1.1: not for ever
}

bool Client::send_some() {
    if (sent_ >= bytes_.size()) {
        const bool all = answers_->whole() == plans_.size() || answers_->last_seen();
        if (all && !left_) {
            left_ = true;
            peer_->resume_reading();
            if (dice_.chance(70)) {
                peer_->shutdown_write();
            } else if (dice_.chance(50)) {
                peer_->close();
            } // else the server has to end it
        }
        return false;
    }
    if (peer_->unsent() > 0 || !may_send()) return false;
    waits_since_ = {};
    std::size_t size = 1 + dice_.below(piece_max_);
    size = std::min({size, bytes_.size() - sent_, leave_at_ - sent_});
    // A piece ends where waiting may begin.
    for (std::size_t i = 0; i < plans_.size(); ++i) {
        if (begins_[i] > sent_) size = std::min(size, begins_[i] - sent_);
        if (heads_[i] > sent_ && plans_[i].expect) size = std::min(size, heads_[i] - sent_);
    }
    peer_->send(std::string_view(bytes_).substr(sent_, size));
    sent_ += size;
    report_.note("s" + std::to_string(size));
    return true;
}

void Client::send_tunnel() {
    const Plan& plan = plans_.back();
    if (peer_->unsent() > 0) return;
    if (tunnel_sent_ < plan.tunnel_size) {
        // Byte by byte at a slow pace, a long tunnel would not end in time.
        const std::uint64_t most = std::max(piece_max_, plan.tunnel_size / 50);
        const std::uint64_t size = std::min(plan.tunnel_size - tunnel_sent_, 1 + dice_.below(most));
        peer_->send(plan.tunnel_bytes(tunnel_sent_, size));
        tunnel_sent_ += size;
    } else {
        left_ = true;
        peer_->resume_reading();
        peer_->shutdown_write();
    }
}

void Client::leave() {
    left_ = true;
    answers_->left_early();
    report_.note("l");
    switch (manner_) {
    case Manner::well:
    case Manner::stalls:
        if (dice_.chance(50)) peer_->pause_reading();
        break;
    case Manner::leaves: peer_->close(); break;
    case Manner::resets: peer_->reset(); break;
    case Manner::half_closes: peer_->shutdown_write(); break;
    }
    // Whoever does not read has to notice one day that the server gave up. In a tunnel it does not.
    world_.at(world_.now() + 2min, [this] {
        peer_->resume_reading();
        if (!done_) read();
        if (answers_->in_tunnel()) peer_->close();
    });
    act_after(100ms);
}

void Client::finish() {
    done_ = true;
    read();
    answers_->end(peer_->ended());
    report_.note(peer_->ended() ? "e" : "x");
    // What is left of the connection at this end goes, too.
    peer_->close();
}

/// How many answers a well client must get whole. A reset may overtake answers that are on their
/// way, so whoever sends on without waiting is owed nothing when one follows.
std::size_t Client::owed() const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < plans_.size(); ++i) {
        const Plan& plan = plans_[i];
        const bool routed = plan.target == Plan::Target::route;
        const bool cut = plan.fault != Plan::Fault::none || (routed && !plan.whole());
        const bool rest = begins_[i + 1] - heads_[i] > excuses_.discard_max;
        const bool unread = rest && (!routed || plan.answer != Plan::Answer::after_body);
        const bool too_long = excuses_.body_max != 0 && plan.body_size > excuses_.body_max;
        if (cut || unread || too_long) return pipelines_ ? 0 : count;
        if (plan.upgrade && routed && plan.answer == Plan::Answer::tunnel) return count;
        ++count;
        const bool ends =
            plan.may_close() || (excuses_.requests_max != 0 && count >= excuses_.requests_max);
        if (ends && i + 1 < plans_.size()) return pipelines_ ? 0 : count;
    }
    return count;
}

std::string Client::state() const {
    return " (manner " + std::to_string(static_cast<int>(manner_)) + ", sent " +
           std::to_string(sent_) + " of " + std::to_string(bytes_.size()) + ", answers " +
           std::to_string(answers_->whole()) + " of " + std::to_string(plans_.size()) + ", error " +
           std::to_string(peer_->error()) + (left_ ? ", left" : "") + ", port " +
           std::to_string(port_) + (pipelines_ ? ", pipelines" : "") +
           (answers_->in_tunnel() ? ", in a tunnel " + std::to_string(tunnel_sent_) + " of " +
                                        std::to_string(plans_.back().tunnel_size) + ", " +
                                        std::to_string(answers_->tunnel_bytes()) + " back"
                                  : "") +
           ")";
}

void Client::check() {
    if (!done_) return report_.fault("a client's connection never ends" + state());
    if (manner_ != Manner::well || answers_->failed()) return;
    if (excuses_.busy || excuses_.broken || excuses_.draining || excuses_.late) return;
    if (answers_->whole() < owed()) {
        report_.fault("owed " + std::to_string(owed()) + " answers" + state() + ": " +
                      plans_[answers_->whole()].describe());
    }
    if (answers_->in_tunnel() && answers_->tunnel_bytes() != plans_.back().tunnel_size) {
        report_.fault("a tunnel lost bytes" + state() + ": " + plans_.back().describe());
    }
}

} // namespace hc::simtest
