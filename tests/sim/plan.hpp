// What is to become of one request. Client and handler both work it out from the request's number,
// so that each knows what to expect of the other.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/time.hpp"

namespace hc::simtest {

struct Plan {
    enum class Body : std::uint8_t { none, length, chunked };
    enum class Target : std::uint8_t { route, no_path, no_method };
    enum class Fault : std::uint8_t {
        none,
        bad_field,
        two_lengths,
        long_head,
        bad_version,
        no_host,
        bad_chunk, // the head is right
    };
    enum class Answer : std::uint8_t {
        at_once,
        after_body,
        later,
        streamed,
        aborted,  // reset by the handler, maybe in the middle
        given_up, // released without a (whole) answer
        tunnel,
    };

    std::uint64_t number = 0;

    // the request
    std::string method;
    bool old = false;     // HTTP/1.0
    bool closing = false; // the client wants no other behind it
    Body body = Body::none;
    std::uint64_t body_size = 0;
    bool trailers = false;
    bool expect = false;  // Expect: 100-continue
    bool upgrade = false; // asks for a tunnel; then tunnel_size bytes follow
    std::uint64_t tunnel_size = 0;
    Target target = Target::route;
    Fault fault = Fault::none;

    // the handler
    Answer answer = Answer::at_once;
    int status = 200;
    std::uint64_t answer_size = 0;
    std::uint64_t cut_at = 0; // aborted and given_up: so much is sent before, if it was begun
    bool begun = false;       // aborted and given_up: an answer was begun
    bool known_length = false;
    bool answer_trailers = false;
    bool hints = false;                // 103 first
    bool wants_close = false;          // answers with Connection: close
    bool keeps = false;                // holds body bytes for a while
    bool release_early = false;        // with the last byte of the answer
    bool linger_closed = false;        // releases long after on_closed
    bool lends = false;                // sends bytes that stay its own
    std::uint64_t credit = UINT64_MAX; // a time; 0: wants no body
    std::uint64_t chunk = 1;           // streamed: bytes a send
    Duration delay{};                  // before whatever it does

    static Plan of(std::uint64_t number);

    /// Byte i of the request's body, its answer's, and the tunnel's.
    char request_byte(std::uint64_t i) const noexcept;
    char answer_byte(std::uint64_t i) const noexcept;
    char tunnel_byte(std::uint64_t i) const noexcept;
    std::string request_bytes(std::uint64_t from, std::uint64_t size) const;
    std::string answer_bytes(std::uint64_t from, std::uint64_t size) const;
    std::string tunnel_bytes(std::uint64_t from, std::uint64_t size) const;

    /// The request as it is sent. `head_size`: where its body begins.
    std::string wire(std::size_t& head_size) const;
    /// Its answer carries no body bytes.
    bool bodiless() const { return method == "HEAD" || status == 204 || status == 304; }
    /// Behind its whole answer the server may close without being wrong.
    bool may_close() const {
        return closing || wants_close || old || body != Body::none || fault != Fault::none;
    }
    /// The handler means to give a whole answer.
    bool whole() const {
        return fault == Fault::none && answer != Answer::aborted && answer != Answer::given_up;
    }
    std::string describe() const;
};

} // namespace hc::simtest
