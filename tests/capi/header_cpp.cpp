// The header twice, alone, as C++11.
#include <httpcore/httpcore.h>

#include <type_traits>

static_assert(std::is_same<decltype(&hc_respond),
                           hc_status (*)(hc_exchange, int32_t, const hc_header*, size_t,
                                         const void*, size_t, uint32_t, uint64_t)>::value,
              "the ABI's signature");
static_assert(sizeof(hc_event) == 64 && sizeof(hc_str) == 2 * sizeof(void*), "frozen");

int main() { return hc_has_feature("h1") == 1 ? 0 : 1; }
