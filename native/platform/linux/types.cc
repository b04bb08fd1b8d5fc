#include "types.h"

#include <dlfcn.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace dtc::platform {

void EaseClose(void* library, dtrace_hdl_t* handle) {
  // Both are found in libdtrace itself and in what it was linked with. Without them it takes its time.
  const auto lookup = reinterpret_cast<decltype(&::dtrace_lookup_by_type)>(dlsym(library, "dtrace_lookup_by_type"));
  const auto write = reinterpret_cast<decltype(&::ctf_write_mem)>(dlsym(library, "ctf_write_mem"));
  if (lookup == nullptr || write == nullptr) return;
  dtrace_typeinfo_t type = {};
  // Whatever every kernel has: all of its types are in one dictionary.
  if (lookup(handle, DTRACE_OBJ_KMODS, "struct task_struct", &type) != 0 || type.dtt_ctfp == nullptr) return;
  size_t size = 0;
  constexpr size_t kUncompressed = SIZE_MAX;
  // NOLINTNEXTLINE(cppcoreguidelines-no-malloc,cppcoreguidelines-owning-memory): libctf took it from malloc()
  std::free(write(type.dtt_ctfp, &size, kUncompressed));
}

}  // namespace dtc::platform
