// TcpTransport: a connected stream socket (TCP or Unix) as a Transport.
//
// Two system calls serve a request: one recv into the worker's shared buffer, lent to the user; one
// send from the worker's shared cork buffer. The socket is watched edge-triggered for both
// directions from the start, so that no epoll_ctl follows. An idle connection owns no buffer.
#pragma once

#include <memory>

#include "core/base/limits.hpp"
#include "core/link/transport.hpp"

namespace hc::link {

class TcpTransport final : public Transport, private runtime::Source, private runtime::Deferred {
public:
    /// Takes over a connected socket; it is watched from now on.
    static Result<std::unique_ptr<TcpTransport>> adopt(runtime::Worker& worker, sys::Socket socket,
                                                       const Endpoint& peer,
                                                       const ConnectionLimits& limits);
    /// Closes the socket if that was not done. Not inside a callback: see Worker::retire.
    ~TcpTransport() override;

    void set_user(TransportUser& user) noexcept override { user_ = &user; }
    char* reserve(std::size_t n) override;
    void commit(std::size_t n) noexcept override;
    void send(std::string_view bytes) override;
    void send(Chain&& chain) override;
    std::size_t send_at_once(std::span<const sys::ConstBuffer> pieces) noexcept override;
    std::uint64_t queued() const noexcept override { return out_.size() + cork_used_; }
    std::uint64_t queued_memory() const noexcept override {
        return out_.memory_size() + cork_used_;
    }
    void pause_reading() noexcept override { paused_ = true; }
    void resume_reading() noexcept override;
    bool reading_paused() const noexcept override { return paused_; }
    void shutdown() noexcept override;
    void close() noexcept override;
    void abort() noexcept override;
    bool closed() const noexcept override { return closed_; }
    const Endpoint& peer() const noexcept override { return peer_; }
    void set_peer(const Endpoint& peer) noexcept override { peer_ = peer; }
    sys::Address local() const override;
    runtime::Worker& worker() const noexcept override { return worker_; }
    std::uint64_t number() const noexcept override { return number_; }

private:
    TcpTransport(runtime::Worker& worker, sys::Socket socket, const Endpoint& peer,
                 const ConnectionLimits& limits) noexcept;

    void on_ready(const sys::Event& event) override;
    void run_deferred() override;
    [[gnu::noinline]] void on_event(const sys::Event& event);
    void read_some(bool until_end);
    void lend(std::string_view slice);
    [[gnu::noinline]] char* reserve_in_chain(std::size_t n);
    void spill();
    void flush();
    bool flush_cork(std::uint64_t& written);
    /// Not inlined, to keep its table of pieces out of flush().
    [[gnu::noinline]] bool flush_chain(std::uint64_t& written);
    sys::Io write_front(std::uint64_t& offered);
    [[gnu::noinline]] void lose(ErrorKind why);
    void schedule();

    runtime::Worker& worker_;
    const std::uint64_t number_;
    TransportUser* user_ = nullptr;
    Chain out_; // output the kernel has not taken
    sys::Socket socket_;
    const std::uint32_t read_turn_bytes_max_;
    std::uint32_t cork_used_ = 0; // bytes in the worker's cork buffer; they go before out_ is used
    bool corked_ = false;         // inside on_data: the cork buffer is ours
    bool in_cork_ = false;        // the last reserve() was there
    bool paused_ = false;
    bool unread_ = false;  // the kernel may hold input that no further event will announce
    bool saw_end_ = false; // an event told of the peer's end: read until it is reached
    bool shutdown_wanted_ : 1 = false;
    bool shutdown_done_ : 1 = false;
    bool ended_ = false; // on_end was called
    bool closed_ = false;
    Endpoint peer_;
    mutable std::unique_ptr<Endpoint> local_; // once it was asked for
};

} // namespace hc::link
