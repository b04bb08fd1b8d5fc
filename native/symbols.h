// Names for code addresses, by libdtrace's own tables. Belongs to the DTrace thread.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libdtrace.h"
#include "record_batch.h"

namespace dtc {

class Symbols {
 public:
  Symbols(const Library& library, dtrace_hdl_t* handle) : library_(library), handle_(handle) {}

  // The frames that a stack(), ustack(), sym() or usym() record holds. Valid until the next call.
  const std::vector<Frame>& Frames(const Field& field, const char* data);

 private:
  std::string_view Kernel(uint64_t address);
  std::string_view User(uint32_t pid, uint64_t address);

  const Library& library_;
  dtrace_hdl_t* handle_;
  std::unordered_map<uint64_t, std::string> kernel_;
  std::vector<std::string> user_;
  std::vector<Frame> frames_;
};

}  // namespace dtc
