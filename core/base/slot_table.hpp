// SlotTable: 64-bit ids for objects, so that a stale or forged id is answered and never followed.
//
// A slot holds one atomic word {generation, pins} and a pointer. Who may do what:
//
//   owner thread   insert, find, remove. `find` is one relaxed load: only the owner changes a
//                  generation, so what it reads is its own last write.
//   other threads  pin, unpin. `pin` raises the pin count by compare-and-swap, and only while the
//                  generation is the id's. While a slot is pinned, its object is not destroyed:
//                  `remove` closes the generation to new pins at once, and when pins remain it
//                  answers false; the last `unpin` then answers true and its caller must see to it
//                  that the owner calls `recycle` (through the worker's inbox).
//
// Slots are type-stable: their memory is reused, never given back, so that reading the word of any
// id that was ever handed out is safe. They are reused first-in first-out, which makes the time
// before a generation comes round as long as possible; a slot whose generations are used up
// retires for good.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace hc {

/// An id as the C API hands it out: runtime 6 | worker 10 | slot 20 | generation 28. 0 is no id.
struct Handle {
    std::uint32_t runtime = 0;
    std::uint32_t worker = 0;
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;

    static constexpr std::uint32_t generation_bits = 28;
    static constexpr std::uint32_t generation_mask = (1U << generation_bits) - 1;

    static constexpr Handle unpack(std::uint64_t id) noexcept {
        return {.runtime = static_cast<std::uint32_t>(id >> 58),
                .worker = static_cast<std::uint32_t>(id >> 48) & 0x3FF,
                .slot = static_cast<std::uint32_t>(id >> 28) & 0xFFFFF,
                .generation = static_cast<std::uint32_t>(id) & generation_mask};
    }
    constexpr std::uint64_t pack() const noexcept {
        return std::uint64_t{runtime} << 58 | std::uint64_t{worker} << 48 |
               std::uint64_t{slot} << 28 | generation;
    }
};

class SlotTable {
public:
    /// `runtime` and `worker` go into every id; `seed` makes first generations unpredictable.
    SlotTable(std::uint32_t runtime, std::uint32_t worker, std::uint64_t seed,
              std::uint32_t slots_max);
    ~SlotTable();
    SlotTable(const SlotTable&) = delete;
    SlotTable& operator=(const SlotTable&) = delete;

    // -- owner thread ------------------------------------------------------------------------
    /// Gives `object` an id; 0 when all slots are taken.
    std::uint64_t insert(void* object) noexcept;
    /// The object of an id, or nullptr when the id is stale. As in every function here, the caller
    /// has seen to it that the id is one of this table's runtime and worker.
    void* find(std::uint64_t id) const noexcept {
        const Handle handle = Handle::unpack(id);
        const Slot* slot = at(handle.slot);
        if (slot == nullptr) return nullptr;
        const std::uint64_t word = slot->word.load(std::memory_order_relaxed);
        return (word >> pin_bits) == (handle.generation | live_bit) ? slot->object : nullptr;
    }
    /// Ends an id. True: nobody has it pinned, the object may be destroyed now. False: the last
    /// unpin() will say so, and recycle() must follow. A stale id is answered with true and
    /// changes nothing.
    bool remove(std::uint64_t id) noexcept;
    /// Makes a slot whose removal had to wait for pins usable again; gives its object.
    void* recycle(std::uint32_t slot) noexcept;
    std::uint32_t live() const noexcept { return live_; }
    /// Ends every id; what they named is the caller's business.
    void end_all() noexcept;
    /// For a table that outlives its owner, while nobody can pin: ends every id and makes every
    /// slot usable again, also those whose recycle() never came.
    void renew() noexcept;

    // -- any thread ----------------------------------------------------------------------------
    /// Holds the object of an id in place, or nullptr when the id is stale.
    void* pin(std::uint64_t id) noexcept;
    /// Lets go. True when the id was removed meanwhile and this was the last pin: the caller posts
    /// a message to the owner that calls recycle(slot).
    bool unpin(std::uint64_t id) noexcept;

private:
    // word: generation 28 | live 1 (above it) << pin_bits | pins
    static constexpr std::uint32_t pin_bits = 20;
    static constexpr std::uint64_t pin_mask = (std::uint64_t{1} << pin_bits) - 1;
    static constexpr std::uint64_t live_bit = std::uint64_t{1} << Handle::generation_bits;
    static constexpr std::uint32_t page_slots = 1024;
    static constexpr std::uint32_t slots_end = 1U << 20; // what an id has room for
    static constexpr std::uint32_t reuses_max = Handle::generation_mask - 1;

    struct Slot {
        std::atomic<std::uint64_t> word{0};
        void* object = nullptr;
        Slot* next_free = nullptr;
        std::uint32_t index = 0;
        std::uint32_t reuses = 0;
    };
    struct Page {
        Slot slots[page_slots];
    };

    Slot* at(std::uint32_t slot) const noexcept {
        Page* page = pages_[slot / page_slots].load(std::memory_order_acquire);
        return page == nullptr ? nullptr : &page->slots[slot % page_slots];
    }
    [[gnu::cold]] bool grow() noexcept;
    void push_free(Slot& slot) noexcept;
    void link_free(Slot& slot) noexcept;

    const std::uint64_t prefix_; // runtime and worker bits of every id
    std::uint64_t seed_;
    const std::uint32_t slots_max_;
    std::uint32_t slots_ = 0; // made so far
    std::uint32_t live_ = 0;
    Slot* free_head_ = nullptr;
    Slot* free_tail_ = nullptr;
    std::array<std::atomic<Page*>, slots_end / page_slots> pages_{};
};

} // namespace hc
