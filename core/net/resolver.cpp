#include "core/net/resolver.hpp"

#include <utility>

namespace hc::net {

namespace {

/// A job that is not begun any more once nobody waits for it.
template <class T>
class Awaited {
public:
    explicit Awaited(runtime::JoinHandle<T> handle) noexcept : handle_(std::move(handle)) {}
    Awaited(const Awaited&) = delete;
    Awaited& operator=(const Awaited&) = delete;
    ~Awaited() {
        if (!handle_.is_finished()) handle_.abort();
    }
    runtime::Poll<Result<T>> poll(runtime::Context& context) { return handle_.poll(context); }

private:
    runtime::JoinHandle<T> handle_;
};

} // namespace

runtime::Task<Resolver::Answer> SystemResolver::resolve(std::string host, std::uint16_t port) {
    if (auto literal = Address::ip_port(host, port)) co_return std::vector{*literal};
    sys::Sockets& sockets = runtime_.worker(0).system().sockets();
    if (!sockets.lookup_waits()) co_return sockets.lookup(host, port);
    Awaited<Answer> job(runtime_.spawn_blocking(
        [&sockets, host, port]() -> Answer { return sockets.lookup(host, port); }));
    Result<Answer> done = co_await job;
    if (!done) co_return fail(std::move(done.error()));
    co_return std::move(*done);
}

} // namespace hc::net
