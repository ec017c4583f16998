#include "core/server/topics.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "core/base/ascii.hpp"
#include "core/link/event_stream.hpp"
#include "core/link/websocket.hpp"

namespace hc::server {

using link::Exchange;
using link::SharedMessage;
using link::SharedMessageRef;
using link::Stage;

/// One exchange in one topic. Its worker's.
struct Topics::Subscription : ListNode {
    Subscription(std::shared_ptr<Topic> to, Exchange& who) : topic(std::move(to)), exchange(who) {}
    std::shared_ptr<Topic> topic;
    Exchange& exchange;
    link::WebSocket* socket = nullptr; // what the exchange is, unless it is an event stream
    std::uint64_t from = 0;            // the number of the first message that is for it
};

/// What was published and is not delivered yet on a worker, in the order of its numbers.
struct Topics::Waiting {
    std::vector<std::shared_ptr<Topic>> topics; // of each message
    std::vector<SharedMessageRef> messages;
    std::vector<std::uint64_t> numbers;
    std::uint64_t bytes = 0; // that it keeps
};

/// Messages in a row of one topic.
struct Topics::Run {
    Topic& topic;
    std::span<const SharedMessageRef> messages;
    std::span<const std::uint64_t> numbers;
};

struct Topics::Topic {
    Topic(std::string_view text, std::size_t workers, sse::LogBounds bounds)
        : name(text), here(workers), count(workers), log(bounds) {}
    const std::string name;
    std::vector<IntrusiveList<Subscription>> here; // by worker, each touched on its own only
    // Guarded by the mutex of Topics:
    std::vector<std::uint32_t> count; // subscriptions by worker
    std::uint32_t subscriptions = 0;
    sse::Log<SharedMessageRef> log;
};

/// All those of one exchange; ends with it.
struct Topics::Subscriptions final : Stage::Dependent {
    explicit Subscriptions(std::shared_ptr<Topics> of) : topics(std::move(of)) {}
    ~Subscriptions() override {
        while (!all.empty()) drop(all.size() - 1);
    }
    void drop(std::size_t index) {
        const std::unique_ptr<Subscription> gone = std::move(all[index]);
        all.erase(all.begin() + static_cast<std::ptrdiff_t>(index));
        gone->unlink();
        topics->leave(*gone->topic, gone->exchange.worker().index());
    }
    std::optional<std::size_t> find(std::string_view name) const {
        const auto at =
            std::ranges::find_if(all, [&](const auto& s) { return s->topic->name == name; });
        if (at == all.end()) return std::nullopt;
        return static_cast<std::size_t>(at - all.begin());
    }
    std::shared_ptr<Topics> topics;
    std::vector<std::unique_ptr<Subscription>> all;
};

/// Tells a worker that something waits for its subscribers.
class Topics::Delivery final : public runtime::Message {
public:
    explicit Delivery(std::shared_ptr<Topics> topics) : topics_(std::move(topics)) {}
    void run(runtime::Worker& worker) override { topics_->deliver(worker); }

private:
    std::shared_ptr<Topics> topics_;
};

namespace {

std::uint64_t microseconds_of(const WallTime& time) noexcept {
    return static_cast<std::uint64_t>(time.seconds) * 1'000'000 + time.nanos / 1'000;
}

} // namespace

Topics::Topics(runtime::Runtime& runtime, const TopicOptions& options)
    : runtime_(runtime), options_(options),
      last_(
          options.last_number.value_or(microseconds_of(runtime.worker(0).system().clock().wall()))),
      waiting_(std::max(1U, runtime.workers())) {}
Topics::~Topics() = default;

std::size_t Topics::topics() const {
    const std::lock_guard lock(mutex_);
    return topics_.size();
}

// -- who is there ---------------------------------------------------------------------------------

/// With the lock held. A topic that nobody is subscribed to has to be one that only has a log.
bool Topics::make_room() {
    if (topics_.size() < options_.topics_max) return true;
    const auto unused = std::ranges::find_if(
        topics_, [](const auto& entry) { return entry.second->subscriptions == 0; });
    if (unused == topics_.end()) return false;
    topics_.erase(unused);
    return true;
}

/// With the lock held; nullptr when there are too many.
std::shared_ptr<Topics::Topic> Topics::topic_of(std::string_view name) {
    std::string key(name);
    if (const auto found = topics_.find(key); found != topics_.end()) return found->second;
    if (!make_room()) return nullptr;
    const std::size_t workers = std::max(1U, runtime_.workers());
    auto made = std::make_shared<Topic>(name, workers, options_.log);
    topics_.emplace(std::move(key), made);
    return made;
}

void Topics::leave(Topic& topic, std::uint32_t worker) {
    const std::lock_guard lock(mutex_);
    --topic.count[worker];
    if (--topic.subscriptions > 0 || !topic.log.empty()) return;
    const auto found = topics_.find(topic.name);
    if (found != topics_.end() && found->second.get() == &topic) topics_.erase(found);
}

ErrorKind Topics::subscribe(Exchange& exchange, std::string_view name) {
    if (!is_name(name)) return ErrorKind::invalid;
    if (exchange.closed()) return ErrorKind::closed;
    if (!exchange.answer_begun() || exchange.answer_finished()) return ErrorKind::state;
    Stage* stage = exchange.stage();
    if (stage == nullptr) stage = link::EventStream::of(exchange);
    if (stage == nullptr) return ErrorKind::closed;
    const link::WebSocket* socket = link::WebSocket::of(exchange);
    if (socket != nullptr && !socket->open()) return ErrorKind::closed;

    if (stage->subscriptions == nullptr) {
        stage->subscriptions = std::make_unique<Subscriptions>(shared_from_this());
    }
    auto& mine = static_cast<Subscriptions&>(*stage->subscriptions);
    if (mine.find(name)) return ErrorKind::ok;
    if (mine.all.size() >= options_.subscriptions_max) return ErrorKind::limit;

    std::vector<SharedMessageRef> missed;
    std::optional<std::string_view> last_id;
    if (socket == nullptr) last_id = exchange.head().find(http::FieldName::last_event_id);
    const std::uint32_t worker = exchange.worker().index();
    mine.all.reserve(mine.all.size() + 1);
    {
        const std::lock_guard lock(mutex_);
        auto topic = topic_of(name);
        if (topic == nullptr) return ErrorKind::limit;
        auto made = std::make_unique<Subscription>(topic, exchange);
        made->socket = link::WebSocket::of(exchange);
        if (last_id) {
            // A number that is yet to come is none of ours.
            const std::uint64_t last = ascii::parse_decimal(*last_id).value_or(0);
            topic->log.replay(last > last_ ? 0 : last,
                              [&](const SharedMessageRef& m) { missed.push_back(m); });
        }
        made->from = last_ + 1;
        topic->here[worker].push_back(*made);
        ++topic->count[worker];
        ++topic->subscriptions;
        mine.all.push_back(std::move(made));
    }
    // Bounded by the log, so that they need not wait for room.
    for (const SharedMessageRef& message : missed) {
        if (message->kind() == ws::Opcode::text) put_shared(exchange, *message, message->event());
    }
    return ErrorKind::ok;
}

ErrorKind Topics::unsubscribe(Exchange& exchange, std::string_view name) {
    if (exchange.closed()) return ErrorKind::closed;
    Stage* stage = exchange.stage();
    if (stage == nullptr || stage->subscriptions == nullptr) return ErrorKind::not_found;
    auto& mine = static_cast<Subscriptions&>(*stage->subscriptions);
    const auto index = mine.find(name);
    if (!index) return ErrorKind::not_found;
    mine.drop(*index);
    return ErrorKind::ok;
}

// -- what is said ---------------------------------------------------------------------------------

ErrorKind Topics::publish(std::string_view name, ws::Opcode kind, std::string_view bytes) {
    if (!is_name(name)) return ErrorKind::invalid;
    const bool logs = options_.log.events_max > 0;
    const std::lock_guard lock(mutex_);
    auto found = topics_.find(std::string(name));
    if (found == topics_.end() && !logs) return ErrorKind::ok; // nobody is there
    const auto topic = found != topics_.end() ? found->second : topic_of(name);
    if (topic == nullptr) return ErrorKind::limit;
    const std::uint64_t size = bytes.size() + sizeof(link::SharedMessage);
    if (!has_room_for(size)) return ErrorKind::again;
    const std::uint64_t number = ++last_;
    SharedMessageRef message(SharedMessage::make(kind, bytes, logs ? number : 0));
    topic->log.push(number, message, bytes.size());
    for (std::uint32_t i = 0; i < topic->count.size(); ++i) {
        if (topic->count[i] == 0) continue;
        Waiting& waiting = waiting_[i];
        const bool on_its_way = !waiting.messages.empty();
        waiting.topics.push_back(topic);
        waiting.messages.push_back(message);
        waiting.numbers.push_back(number);
        waiting.bytes += size;
        if (on_its_way) continue; // in one with what is there
        runtime_.worker(i).post(std::make_unique<Delivery>(shared_from_this()));
    }
    return ErrorKind::ok;
}

/// With the lock held.
bool Topics::has_room_for(std::uint64_t size) const {
    return std::ranges::none_of(waiting_, [&](const Waiting& waiting) {
        return !waiting.messages.empty() && waiting.bytes + size > options_.waiting_bytes_max;
    });
}

void Topics::deliver(runtime::Worker& worker) {
    Waiting waiting;
    {
        const std::lock_guard lock(mutex_);
        waiting = std::exchange(waiting_[worker.index()], {});
    }
    const std::span<const SharedMessageRef> messages = waiting.messages;
    const std::span<const std::uint64_t> numbers = waiting.numbers;
    for (std::size_t at = 0, end = 0; at < messages.size(); at = end) {
        const std::shared_ptr<Topic>& topic = waiting.topics[at];
        while (end < messages.size() && waiting.topics[end] == topic) ++end;
        deliver({*topic, messages.subspan(at, end - at), numbers.subspan(at, end - at)}, worker);
    }
}

namespace {

/// Gives how many were sent before it was too slow for the next.
std::size_t give(Exchange& exchange, std::span<const SharedMessageRef> messages) {
    std::size_t sent = 0;
    for (; sent < messages.size(); ++sent) {
        SharedMessage& message = *messages[sent];
        if (message.kind() != ws::Opcode::text) continue; // it has no form of such
        if (exchange.over_watermark()) break;
        put_shared(exchange, message, message.event());
    }
    return sent;
}

/// It does not read what it is sent.
void let_go(Exchange& exchange) {
    link::WebSocket* socket = link::WebSocket::of(exchange);
    if (socket == nullptr) {
        exchange.abort(0);
    } else {
        socket->close(ws::code::try_again, "too slow");
    }
}

} // namespace

void Topics::deliver(const Run& run, runtime::Worker& worker) const {
    std::vector<std::uint64_t> slow; // ids: what ends one may end others
    run.topic.here[worker.index()].for_each([&](Subscription& to) {
        std::span<const SharedMessageRef> messages = run.messages;
        if (to.from > run.numbers.front()) { // those before came before it did
            const auto first = std::ranges::lower_bound(run.numbers, to.from);
            messages = messages.subspan(static_cast<std::size_t>(first - run.numbers.begin()));
        }
        const std::size_t sent =
            to.socket != nullptr ? to.socket->send_shared(messages) : give(to.exchange, messages);
        if (sent == messages.size()) return;
        to.exchange.context().counters.topic_messages_dropped.add(messages.size() - sent);
        if (options_.slow == SlowSubscriber::close) slow.push_back(to.exchange.id());
    });
    for (const std::uint64_t id : slow) {
        auto* exchange = static_cast<Exchange*>(worker.slots().find(id));
        if (exchange == nullptr) continue;
        exchange->stage()->subscriptions.reset();
        let_go(*exchange);
    }
}

} // namespace hc::server
