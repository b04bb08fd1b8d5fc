#include "libdtrace.h"

#include <dlfcn.h>

#include <algorithm>
#include <iterator>

namespace dtc {

std::unique_ptr<Library> Library::Open(const std::string& path, const std::vector<std::string>& preload,
                                       std::string* error) {
  // Libraries that a private copy brings along are found by their soname once they are loaded. They stay loaded:
  // they hold no state that has to be reset.
  for (const std::string& needed : preload) {
    if (dlopen(needed.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) {
      *error = dlerror();
      return nullptr;
    }
  }
  void* object = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (object == nullptr) {
    *error = dlerror();
    return nullptr;
  }
  std::unique_ptr<Library> library(new Library(object));
  if (!library->Resolve(error)) return nullptr;
  return library;
}

bool Library::Resolve(std::string* error) {
  const auto find = [&](const char* name, auto* function) {
    *function = reinterpret_cast<std::remove_pointer_t<decltype(function)>>(dlsym(object_, name));
    if (*function == nullptr) *error = std::string("it has no function ") + name;
    return *function != nullptr;
  };
#define DTC_FIND(name) find("dtrace_" #name, &dtrace_##name),
  const bool found[] = {DTC_FUNCTIONS(DTC_FIND) find(platform::kGrabProcess, &dtrace_proc_grab),
                        !platform::kHasInit || find("dtrace_init", &dtrace_init),
                        !platform::kLooksBeforeItEnds || find("dtrace_consume", &dtrace_consume)};
#undef DTC_FIND
  ctf_type_name = reinterpret_cast<decltype(ctf_type_name)>(dlsym(object_, "ctf_type_name"));
  return std::all_of(std::begin(found), std::end(found), [](bool one) { return one; });
}

Library::~Library() { dlclose(object_); }

std::string Library::Version() const {
  const auto* version = static_cast<const char* const*>(dlsym(object_, "_dtrace_version"));
  return version == nullptr ? "unknown" : *version;
}

}  // namespace dtc
