#include "core/server/topics.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

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

/// What was published and is not delivered yet on a worker: messages in a row, the first of which
/// has the number `first`.
struct Topics::Batch {
    std::vector<SharedMessageRef> messages;
    std::uint64_t first = 0;
    std::uint64_t bytes = 0; // that it keeps
};

struct Topics::Topic {
    Topic(std::string_view text, std::size_t workers, sse::LogBounds bounds)
        : name(text), here(workers), count(workers), waiting(workers), log(bounds) {}
    const std::string name;
    std::vector<IntrusiveList<Subscription>> here; // by worker, each touched on its own only
    // Guarded by the mutex of Topics:
    std::vector<std::uint32_t> count; // subscriptions by worker
    std::vector<Batch> waiting;       // by worker; while there is any, a Delivery is on its way
    std::uint32_t subscriptions = 0;
    std::uint64_t last = 0; // the number of the last message
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
    Delivery(std::shared_ptr<Topics> topics, std::shared_ptr<Topic> topic)
        : topics_(std::move(topics)), topic_(std::move(topic)) {}
    void run(runtime::Worker& worker) override {
        topics_->deliver(*topic_, topics_->take(*topic_, worker.index()), worker);
    }

private:
    std::shared_ptr<Topics> topics_;
    std::shared_ptr<Topic> topic_;
};

Topics::Topics(runtime::Runtime& runtime, const TopicOptions& options)
    : runtime_(runtime), options_(options) {}
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
            topic->log.replay(*last_id, [&](const SharedMessageRef& m) { missed.push_back(m); });
        }
        made->from = topic->last + 1;
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
    if (std::ranges::any_of(topic->waiting, [&](const Batch& waiting) {
            return !waiting.messages.empty() && waiting.bytes + size > options_.waiting_bytes_max;
        })) {
        return ErrorKind::again;
    }
    const std::uint64_t number = ++topic->last;
    SharedMessageRef message(SharedMessage::make(kind, bytes, logs ? number : 0));
    topic->log.push(std::to_string(number), message, bytes.size());
    for (std::uint32_t i = 0; i < topic->count.size(); ++i) {
        Batch& waiting = topic->waiting[i];
        const bool on_its_way = !waiting.messages.empty();
        if (topic->count[i] == 0 && !on_its_way) continue; // else: their numbers have no gap
        if (!on_its_way) waiting.first = number;
        waiting.messages.push_back(message);
        waiting.bytes += size;
        if (on_its_way) continue; // in one with what is there
        runtime_.worker(i).post(std::make_unique<Delivery>(shared_from_this(), topic));
    }
    return ErrorKind::ok;
}

Topics::Batch Topics::take(Topic& topic, std::uint32_t worker) {
    const std::lock_guard lock(mutex_);
    return std::exchange(topic.waiting[worker], {});
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

void Topics::deliver(Topic& topic, const Batch& batch, runtime::Worker& worker) const {
    std::vector<std::uint64_t> slow; // ids: what ends one may end others
    topic.here[worker.index()].for_each([&](Subscription& to) {
        std::span<const SharedMessageRef> messages = batch.messages;
        if (to.from > batch.first) { // those before came before it did
            messages = messages.subspan(std::min(messages.size(), to.from - batch.first));
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
