// Engine: TLS of one connection as bytes in, bytes out. It knows no socket and no clock.
//
//     engine.feed(ciphertext)          what the peer sent, lent until it is used up
//     engine.handshake()               until done; read() and write() do it on the way as well
//     engine.read(into, got)           until wants_input: then all of it is used up
//     engine.write(plaintext)          ciphertext goes out through the Wire, within the call
//
// What leaves, leaves through the Wire in the order and at the time in which it comes to be, in any
// call: alerts and key updates are answers to what was read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/tls/context.hpp"

namespace hc::tls {

/// Where ciphertext goes.
class Wire {
public:
    /// Takes all of it; the bytes are lent for this call. Must not call the engine.
    virtual void send_ciphertext(std::string_view bytes) = 0;

protected:
    ~Wire() = default;
};

enum class Progress : std::uint8_t {
    done,
    wants_input,       // all that was fed is used up; there is more to come
    wants_certificate, // the handshake waits for answer() or refuse(); see ServerSettings::asks
    ended,             // the peer has ended its side in order; writing goes on
    failed,            // see error(); the connection is to be closed. For ever.
};

/// One thread at a time. Move-only; a moved from one may only be assigned to and destroyed. `wire`
/// outlives it.
class Engine {
public:
    static Result<Engine> server(const Context& context, Wire& wire);
    /// `host`: a DNS name or an IP address, which the peer's certificate must be for; a DNS name is
    /// also what the server is told (SNI).
    /// `session`: what session() of an earlier connection to the same server gave, to be taken up
    /// again if the server still knows it; empty or unreadable: a whole handshake.
    static Result<Engine> client(const Context& context, Wire& wire, const std::string& host,
                                 std::string_view session = {});

    Engine(Engine&&) noexcept;
    Engine& operator=(Engine&&) noexcept;
    ~Engine();

    /// From now on ciphertext goes there.
    void set_wire(Wire& wire) noexcept;
    /// The bytes stay where they are until unread() is empty; before that there are no others.
    void feed(std::string_view ciphertext) noexcept;
    /// The peer will send nothing any more: an end without the notice that TLS asks for is an
    /// error, since whoever cuts the connection off could end a message early by it.
    void feed_end() noexcept;
    std::string_view unread() const noexcept;

    Progress handshake();
    bool is_established() const noexcept;
    /// A server that was asked for a certificate which it does not have: this one. handshake() goes
    /// on.
    void answer(Credentials credentials);
    /// There is none: the handshake fails.
    void refuse();
    /// Whether the client wants to be shown that a name is the server's own (RFC 8737): then that
    /// is the protocol, and the handshake all of the connection. False when the context never asks.
    bool offers_acme() const noexcept;
    /// Decrypts at most `into.size()` bytes, at least one when it is done; `into` is not empty.
    Progress read(std::span<char> into, std::size_t& got);
    /// Encrypts all of it: done, or failed. Once established only. At most 16 KiB go into a record,
    /// each of which costs some 22 bytes and a call of the cipher.
    Progress write(std::string_view plaintext);
    /// Tells the peer, once, that nothing more comes from here.
    void close() noexcept;
    const Error& error() const noexcept;

    // -- facts, once established ------------------------------------------------------------------
    /// Empty: none.
    std::string_view alpn() const noexcept;
    /// The name that the client asked for; empty: none.
    std::string_view server_name() const noexcept;
    /// "TLSv1.3" and "TLS_AES_128_GCM_SHA256", say.
    std::string_view version() const noexcept;
    std::string_view cipher() const noexcept;
    /// How keys were agreed upon: "X25519MLKEM768", say.
    std::string_view group() const noexcept;
    /// An earlier session was taken up.
    bool is_resumed() const noexcept;
    /// A client's session, to be taken up later; it may come, and change, with anything that is
    /// read. Empty: none so far. It holds secrets.
    std::string session() const;
    /// The peer's certificates in DER, its own first; empty when it showed none. What it showed was
    /// verified. In a session taken up a server knows its client's own only.
    std::vector<std::string> peer_chain() const;

private:
    struct State;
    explicit Engine(std::unique_ptr<State> state) noexcept;
    static Result<Engine> make(const Context& context, Wire& wire, const std::string* host,
                               std::string_view session);
    std::unique_ptr<State> state_;
};

} // namespace hc::tls
