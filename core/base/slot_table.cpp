#include "core/base/slot_table.hpp"

#include <algorithm>
#include <new>

#include "core/base/random.hpp"

namespace hc {

SlotTable::SlotTable(std::uint32_t runtime, std::uint32_t worker, std::uint64_t seed,
                     std::uint32_t slots_max)
    : prefix_(Handle{.runtime = runtime, .worker = worker}.pack()), seed_(seed),
      slots_max_((std::min(slots_max, slots_end) + page_slots - 1) / page_slots * page_slots) {}

SlotTable::~SlotTable() {
    for (const auto& page : pages_) delete page.load(std::memory_order_relaxed);
}

bool SlotTable::grow() noexcept {
    if (slots_ >= slots_max_) return false;
    auto* page = new (std::nothrow) Page;
    if (page == nullptr) return false;
    Random random(seed_);
    const std::uint32_t first = slots_;
    for (std::uint32_t i = 0; i < page_slots; ++i) {
        const std::uint64_t generation = 1 + random.below(Handle::generation_mask); // never 0
        page->slots[i].word.store(generation << pin_bits, std::memory_order_relaxed);
        page->slots[i].next_free = i + 1 < page_slots ? &page->slots[i + 1] : nullptr;
        page->slots[i].index = first + i;
    }
    seed_ = random.next();
    pages_[first / page_slots].store(page, std::memory_order_release);
    slots_ += page_slots;
    free_head_ = &page->slots[0];
    free_tail_ = &page->slots[page_slots - 1];
    return true;
}

std::uint64_t SlotTable::insert(void* object) noexcept {
    if (free_head_ == nullptr && !grow()) [[unlikely]]
        return 0;
    Slot& slot = *free_head_;
    free_head_ = slot.next_free;
    slot.object = object;
    const std::uint64_t word = slot.word.load(std::memory_order_relaxed);
    const std::uint64_t generation = (word >> pin_bits) & Handle::generation_mask;
    // release: another thread that pins this id must see the object
    slot.word.store((generation | live_bit) << pin_bits, std::memory_order_release);
    ++live_;
    return prefix_ | std::uint64_t{slot.index} << Handle::generation_bits | generation;
}

bool SlotTable::remove(std::uint64_t id) noexcept {
    const Handle handle = Handle::unpack(id);
    Slot* slot = at(handle.slot);
    if (slot == nullptr) return true;
    std::uint64_t word = slot->word.load(std::memory_order_relaxed);
    if ((word >> pin_bits) != (handle.generation | live_bit)) return true;
    --live_;
    // Generation 0 is left out, so that no id is ever 0.
    std::uint64_t next = (handle.generation + 1) & Handle::generation_mask;
    if (next == 0) next = 1;
    while (!slot->word.compare_exchange_weak(word, next << pin_bits | (word & pin_mask),
                                             std::memory_order_acq_rel)) {}
    if ((word & pin_mask) != 0) return false;
    push_free(*slot);
    return true;
}

void* SlotTable::recycle(std::uint32_t index) noexcept {
    Slot& slot = *at(index);
    void* object = slot.object;
    push_free(slot);
    return object;
}

void SlotTable::push_free(Slot& slot) noexcept {
    slot.object = nullptr;
    if (++slot.reuses < reuses_max) link_free(slot); // else wrapped: retired for good
}

void SlotTable::link_free(Slot& slot) noexcept {
    slot.next_free = nullptr;
    (free_head_ == nullptr ? free_head_ : free_tail_->next_free) = &slot;
    free_tail_ = &slot;
}

void SlotTable::end_all() noexcept {
    for (std::uint32_t index = 0; index < slots_ && live_ > 0; ++index) {
        const std::uint64_t owned = at(index)->word.load(std::memory_order_relaxed) >> pin_bits;
        if ((owned & live_bit) == 0) continue;
        remove(prefix_ | std::uint64_t{index} << Handle::generation_bits |
               (owned & Handle::generation_mask));
    }
}

void SlotTable::renew() noexcept {
    end_all();
    free_head_ = free_tail_ = nullptr;
    for (std::uint32_t index = 0; index < slots_; ++index) {
        Slot& slot = *at(index);
        if (slot.object != nullptr) { // removed while pinned, and recycle() never came
            push_free(slot);
        } else if (slot.reuses < reuses_max) {
            link_free(slot);
        }
    }
}

void* SlotTable::pin(std::uint64_t id) noexcept {
    const Handle handle = Handle::unpack(id);
    Slot* slot = at(handle.slot);
    if (slot == nullptr) return nullptr;
    std::uint64_t word = slot->word.load(std::memory_order_relaxed);
    do {
        if ((word >> pin_bits) != (handle.generation | live_bit)) return nullptr;
        if ((word & pin_mask) == pin_mask) return nullptr; // a million pins: a defect, not a need
    } while (!slot->word.compare_exchange_weak(word, word + 1, std::memory_order_acquire,
                                               std::memory_order_relaxed));
    return slot->object;
}

bool SlotTable::unpin(std::uint64_t id) noexcept {
    Slot* slot = at(Handle::unpack(id).slot);
    const std::uint64_t before = slot->word.fetch_sub(1, std::memory_order_acq_rel);
    return (before & pin_mask) == 1 && ((before >> pin_bits) & live_bit) == 0;
}

} // namespace hc
