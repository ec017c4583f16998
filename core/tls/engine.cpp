#include "core/tls/engine.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/tls/context_state.hpp"
#include "core/tls/ossl.hpp"

namespace hc::tls {

namespace {
constexpr std::uint32_t key_updates_max = 32; // without anything between them
} // namespace

struct Engine::State {
    State(Context with, Wire& to) noexcept : context(std::move(with)), wire(&to) {}

    Context context; // kept for its callbacks
    Wire* wire;
    std::string_view input;
    bool input_ended = false;
    bool failed = false;
    std::uint32_t key_updates = 0; // in a row
    Error error;
    std::unique_ptr<Inquiry> inquiry; // server: when its context may ask
    SessionPtr session;               // client: to be taken up later
    SslPtr ssl;                       // last: its end may still write

    bool is_flooded() const noexcept { return key_updates > key_updates_max; }
    static void note_message(int outgoing, int version, int type, const void* bytes,
                             std::size_t size, SSL* ssl, void* engine) noexcept;
    Progress outcome_of(int result, std::string_view doing);
    void note(std::string_view doing, int kind);

    // A BIO whose two ends are this: OpenSSL reads straight from what was fed and hands each record
    // to the wire.
    static State& of(BIO* bio) noexcept { return *static_cast<State*>(BIO_get_data(bio)); }
    static int read(BIO* bio, char* into, std::size_t size, std::size_t* got) noexcept;
    static int write(BIO* bio, const char* bytes, std::size_t size, std::size_t* written);
    static long control(BIO* bio, int command, long number, void* data) noexcept;
    static const BIO_METHOD* bio_method() noexcept;
};

int Engine::State::read(BIO* bio, char* into, std::size_t size, std::size_t* got) noexcept {
    BIO_clear_retry_flags(bio);
    State& state = of(bio);
    *got = 0;
    if (state.is_flooded()) return 0;
    *got = std::min(size, state.input.size());
    if (*got == 0) {
        if (!state.input_ended) BIO_set_retry_read(bio);
        return 0;
    }
    std::memcpy(into, state.input.data(), *got);
    state.input.remove_prefix(*got);
    return 1;
}
/// A peer may change its keys whenever it likes (RFC 8446, section 4.6.3), and have us change ours
/// and say so: some 20 bytes of its make us work and answer. Between two changes something has to
/// be said.
void Engine::State::note_message(int outgoing, int, int type, const void* bytes, std::size_t size,
                                 SSL*, void* engine) noexcept {
    if (outgoing != 0 || type != SSL3_RT_HANDSHAKE || size == 0) return;
    if (*static_cast<const unsigned char*>(bytes) == SSL3_MT_KEY_UPDATE) {
        ++static_cast<State*>(engine)->key_updates;
    }
}

int Engine::State::write(BIO* bio, const char* bytes, std::size_t size, std::size_t* written) {
    BIO_clear_retry_flags(bio);
    of(bio).wire->send_ciphertext({bytes, size});
    *written = size;
    return 1;
}
long Engine::State::control(BIO* bio, int command, long, void*) noexcept {
    if (command == BIO_CTRL_FLUSH) return 1;
    if (command != BIO_CTRL_EOF) return 0;
    return of(bio).input_ended && of(bio).input.empty() ? 1 : 0;
}
const BIO_METHOD* Engine::State::bio_method() noexcept {
    static const BIO_METHOD* const method = [] {
        BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "httpcore");
        if (made != nullptr) {
            BIO_meth_set_read_ex(made, &State::read);
            BIO_meth_set_write_ex(made, &State::write);
            BIO_meth_set_ctrl(made, &State::control);
        }
        return made;
    }();
    return method;
}

namespace {

/// A host's name is what the certificate must be for; an address is never told to the server (RFC
/// 6066 section 3).
bool expect(SSL& ssl, const std::string& host) {
    X509_VERIFY_PARAM* wanted = SSL_get0_param(&ssl);
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) == 1) return true;
    ERR_clear_error();
    return !host.empty() && X509_VERIFY_PARAM_set1_host(wanted, host.c_str(), host.size()) == 1 &&
           SSL_set_tlsext_host_name(&ssl, host.c_str()) == 1;
}

/// One that cannot be read is no session.
void take_up(SSL& ssl, std::string_view saved) {
    if (saved.empty()) return;
    const auto* bytes = reinterpret_cast<const unsigned char*>(saved.data());
    const SessionPtr session(
        d2i_SSL_SESSION_ex(nullptr, &bytes, static_cast<long>(saved.size()), library(), nullptr));
    if (session == nullptr || SSL_set_session(&ssl, session.get()) != 1) ERR_clear_error();
}

} // namespace

// -- life -----------------------------------------------------------------------------------------

Engine::Engine(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

Result<Engine> Engine::make(const Context& context, Wire& wire, const std::string* host,
                            std::string_view session) {
    if (context.is_server() != (host == nullptr)) {
        return fail(user_error(ErrorKind::invalid, "the TLS context is for the other end"));
    }
    auto state = std::make_unique<State>(context, wire);
    state->ssl.reset(SSL_new(context.native()));
    const BIO_METHOD* method = State::bio_method();
    BIO* bio = state->ssl == nullptr || method == nullptr ? nullptr : BIO_new(method);
    if (bio == nullptr) return fail(ErrorKind::no_memory, "no memory for a TLS connection");
    BIO_set_data(bio, state.get());
    BIO_set_init(bio, 1);
    SSL_set_bio(state->ssl.get(), bio, bio);
    SSL_set_msg_callback(state->ssl.get(), &State::note_message);
    SSL_set_msg_callback_arg(state->ssl.get(), state.get());
    if (host == nullptr) {
        if (context.asks()) state->inquiry = std::make_unique<Inquiry>();
        SSL_set_app_data(state->ssl.get(), state->inquiry.get());
        SSL_set_accept_state(state->ssl.get());
    } else {
        SSL_set_app_data(state->ssl.get(), &state->session);
        SSL_set_connect_state(state->ssl.get());
        take_up(*state->ssl, session);
        if (!expect(*state->ssl, *host)) {
            return fail(noted_error(ErrorKind::invalid, Origin::user, "the host's name"));
        }
    }
    return Engine(std::move(state));
}

Result<Engine> Engine::server(const Context& context, Wire& wire) {
    return make(context, wire, nullptr, {});
}
Result<Engine> Engine::client(const Context& context, Wire& wire, const std::string& host,
                              std::string_view session) {
    return make(context, wire, &host, session);
}

// -- bytes ----------------------------------------------------------------------------------------

void Engine::set_wire(Wire& wire) noexcept { state_->wire = &wire; }
void Engine::feed(std::string_view ciphertext) noexcept { state_->input = ciphertext; }
void Engine::feed_end() noexcept { state_->input_ended = true; }
std::string_view Engine::unread() const noexcept { return state_->input; }

void Engine::State::note(std::string_view doing, int kind) {
    failed = true;
    input = {};
    const long verdict = SSL_get_verify_result(ssl.get());
    const auto reason = ERR_GET_REASON(ERR_peek_error());
    const bool cut_off =
        reason == SSL_R_UNEXPECTED_EOF_WHILE_READING || (kind == SSL_ERROR_SYSCALL && input_ended);
    if (is_flooded()) {
        ERR_clear_error();
        error = peer_error(ErrorKind::limit, "the peer changes its keys without end");
    } else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verdict != X509_V_OK) {
        ERR_clear_error();
        error = peer_error(ErrorKind::permission,
                           std::string("the peer's certificate: ") +
                               X509_verify_cert_error_string(verdict),
                           verdict);
    } else if (cut_off) {
        ERR_clear_error();
        error = peer_error(ErrorKind::reset, "the peer ended the connection without notice of TLS");
    } else {
        error = noted_error(ErrorKind::protocol, Origin::peer, doing);
    }
}

Progress Engine::State::outcome_of(int result, std::string_view doing) {
    if (result == 1) return Progress::done;
    switch (const int kind = SSL_get_error(ssl.get(), result)) {
    case SSL_ERROR_WANT_READ: return Progress::wants_input;
    case SSL_ERROR_WANT_X509_LOOKUP: return Progress::wants_certificate;
    case SSL_ERROR_ZERO_RETURN: return Progress::ended;
    default: note(doing, kind); return Progress::failed;
    }
}

Progress Engine::handshake() {
    if (state_->failed) return Progress::failed;
    ERR_clear_error();
    return state_->outcome_of(SSL_do_handshake(state_->ssl.get()), "the TLS handshake");
}

void Engine::answer(Credentials credentials) {
    state_->inquiry->answer = std::move(credentials);
    state_->inquiry->stage = Inquiry::Stage::answered;
}

void Engine::refuse() { state_->inquiry->stage = Inquiry::Stage::answered; }

bool Engine::offers_acme() const noexcept {
    return state_->inquiry != nullptr && state_->inquiry->offers_acme;
}

bool Engine::is_established() const noexcept {
    return !state_->failed && SSL_is_init_finished(state_->ssl.get()) == 1;
}

Progress Engine::read(std::span<char> into, std::size_t& got) {
    got = 0;
    if (state_->failed) return Progress::failed;
    ERR_clear_error();
    const int result = SSL_read_ex(state_->ssl.get(), into.data(), into.size(), &got);
    if (result == 1) state_->key_updates = 0;
    return state_->outcome_of(result, "reading TLS");
}

Progress Engine::write(std::string_view plaintext) {
    if (state_->failed) return Progress::failed;
    if (plaintext.empty()) return Progress::done;
    ERR_clear_error();
    std::size_t written = 0; // all of it: the wire takes what it is given
    const int result =
        SSL_write_ex(state_->ssl.get(), plaintext.data(), plaintext.size(), &written);
    return state_->outcome_of(result, "writing TLS");
}

void Engine::close() noexcept {
    if (state_->failed) return;
    ERR_clear_error();
    if (SSL_shutdown(state_->ssl.get()) < 0) ERR_clear_error();
}

const Error& Engine::error() const noexcept { return state_->error; }

// -- facts ----------------------------------------------------------------------------------------

std::string_view Engine::alpn() const noexcept {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(state_->ssl.get(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
}
std::string_view Engine::server_name() const noexcept {
    const char* name = SSL_get_servername(state_->ssl.get(), TLSEXT_NAMETYPE_host_name);
    return name == nullptr ? std::string_view() : name;
}
std::string_view Engine::version() const noexcept { return SSL_get_version(state_->ssl.get()); }
std::string_view Engine::cipher() const noexcept { return SSL_get_cipher_name(state_->ssl.get()); }

std::string_view Engine::group() const noexcept {
    const char* name = SSL_get0_group_name(state_->ssl.get());
    return name == nullptr ? std::string_view() : name;
}

bool Engine::is_resumed() const noexcept { return SSL_session_reused(state_->ssl.get()) == 1; }

std::string Engine::session() const {
    unsigned char* bytes = nullptr;
    const int size =
        state_->session == nullptr ? 0 : i2d_SSL_SESSION(state_->session.get(), &bytes);
    std::string saved(reinterpret_cast<char*>(bytes),
                      size < 0 ? 0 : static_cast<std::size_t>(size));
    OPENSSL_free(bytes);
    return saved;
}

std::vector<std::string> Engine::peer_chain() const {
    const auto in_der = [](const X509* certificate) {
        unsigned char* bytes = nullptr;
        const int size = i2d_X509(certificate, &bytes);
        std::string der(reinterpret_cast<char*>(bytes),
                        size < 0 ? 0 : static_cast<std::size_t>(size));
        OPENSSL_free(bytes);
        return der;
    };
    std::vector<std::string> chain;
    // A server is told its client's own certificate apart from the rest of the chain.
    const X509* own = SSL_get0_peer_certificate(state_->ssl.get());
    if (own != nullptr && state_->context.is_server()) chain.push_back(in_der(own));
    STACK_OF(X509)* rest = SSL_get_peer_cert_chain(state_->ssl.get());
    for (int i = 0; i < sk_X509_num(rest); ++i) chain.push_back(in_der(sk_X509_value(rest, i)));
    return chain;
}

} // namespace hc::tls
