// What an aggregation holds, packed for JavaScript: a batch in which each key is a record. Keys are fields as in any
// record; a value is bytes: its generation, the words that libdtrace has, then those of each CPU where they are kept.
// Belongs to the DTrace thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "libdtrace.h"
#include "message.h"
#include "record_batch.h"
#include "statement.h"
#include "symbols.h"

namespace dtc {

// Of each variable, how often its values began anew without the kernel knowing. Changes in it, or in the generation,
// tell a reader that two values are not of one count.
using Epochs = std::unordered_map<uint32_t, uint64_t>;

class AggregationRows {
 public:
  AggregationRows(Symbols* symbols, size_t cpus, const Epochs& epochs)
      : symbols_(symbols), cpus_(cpus), epochs_(epochs) {}

  // A row with `key`'s key, and the values of as many variables as the first row with such a key had.
  void Add(const dtrace_aggdata_t& key, const dtrace_aggdata_t* const* values, size_t count);

  // The variables and the layouts of rows as JSON, and the batch.
  Success Finish();

 private:
  struct Layout {
    Statement statement;
    std::vector<size_t> variables;
  };

  uint32_t LayoutOf(const dtrace_aggdata_t& key, const dtrace_aggdata_t* const* values, size_t count);
  size_t VariableOf(const dtrace_aggdata_t& data);
  void PutValue(const Field& field, const dtrace_aggdata_t& data, bool per_cpu);

  Symbols* symbols_;
  const size_t cpus_;
  const Epochs& epochs_;
  RecordBatch batch_;
  std::vector<Layout> layouts_;
  std::vector<std::string> variables_;
  std::unordered_map<const void*, uint32_t> layout_numbers_;  // by the description of the key's entry
  std::unordered_map<const void*, size_t> variable_numbers_;
  std::vector<char> value_;
};

// With its @. The anonymous one, which has nothing after it, is "_" to libdtrace.
std::string AggregationName(const platform::AggregationEntry& entry);

}  // namespace dtc
