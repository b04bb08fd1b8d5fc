// A DTrace option that has another value for the length of a scope. Belongs to the DTrace thread.
#pragma once

#include <string>

#include "libdtrace.h"

namespace dtc {

inline constexpr dtrace_optval_t kUnset = -2;  // DTRACEOPT_UNSET

// For run-time options that may be set while tracing and have numbers, or are set or not.
class OptionForNow {
 public:
  OptionForNow(const Library& library, dtrace_hdl_t* handle, const char* name, const char* value)
      : library_(library), handle_(handle), name_(name) {
    dtrace_optval_t before = 0;
    if (library_.dtrace_getopt(handle_, name_, &before) != 0) return;
    before_ = before == kUnset ? "unset" : std::to_string(before);
    library_.dtrace_setopt(handle_, name_, value);
  }
  ~OptionForNow() {
    if (!before_.empty()) library_.dtrace_setopt(handle_, name_, before_.c_str());
  }
  OptionForNow(const OptionForNow&) = delete;
  OptionForNow& operator=(const OptionForNow&) = delete;

 private:
  const Library& library_;
  dtrace_hdl_t* handle_;
  const char* name_;
  std::string before_;
};

}  // namespace dtc
