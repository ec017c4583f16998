// RemoteHandshake: a step of a TLS handshake that runs on a thread of the pool. To sign with an RSA
// key takes as long as many small answers, all of which would wait for it on the worker.
//
//   worker: start() --> thread: the step --> worker: User::computed(), unless forget() came first
//
// What is on its way when the pool or the worker ends is destroyed, and nobody is told.
#pragma once

#include <memory>
#include <string>

#include "core/runtime/blocking_pool.hpp"
#include "core/runtime/worker.hpp"
#include "core/tls/engine.hpp"

namespace hc::link {

class RemoteHandshake final : private tls::Wire {
public:
    /// Who waits for it, on its worker.
    class User {
    public:
        /// The step is done. All members may be taken.
        virtual void computed(RemoteHandshake& step) = 0;

    protected:
        ~User() = default;
    };

    /// Takes the engine along, with what it was fed. nullptr when the pool takes no more: the
    /// engine is where it was.
    static std::shared_ptr<RemoteHandshake>
    start(runtime::BlockingPool& pool, runtime::Worker& worker, User& user, tls::Engine& engine);
    explicit RemoteHandshake(User& user) noexcept : user_(&user) {}
    RemoteHandshake(const RemoteHandshake&) = delete;
    RemoteHandshake& operator=(const RemoteHandshake&) = delete;

    /// On the worker: the user is no more.
    void forget() noexcept { user_ = nullptr; }

    std::string input;  // what the engine was fed, and refers to
    std::string output; // to be sent
    tls::Progress progress = tls::Progress::wants_input;
    std::unique_ptr<tls::Engine> engine;

private:
    class Done;
    void send_ciphertext(std::string_view bytes) override { output += bytes; }

    User* user_; // looked at by the worker's thread only
};

} // namespace hc::link
