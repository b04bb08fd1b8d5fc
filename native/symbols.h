// Names for code addresses, by libdtrace's own tables. Belongs to the DTrace thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

#include "code_name.h"
#include "libdtrace.h"
#include "record_batch.h"

namespace dtc {

class Symbols {
 public:
  Symbols(const Library& library, dtrace_hdl_t* handle) : library_(library), handle_(handle) {}

  // The frames that a stack(), ustack(), sym() or usym() record holds. Valid until the next call.
  const std::vector<Frame>& Frames(const Field& field, const char* data);

 private:
  struct UserAddress {
    uint32_t pid;
    uint64_t address;
    bool operator==(const UserAddress& other) const { return pid == other.pid && address == other.address; }
  };
  struct UserAddressHash {
    size_t operator()(const UserAddress& key) const {
      return std::hash<uint64_t>()(key.address ^ (static_cast<uint64_t>(key.pid) << 32));
    }
  };

  void Age();
  const CodeName& Kernel(uint64_t address);
  const CodeName& User(uint32_t pid, uint64_t address);

  const Library& library_;
  dtrace_hdl_t* handle_;
  std::unordered_map<uint64_t, CodeName> kernel_;
  std::unordered_map<UserAddress, CodeName, UserAddressHash> user_;
  std::chrono::steady_clock::time_point user_since_;
  std::vector<Frame> frames_;
};

// Puts the value that is at `value` into the batch's record, with the names of its addresses if it has any.
void PutField(RecordBatch* batch, Symbols* symbols, const Field& field, const char* value);

}  // namespace dtc
