#include "core/tls/context.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "core/base/ascii.hpp"
#include "core/tls/credentials_state.hpp"

namespace hc::tls {

/// Where the certificates of a server are found by name. An SSL_CTX holds one certificate (of each
/// kind of key), so there is one for each.
struct Context::State {
    bool server = false;
    std::vector<ContextPtr> contexts; // at least one
    std::string alpn;                 // as it is sent: each behind a byte that is its length
    std::unordered_map<std::string, SSL_CTX*> by_name;

    SSL_CTX* find(std::string_view name) const;
};

namespace {

Error unusable(std::string_view what) {
    return noted_error(ErrorKind::invalid, Origin::user, what);
}

int number_of(Version version) noexcept {
    return version == Version::tls1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

Result<std::string> wire_form(const std::vector<std::string>& protocols) {
    std::string all;
    for (const std::string& each : protocols) {
        if (each.empty() || each.size() > 255) {
            return fail(user_error(ErrorKind::invalid, "a protocol's name has 1 to 255 bytes"));
        }
        all += static_cast<char>(each.size());
        all += each;
    }
    return all;
}

Result<void> trust(SSL_CTX& context, std::string_view roots) {
    const StorePtr store(X509_STORE_new());
    const BioPtr from = reader_of(roots);
    std::size_t count = 0;
    for (;; ++count) {
        const CertificatePtr next = read_certificate(*from, Form::pem);
        if (next == nullptr && !text_has_ended()) {
            return fail(unusable("a root certificate cannot be read"));
        }
        if (next == nullptr) break;
        if (X509_STORE_add_cert(store.get(), next.get()) != 1) {
            return fail(unusable("a root certificate"));
        }
    }
    if (count == 0 && !roots.empty()) return fail(unusable("the root certificates"));
    forget_errors(); // the end of the text was noted as one
    // A certificate that is trusted itself needs no issuer.
    X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN);
    SSL_CTX_set1_cert_store(&context, store.get());
    return {};
}

Result<ContextPtr> make(const SSL_METHOD* method, const CommonSettings& settings) {
    ContextPtr made(SSL_CTX_new_ex(library(), nullptr, method));
    if (made == nullptr) return fail(unusable("making a TLS context"));
    SSL_CTX* context = made.get();
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_PRIORITIZE_CHACHA | SSL_OP_NO_TICKET);
    // An idle connection owns no buffers.
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    if (SSL_CTX_set_min_proto_version(context, number_of(settings.oldest)) != 1 ||
        SSL_CTX_set_max_proto_version(context, number_of(settings.newest)) != 1 ||
        settings.oldest > settings.newest) {
        return fail(user_error(ErrorKind::invalid, "the oldest version is newer than the newest"));
    }
    if (SSL_CTX_set_cipher_list(context, settings.ciphers.c_str()) != 1) {
        return fail(unusable("the ciphers \"" + settings.ciphers + '"'));
    }
    if (SSL_CTX_set_ciphersuites(context, settings.cipher_suites.c_str()) != 1) {
        return fail(unusable("the cipher suites \"" + settings.cipher_suites + '"'));
    }
    if (SSL_CTX_set1_groups_list(context, settings.groups.c_str()) != 1) {
        return fail(unusable("the groups \"" + settings.groups + '"'));
    }
    if (auto trusted = trust(*context, settings.roots); !trusted) {
        return fail(std::move(trusted.error()));
    }
    return made;
}

} // namespace

Result<void> Context::use(SSL_CTX& context, const Credentials& credentials) {
    const auto& [chain, key, names] = *credentials.state_;
    if (SSL_CTX_use_certificate(&context, chain.front().get()) != 1) {
        return fail(unusable("the certificate"));
    }
    for (std::size_t i = 1; i < chain.size(); ++i) {
        if (SSL_CTX_add1_chain_cert(&context, chain[i].get()) != 1) {
            return fail(unusable("the certificate's chain"));
        }
    }
    if (SSL_CTX_use_PrivateKey(&context, key.get()) != 1) return fail(unusable("the private key"));
    return {};
}

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
    if (settings.credentials.empty()) {
        return fail(user_error(ErrorKind::invalid, "a TLS server needs a certificate"));
    }
    auto state = std::make_shared<State>();
    state->server = true;
    auto alpn = wire_form(settings.alpn);
    if (!alpn) return fail(std::move(alpn.error()));
    state->alpn = std::move(*alpn);
    const int verify = settings.client_certificates == ClientCertificates::none ? SSL_VERIFY_NONE
                       : settings.client_certificates == ClientCertificates::optional
                           ? SSL_VERIFY_PEER
                           : SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    const auto choose_protocol = [](SSL*, const unsigned char** chosen, unsigned char* size,
                                    const unsigned char* offered, unsigned offered_size,
                                    void* data) {
        const auto& ours = static_cast<const State*>(data)->alpn;
        unsigned char* found = nullptr;
        const int outcome =
            SSL_select_next_proto(&found, size, reinterpret_cast<const unsigned char*>(ours.data()),
                                  static_cast<unsigned>(ours.size()), offered, offered_size);
        *chosen = found;
        return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
    };
    const auto choose_certificate = [](SSL* ssl, int*, void* data) {
        const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        if (name == nullptr) return SSL_TLSEXT_ERR_NOACK;
        if (SSL_CTX* found = static_cast<const State*>(data)->find(name)) {
            SSL_set_SSL_CTX(ssl, found);
        }
        return SSL_TLSEXT_ERR_OK;
    };
    for (const Credentials& credentials : settings.credentials) {
        auto made = make(TLS_server_method(), settings);
        if (!made) return fail(std::move(made.error()));
        SSL_CTX* context = made->get();
        if (auto used = use(*context, credentials); !used) return fail(std::move(used.error()));
        SSL_CTX_set_verify(context, verify, nullptr);
        if (!state->alpn.empty()) {
            SSL_CTX_set_alpn_select_cb(context, +choose_protocol, state.get());
        }
        SSL_CTX_set_tlsext_servername_callback(context, +choose_certificate);
        SSL_CTX_set_tlsext_servername_arg(context, state.get());
        for (const std::string& name : credentials.names()) state->by_name.emplace(name, context);
        state->contexts.push_back(std::move(*made));
    }
    return Context(std::move(state));
}

Result<Context> Context::client(const ClientSettings& settings) {
    auto state = std::make_shared<State>();
    auto made = make(TLS_client_method(), settings);
    if (!made) return fail(std::move(made.error()));
    SSL_CTX* context = made->get();
    for (const Credentials& credentials : settings.credentials) {
        if (auto used = use(*context, credentials); !used) return fail(std::move(used.error()));
    }
    auto alpn = wire_form(settings.alpn);
    if (!alpn) return fail(std::move(alpn.error()));
    if (SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(alpn->data()),
                                static_cast<unsigned>(alpn->size())) != 0) {
        return fail(unusable("the protocols for ALPN"));
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    state->contexts.push_back(std::move(*made));
    return Context(std::move(state));
}

bool Context::is_server() const noexcept { return state_->server; }
SSL_CTX* Context::native() const noexcept { return state_->contexts.front().get(); }

} // namespace hc::tls
