// Counts every allocation of this program, for the tests that promise none.
#include <cstddef>
#include <cstdlib>
#include <new>

namespace hc::test {
std::size_t allocations = 0;
} // namespace hc::test

void* operator new(std::size_t size) {
    ++hc::test::allocations;
    if (void* memory = std::malloc(size)) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
