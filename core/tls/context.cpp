#include "core/tls/context.hpp"

#include <utility>

#include "core/tls/context_state.hpp"
#include "core/tls/credentials_state.hpp"

namespace hc::tls {

Error unusable(std::string_view what) {
    return noted_error(ErrorKind::invalid, Origin::user, what);
}

namespace {

int number_of(Version version) noexcept {
    return version == Version::tls1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

} // namespace

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

namespace {

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

/// The newest is the one to take up.
int keep_session(SSL* ssl, SSL_SESSION* session) {
    Context::State::session_of(ssl).reset(session);
    return 1; // it is ours now
}

void log_key(const SSL* ssl, const char* line) { Context::State::of(ssl).key_log(line); }

} // namespace

Result<ContextPtr> make_context(const SSL_METHOD* method, const CommonSettings& settings,
                                const Context::State& state) {
    ContextPtr made(SSL_CTX_new_ex(library(), nullptr, method));
    if (made == nullptr) return fail(unusable("making a TLS context"));
    SSL_CTX* context = made.get();
    SSL_CTX_set_options(context,
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_PRIORITIZE_CHACHA);
    // An idle connection owns no buffers.
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
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
    SSL_CTX_set_app_data(context, const_cast<Context::State*>(&state));
    if (state.key_log) SSL_CTX_set_keylog_callback(context, &log_key);
    return made;
}

Result<void> use(SSL_CTX& context, const Credentials& credentials) {
    const auto& [chain, key, names] = credentials.state();
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

Result<Context> Context::client(const ClientSettings& settings) {
    auto state = std::make_shared<State>();
    state->key_log = settings.key_log;
    auto made = make_context(TLS_client_method(), settings, *state);
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
    SSL_CTX_set_session_cache_mode(context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context, &keep_session);
    state->contexts.push_back(std::move(*made));
    return Context(std::move(state));
}

bool Context::asks() const noexcept { return state_->asks; }
bool Context::is_costly() const noexcept { return state_->costly; }
bool Context::is_server() const noexcept { return state_->server; }
SSL_CTX* Context::native() const noexcept { return state_->contexts.front().get(); }

} // namespace hc::tls
