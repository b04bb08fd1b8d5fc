// The machine's probes, listed piece by piece: there may be a hundred thousand of them. Belongs to the DTrace thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "libdtrace.h"
#include "message.h"
#include "record_batch.h"

namespace dtc {

// Which probes: a description as it is written in D, else a glob for each part, where an empty one matches everything.
struct ProbeFilter {
  std::optional<std::string> description;
  std::vector<std::string> parts;
};

// A listing keeps the probes' numbers only. What they are called is looked up when the next piece is asked for, so that
// the session is never kept from its tracing for long, and a slow reader costs nothing but four bytes a probe.
class Probes {
 public:
  Probes(const Library& library, dtrace_hdl_t* handle);

  // Begins a listing: { listing, count }. With details, each piece has the probes' arguments and stabilities, too.
  Result Begin(const ProbeFilter& filter, bool details);
  // The next piece: { done, details } and a batch, in which a record's source is the probe's number and its fields are
  // provider, module, function and name. The listing ends with its last piece.
  Result More(uint32_t listing);
  Result End(uint32_t listing) {
    listings_.erase(listing);
    return Success{};
  }

 private:
  struct Listing {
    std::vector<dtrace_id_t> ids;
    size_t next = 0;
    bool details = false;
  };

  Failure LibraryFailure(const char* code) const;
  bool Find(const dtrace_probedesc_t& pattern, std::vector<dtrace_id_t>* ids) const;
  void Put(const dtrace_probedesc_t& probe);
  std::string Details(const dtrace_probedesc_t& probe) const;
  std::string TypeName(const dtrace_typeinfo_t& type) const;

  const Library& library_;
  dtrace_hdl_t* handle_;
  const Statement layout_;
  RecordBatch batch_;
  std::unordered_map<uint32_t, Listing> listings_;
  uint32_t next_listing_ = 0;
};

// The stabilities of a name, its data, and its dependency class, in the words of dtrace(1).
std::string ToJson(const Library& library, const dtrace_attribute_t& stability);

}  // namespace dtc
