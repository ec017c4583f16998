// The server's side of Context: what OpenSSL asks during a handshake.
#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/base/ascii.hpp"
#include "core/tls/context_state.hpp"
#include "core/tls/credentials_state.hpp"

namespace hc::tls {

namespace {

using State = Context::State;

constexpr std::string_view acme_protocol = "acme-tls/1"; // RFC 8737

std::string_view view(const unsigned char* bytes, std::size_t size) noexcept {
    return {reinterpret_cast<const char*>(bytes), size};
}

/// Whether a list of names, each behind a byte that is its length, has this one.
bool lists(std::string_view names, std::string_view wanted) noexcept {
    while (!names.empty()) {
        const auto size = static_cast<unsigned char>(names.front());
        names.remove_prefix(1);
        if (size > names.size()) return false;
        if (names.substr(0, size) == wanted) return true;
        names.remove_prefix(size);
    }
    return false;
}

// -- the protocol --------------------------------------------------------------------------------

int choose_protocol(SSL* ssl, const unsigned char** chosen, unsigned char* size,
                    const unsigned char* offered, unsigned offered_size, void*) {
    const Inquiry* inquiry = State::inquiry_of(ssl);
    if (inquiry != nullptr && inquiry->offers_acme) {
        // Who offers it offers nothing else, and this is called before the certificate is there.
        *chosen = reinterpret_cast<const unsigned char*>(acme_protocol.data());
        *size = static_cast<unsigned char>(acme_protocol.size());
        return SSL_TLSEXT_ERR_OK;
    }
    const std::string& ours = State::of(ssl).alpn;
    if (ours.empty()) return SSL_TLSEXT_ERR_NOACK;
    unsigned char* found = nullptr;
    const int outcome =
        SSL_select_next_proto(&found, size, reinterpret_cast<const unsigned char*>(ours.data()),
                              static_cast<unsigned>(ours.size()), offered, offered_size);
    *chosen = found;
    return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// -- the certificate -----------------------------------------------------------------------------

int choose_certificate(SSL* ssl, int*, void*) {
    const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (name == nullptr) return SSL_TLSEXT_ERR_NOACK;
    Inquiry* inquiry = State::inquiry_of(ssl);
    SSL_CTX* found = State::of(ssl).find(name);
    if (found != nullptr) SSL_set_SSL_CTX(ssl, found);
    // Who proves by ACME that a name is its own needs a certificate made for that, always.
    if (inquiry != nullptr && (found == nullptr || inquiry->offers_acme)) {
        inquiry->stage = Inquiry::Stage::wanted;
    }
    return SSL_TLSEXT_ERR_OK;
}

int look_at_hello(SSL* ssl, int*, void*) {
    const unsigned char* list = nullptr;
    std::size_t size = 0;
    Inquiry* inquiry = State::inquiry_of(ssl);
    // Behind two bytes that are the length of all.
    if (inquiry != nullptr &&
        SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &list,
                                  &size) == 1 &&
        size > 2) {
        inquiry->offers_acme = lists(view(list + 2, size - 2), acme_protocol);
    }
    return SSL_CLIENT_HELLO_SUCCESS;
}

bool use_answer(SSL* ssl, const Credentials& credentials) {
    const auto& [chain, key, names] = credentials.state();
    if (SSL_use_certificate(ssl, chain.front().get()) != 1) return false;
    SSL_clear_chain_certs(ssl);
    for (std::size_t i = 1; i < chain.size(); ++i) {
        if (SSL_add1_chain_cert(ssl, chain[i].get()) != 1) return false;
    }
    return SSL_use_PrivateKey(ssl, key.get()) == 1;
}

/// -1: the handshake is to wait. 0: it fails.
int provide_certificate(SSL* ssl, void*) {
    Inquiry* inquiry = State::inquiry_of(ssl);
    if (inquiry == nullptr) return 1;
    switch (inquiry->stage) {
    case Inquiry::Stage::none: return 1;
    case Inquiry::Stage::wanted: inquiry->stage = Inquiry::Stage::asked; return -1;
    case Inquiry::Stage::asked: return -1;
    case Inquiry::Stage::answered: break;
    }
    return inquiry->answer && use_answer(ssl, *inquiry->answer) ? 1 : 0;
}

// -- tickets -------------------------------------------------------------------------------------

bool begin(EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, Tickets::Key& key, const unsigned char* iv,
           bool encrypts) {
    static EVP_CIPHER* const method = EVP_CIPHER_fetch(library(), "AES-256-CBC", nullptr);
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac.data(), key.mac.size()),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return method != nullptr && EVP_MAC_CTX_set_params(mac, parameters) == 1 &&
           EVP_CipherInit_ex(cipher, method, nullptr, key.cipher.data(), iv, encrypts ? 1 : 0) == 1;
}

/// -1: no ticket can be made. Reading one: 0, it is not known; 1, it is good; 2, and to be renewed.
int prepare_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                   EVP_MAC_CTX* mac, int encrypts) {
    Tickets& tickets = *State::of(ssl).tickets;
    if (encrypts == 1) {
        auto key = tickets.current();
        if (!key || RAND_bytes_ex(library(), iv, EVP_MAX_IV_LENGTH, 0) != 1) return -1;
        std::memcpy(name, key->name.data(), key->name.size());
        return begin(cipher, mac, *key, iv, true) ? 1 : -1;
    }
    auto found =
        tickets.find(std::span<const std::uint8_t, Tickets::name_bytes>(name, Tickets::name_bytes));
    if (!found) return 0;
    if (!begin(cipher, mac, found->key, iv, false)) return -1;
    return found->renew ? 2 : 1;
}

/// What tells sessions apart that must not be taken up in each other's place: what was asked of the
/// client's certificate. Else one host's rule would be passed by a session of another's.
bool name_sessions(SSL_CTX* context, const ServerSettings& settings) {
    std::string text = "httpcore ";
    text += static_cast<char>('0' + static_cast<int>(settings.client_certificates));
    text += settings.roots;
    unsigned char digest[EVP_MAX_MD_SIZE];
    std::size_t size = 0;
    return EVP_Q_digest(library(), "SHA256", nullptr, text.data(), text.size(), digest, &size) ==
               1 &&
           SSL_CTX_set_session_id_context(context, digest, static_cast<unsigned>(size)) == 1;
}

/// What a client may take up later.
Result<void> set_sessions(SSL_CTX* context, const ServerSettings& settings) {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (!name_sessions(context, settings)) return fail(unusable("naming sessions"));
    if (settings.tickets == nullptr || settings.tickets_sent == 0) {
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(context, 0);
        return {};
    }
    SSL_CTX_set_num_tickets(context, settings.tickets_sent);
    SSL_CTX_set_timeout(context, static_cast<long>(settings.tickets->lifetime_s()));
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, &prepare_ticket);
    return {};
}

int number_of(ClientCertificates ask) noexcept {
    switch (ask) {
    case ClientCertificates::none: return SSL_VERIFY_NONE;
    case ClientCertificates::optional: return SSL_VERIFY_PEER;
    case ClientCertificates::required: break;
    }
    return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
}

/// One for each certificate, or one without.
Result<ContextPtr> make_one(const ServerSettings& settings, const State& state,
                            const Credentials* credentials) {
    auto made = make_context(TLS_server_method(), settings, state);
    if (!made) return made;
    SSL_CTX* context = made->get();
    if (credentials != nullptr) {
        if (auto used = use(*context, *credentials); !used) return fail(std::move(used.error()));
    }
    if (auto set = set_sessions(context, settings); !set) return fail(std::move(set.error()));
    SSL_CTX_set_verify(context, number_of(settings.client_certificates), nullptr);
    SSL_CTX_set_alpn_select_cb(context, &choose_protocol, nullptr);
    SSL_CTX_set_tlsext_servername_callback(context, &choose_certificate);
    if (state.asks) {
        SSL_CTX_set_client_hello_cb(context, &look_at_hello, nullptr);
        SSL_CTX_set_cert_cb(context, &provide_certificate, nullptr);
    }
    return made;
}

} // namespace

/// The context whose certificate is for this host: by its full name, or by a wildcard that stands
/// for its first label (RFC 6125 section 6.4.3).
SSL_CTX* Context::State::find(std::string_view host) const {
    std::string name(host);
    if (name.ends_with('.')) name.pop_back();
    std::ranges::transform(name, name.begin(), ascii::lower);
    if (const auto found = by_name.find(name); found != by_name.end()) return found->second;
    const std::size_t dot = name.find('.');
    if (dot == name.npos) return nullptr;
    const auto found = by_name.find('*' + name.substr(dot));
    return found == by_name.end() ? nullptr : found->second;
}

Result<Context> Context::server(const ServerSettings& settings) {
    if (settings.credentials.empty() && !settings.asks) {
        return fail(user_error(ErrorKind::invalid, "a TLS server needs a certificate"));
    }
    auto alpn = wire_form(settings.alpn);
    if (!alpn) return fail(std::move(alpn.error()));
    auto state = std::make_shared<State>();
    state->server = true;
    state->asks = settings.asks;
    state->alpn = std::move(*alpn);
    state->tickets = settings.tickets;
    state->key_log = settings.key_log;
    for (const Credentials& credentials : settings.credentials) {
        auto made = make_one(settings, *state, &credentials);
        if (!made) return fail(std::move(made.error()));
        for (const std::string& name : credentials.names()) {
            state->by_name.emplace(name, made->get());
        }
        state->contexts.push_back(std::move(*made));
        state->costly = state->costly || credentials.is_costly();
    }
    if (state->contexts.empty()) {
        auto made = make_one(settings, *state, nullptr);
        if (!made) return fail(std::move(made.error()));
        state->contexts.push_back(std::move(*made));
    }
    return Context(std::move(state));
}

} // namespace hc::tls
