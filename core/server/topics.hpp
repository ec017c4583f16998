// Topics: what is published by name goes to every WebSocket and event stream that has subscribed,
// on all workers of a server.
//
// A message is encoded once (link::SharedMessage) and waits once for each worker that has
// subscribers; the worker walks over its own, and takes along in one walk, and to each subscriber
// in one write, all that was published until then. So publishing costs the publisher one copy of
// the bytes, one lock and at most a message a worker, however many subscribe. The lock also gives
// everybody the same order: what is published, on whichever topics, reaches each subscriber in the
// order of its numbers, which are those of the server.
//
// A subscriber whose output is at the high watermark is not sent the message: it is dropped there
// and counted, or the subscriber is let go, as ServerOptions says. Messages are never queued for
// it.
//
// A topic exists while somebody is subscribed to it, or while it has a log. The log keeps the last
// messages, bounded by count and bytes, for event streams that come back with a Last-Event-ID; its
// ids are the numbers of the messages, so that one id tells what was missed of all topics. Whoever
// comes with an id that is not there any more, or that is none, gets all that is.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/intrusive_list.hpp"
#include "core/link/context.hpp"
#include "core/link/exchange.hpp"
#include "core/link/shared_message.hpp"
#include "core/proto/sse/log.hpp"
#include "core/runtime/runtime.hpp"
#include "core/server/topic_options.hpp"

namespace hc::server {

class Topics : public link::ContextPart, public std::enable_shared_from_this<Topics> {
public:
    Topics(runtime::Runtime& runtime, const TopicOptions& options);
    ~Topics() override;
    Topics(const Topics&) = delete;
    Topics& operator=(const Topics&) = delete;

    /// On the exchange's worker. Subscribes it, once; an event stream is sent first what the
    /// topic's log has behind the Last-Event-ID of its request.
    ///   state    it is neither a WebSocket nor an answer that has begun
    ///   invalid  the name is empty or too long
    ///   limit    there are too many topics, or subscriptions of this exchange
    ErrorKind subscribe(link::Exchange& exchange, std::string_view name);
    /// `not_found` when it was not subscribed.
    static ErrorKind unsubscribe(link::Exchange& exchange, std::string_view name);
    /// Any thread. Text goes to WebSockets and event streams, binary to WebSockets alone. `invalid`
    /// for a name that nobody could subscribe to, `limit` for too many topics with logs.
    ErrorKind publish(std::string_view name, ws::Opcode kind, std::string_view bytes);
    /// Any thread: whether a name may be one.
    bool is_name(std::string_view name) const noexcept {
        return !name.empty() && name.size() <= options_.name_bytes_max;
    }
    std::size_t topics() const;
    /// Those of an exchange's server; nullptr when it has none.
    static Topics* of(const link::Exchange& exchange) noexcept {
        return static_cast<Topics*>(exchange.context().topics);
    }

private:
    struct Waiting;
    struct Run;
    struct Topic;
    struct Subscription;
    struct Subscriptions;
    class Delivery;

    std::shared_ptr<Topic> topic_of(std::string_view name);
    bool make_room();
    void leave(Topic& topic, std::uint32_t worker);
    bool has_room_for(std::uint64_t size) const;
    void deliver(runtime::Worker& worker);
    void deliver(const Run& run, runtime::Worker& worker) const;

    runtime::Runtime& runtime_;
    const TopicOptions options_;
    mutable std::mutex mutex_;     // for what follows, and what each topic says it guards
    std::uint64_t last_;           // the number of the last message
    std::vector<Waiting> waiting_; // by worker; while there is any, a Delivery is on its way
    std::unordered_map<std::string, std::shared_ptr<Topic>> topics_;
};

} // namespace hc::server
