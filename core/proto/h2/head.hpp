// A head as HPACK hands it over, field by field: gathered in memory that all sessions of a worker
// share, then judged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "core/base/limits.hpp"
#include "core/http/head.hpp"

namespace hc::h2 {

/// Why a request is answered by the library: a status, and a text for the log. An answer with one
/// is not to be used.
struct Refusal {
    std::uint16_t status = 0; // 400, 413, 414, 417, 431; 0: it is not refused
    const char* reason = "";  // static
};

/// A complete head. `view` gets its pointers when all that was received is there (Heads::view).
struct Head {
    http::HeadView view;
    std::size_t bytes_at = 0;  // where it begins in the bytes ...
    std::size_t fields_at = 0; // ... and in the table
    Refusal refusal;
    std::uint64_t content_length = 0;
    bool has_length = false;
    bool ended = false; // END_STREAM was on it
    bool expects_continue = false;
};

/// The heads that one slice of input has brought, and the one that is on its way. All of it is used
/// again for the next slice.
class Heads {
public:
    enum class Kind : std::uint8_t { request, answer, trailers };

    bool open() const noexcept { return open_; }
    void begin(Kind kind, const ConnectionLimits& limits) noexcept;
    /// One field; pseudo-fields come first, as nghttp2 has seen to. Throws std::bad_alloc.
    void add(std::string_view name, std::string_view value);
    /// The head is complete and well-formed; gives its number.
    std::uint32_t finish(bool ended);
    /// It will never be complete.
    void drop() noexcept;

    /// What add() has counted: names, values and 32 bytes each (RFC 9113, section 6.5.2).
    std::size_t list_size() const noexcept { return list_size_; }
    Kind kind() const noexcept { return kind_; }
    /// Valid until the next clear().
    Head& at(std::uint32_t number) noexcept;
    /// Forgets all that is complete.
    void clear() noexcept;

    /// What an incomplete head has so far, while other sessions use the memory.
    class Kept;
    std::unique_ptr<Kept> keep() const;
    void restore(const Kept& kept);

private:
    struct Notes {
        std::uint32_t host_at = 0; // its place in the table, and 1
        std::uint32_t hosts = 0;
        std::uint32_t cookies = 0;
        bool expects_other = false;
    };

    std::uint32_t put(std::string_view bytes);
    void add_pseudo(std::string_view name, std::string_view value);
    void note(http::FieldName name, std::string_view value) noexcept;
    void join_cookies();
    void judge_request() noexcept;
    bool split_target(http::HeadView& view) const noexcept;
    void drop_unfit_trailers() noexcept;
    void refuse(std::uint16_t status, const char* reason) noexcept;

    std::vector<char> bytes_; // its size is its room: what is in use says used_
    std::size_t used_ = 0;
    std::vector<http::FieldRef> fields_;
    std::vector<Head> heads_;
    Head head_; // the one on its way
    Notes notes_;
    std::size_t list_size_ = 0;
    const ConnectionLimits* limits_ = nullptr;
    Kind kind_ = Kind::request;
    bool open_ = false;
};

class Heads::Kept {
private:
    friend class Heads;
    std::vector<char> bytes_;
    std::vector<http::FieldRef> fields_;
    Head head_;
    Notes notes_;
    std::size_t list_size_ = 0;
    const ConnectionLimits* limits_ = nullptr;
    Kind kind_ = Kind::request;
};

} // namespace hc::h2
