#include "aggregation_rows.h"

#include <cstring>
#include <utility>

#include "json.h"
#include "protocol.h"

namespace dtc {
namespace {

// How a field is described that is bytes and nothing else: DTRACEACT_DIFEXPR, recorded by reference.
FieldSource BytesOf(size_t size) {
  constexpr uint16_t kTrace = 1;
  constexpr uint64_t kByReference = 4;
  return {kTrace, static_cast<uint32_t>(size), 0, sizeof(uint64_t), kByReference, {}, false};
}

// In a joined walk, libdtrace makes up an entry for a variable that has no value for the key. Its key is another one.
bool HasKeyOf(const platform::AggregationEntry& entry, const dtrace_aggdata_t& data,
              const platform::AggregationEntry& other) {
  if (entry.key == other.key) return true;
  for (int i = 0; i < entry.keys; i++) {
    const FieldSource key = platform::DescribeAggregationKey(data, i);
    if (entry.key == nullptr) return false;
    if (std::memcmp(entry.key + key.offset, other.key + key.offset, key.size) != 0) return false;
  }
  return true;
}

}  // namespace

std::string AggregationName(const platform::AggregationEntry& entry) {
  const std::string name = entry.name;
  return name == "_" ? "@" : "@" + name;
}

void AggregationRows::Add(const dtrace_aggdata_t& key, const dtrace_aggdata_t* const* values, size_t count) {
  const uint32_t number = LayoutOf(key, values, count);
  const Layout& layout = layouts_[number];
  const platform::AggregationEntry entry = platform::ReadAggregation(key);
  batch_.Begin(layout.statement, number, 0);
  const auto keys = static_cast<size_t>(entry.keys);
  for (size_t i = 0; i < keys; i++) {
    const Field& field = layout.statement.fields[i];
    PutField(&batch_, symbols_, field, entry.key + field.source_offset);
  }
  for (size_t i = 0; i < count; i++) {
    PutValue(layout.statement.fields[keys + i], *values[i],
             HasKeyOf(platform::ReadAggregation(*values[i]), *values[i], entry));
  }
}

void AggregationRows::PutValue(const Field& field, const dtrace_aggdata_t& data, bool per_cpu) {
  const platform::AggregationEntry entry = platform::ReadAggregation(data);
  const auto* generation = reinterpret_cast<const char*>(&entry.generation);
  value_.assign(generation, generation + sizeof entry.generation);
  value_.insert(value_.end(), entry.value, entry.value + entry.value_size);
  for (size_t cpu = 0; per_cpu && cpu < cpus_; cpu++) {
    const char* value = platform::CpuValue(data, cpu);
    if (value == nullptr) break;
    value_.insert(value_.end(), value, value + entry.value_size);
  }
  Field sized = field;
  sized.source_size = static_cast<uint32_t>(value_.size());
  batch_.PutBytes(sized, value_.data());
}

uint32_t AggregationRows::LayoutOf(const dtrace_aggdata_t& key, const dtrace_aggdata_t* const* values, size_t count) {
  const auto [known, is_new] = layout_numbers_.try_emplace(key.dtada_desc, static_cast<uint32_t>(layouts_.size()));
  if (is_new) {
    std::vector<FieldSource> sources;
    std::vector<size_t> variables;
    const int keys = platform::ReadAggregation(key).keys;
    sources.reserve(static_cast<size_t>(keys) + count);
    variables.reserve(count);
    for (int i = 0; i < keys; i++) sources.push_back(platform::DescribeAggregationKey(key, i));
    for (size_t i = 0; i < count; i++) {
      sources.push_back(BytesOf(platform::ReadAggregation(*values[i]).value_size));
      variables.push_back(VariableOf(*values[i]));
    }
    layouts_.push_back({Statement(std::move(sources)), std::move(variables)});
  }
  return known->second;
}

size_t AggregationRows::VariableOf(const dtrace_aggdata_t& data) {
  const auto [known, is_new] = variable_numbers_.try_emplace(data.dtada_desc, variables_.size());
  if (is_new) {
    const platform::AggregationEntry entry = platform::ReadAggregation(data);
    const auto epoch = epochs_.find(entry.id);
    variables_.push_back(json::Object()
                             .Put("id", entry.id)
                             .Put("name", AggregationName(entry))
                             .Put("action", entry.action)
                             .PutJson("signature", json::Big(entry.signature))
                             .PutJson("normal", json::Big(entry.normal))
                             .PutJson("epoch", json::Text(epoch == epochs_.end() ? 0 : epoch->second))
                             .Put("size", entry.value_size)
                             .Put("printed", entry.printed)
                             .Done());
  }
  return known->second;
}

Success AggregationRows::Finish() {
  json::Array variables;
  for (const std::string& variable : variables_) variables.AddJson(variable);
  json::Array layouts;
  for (const Layout& layout : layouts_) {
    json::Array of;
    for (const size_t variable : layout.variables) of.Add(variable);
    layouts.AddJson(json::Object().PutJson("layout", ToJson(layout.statement)).PutJson("variables", of.Done()).Done());
  }
  Success success{json::Object().PutJson("variables", variables.Done()).PutJson("layouts", layouts.Done()).Done(),
                  std::vector<char>(batch_.size())};
  batch_.Finish(success.data.data());
  return success;
}

}  // namespace dtc
