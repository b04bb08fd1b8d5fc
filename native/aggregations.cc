#include "aggregations.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "option_for_now.h"

namespace dtc {
namespace {

bool IsWanted(const std::vector<std::string>& names, const platform::AggregationEntry& entry) {
  return names.empty() || std::find(names.begin(), names.end(), AggregationName(entry)) != names.end();
}

// They can't be worked out for a part of the time, as the others can from what they were before it.
bool IsExtreme(const platform::AggregationEntry& entry) {
  return std::strcmp(entry.action, "min") == 0 || std::strcmp(entry.action, "max") == 0;
}

bool HasSquares(const platform::AggregationEntry& entry) { return std::strcmp(entry.action, "stddev") == 0; }

enum class Sign : uint8_t { kPlus, kMinus };

// Word by word, as libdtrace adds up the values of CPUs; only the squares of a stddev(), its last two words, are one
// number.
void Combine(char* value, Sign sign, const char* other, size_t size, bool squares) {
  bool carry = false;
  for (size_t i = 0; i < size / sizeof(uint64_t); i++) {
    uint64_t word = 0;
    uint64_t by = 0;
    std::memcpy(&word, value + i * sizeof word, sizeof word);
    std::memcpy(&by, other + i * sizeof by, sizeof by);
    const uint64_t carried = squares && i == 3 && carry ? 1 : 0;
    const uint64_t result = sign == Sign::kPlus ? word + by + carried : word - by - carried;
    carry = sign == Sign::kPlus ? result < word : word < by;
    std::memcpy(value + i * sizeof result, &result, sizeof result);
  }
}

constexpr const char* kAggrate = "aggrate";
constexpr const char* kByKey = "aggsortkey";
constexpr const char* kReverse = "aggsortrev";
constexpr const char* kPosition = "aggsortpos";
}  // namespace

Result Aggregations::Snapshot(const AggregationRequest& request) {
  AggregationRows rows(symbols_, cpus_, epochs_);
  if (!Refresh() || !(request.joined ? WalkJoined(request, &rows) : Walk(request, &rows)) ||
      (request.after != AfterSnapshot::kKeep && !Clear(request))) {
    const int error = library_.dtrace_errno(handle_);
    return Failure{"ERR_DTRACE_SESSION", library_.dtrace_errmsg(handle_, error), error};
  }
  return rows.Finish();
}

// What was cleared is taken off libdtrace's own entries, since it puts them in order by what is in them; each snapshot
// makes them anew.
bool Aggregations::Refresh() {
  {
    const OptionForNow never(library_, handle_, kAggrate, "1d");
    if (platform::ForgetSnapshot(library_.dtrace_aggregate_print, handle_) != 0) return false;
  }
  // libdtrace takes no snapshot sooner than aggrate after the last one, which does not count here.
  const OptionForNow at_once(library_, handle_, kAggrate, "0");
  if (library_.dtrace_aggregate_snap(handle_) != 0) return false;
  if (cleared_.empty()) return true;
  const auto take_off = [](const dtrace_aggdata_t* data, void* self) {
    static_cast<Aggregations*>(self)->TakeOffCleared(*data);
    return DTRACE_AGGWALK_NEXT;
  };
  return library_.dtrace_aggregate_walk(handle_, take_off, this) == 0;
}

void Aggregations::TakeOffCleared(const dtrace_aggdata_t& data) {
  const platform::AggregationEntry entry = platform::ReadAggregation(data);
  const auto known = cleared_.find(std::string(entry.key, entry.key_size));
  if (known == cleared_.end()) return;
  const Cleared& cleared = known->second;
  if (cleared.generation != entry.generation) {  // the program has cleared it itself since then
    cleared_.erase(known);
    return;
  }
  Combine(entry.value, Sign::kMinus, cleared.value.data(), entry.value_size, HasSquares(entry));
  for (size_t cpu = 0; cpu * entry.value_size < cleared.per_cpu.size(); cpu++) {
    Combine(platform::CpuValue(data, cpu), Sign::kMinus, &cleared.per_cpu[cpu * entry.value_size], entry.value_size,
            HasSquares(entry));
  }
}

bool Aggregations::Walk(const AggregationRequest& request, AggregationRows* rows) const {
  const auto walk = [&]() -> decltype(library_.dtrace_aggregate_walk_keysorted) {
    const bool reverse = request.reverse;
    switch (request.order) {
      case AggregationOrder::kKey:
        return reverse ? library_.dtrace_aggregate_walk_keyrevsorted : library_.dtrace_aggregate_walk_keysorted;
      case AggregationOrder::kValue:
        return reverse ? library_.dtrace_aggregate_walk_valrevsorted : library_.dtrace_aggregate_walk_valsorted;
      case AggregationOrder::kKeyAcross:
        return reverse ? library_.dtrace_aggregate_walk_keyvarrevsorted : library_.dtrace_aggregate_walk_keyvarsorted;
      case AggregationOrder::kValueAcross:
        return reverse ? library_.dtrace_aggregate_walk_valvarrevsorted : library_.dtrace_aggregate_walk_valvarsorted;
      default:
        return nullptr;
    }
  }();
  if (walk == nullptr) return WalkInLibraryOrder(request, rows);
  struct Context {
    const AggregationRequest& request;
    AggregationRows* rows;
  } context{request, rows};
  const auto add = [](const dtrace_aggdata_t* data, void* argument) {
    const auto& [request, rows] = *static_cast<const Context*>(argument);
    if (IsWanted(request.names, platform::ReadAggregation(*data))) rows->Add(*data, &data, 1);
    return DTRACE_AGGWALK_NEXT;
  };
  return walk(handle_, add, &context) == 0;
}

// dtrace(1)'s own order, which the options aggsortkey, aggsortrev and aggsortkeypos set. dtrace_aggregate_walk_sorted()
// is not exported; a joined walk of one variable goes through its keys in the same order, and the variables are in the
// order of their numbers.
bool Aggregations::WalkInLibraryOrder(const AggregationRequest& request, AggregationRows* rows) const {
  std::optional<OptionForNow> reverse_for_now;
  if (request.reverse) reverse_for_now.emplace(library_, handle_, kReverse, "set");
  struct Context {
    const AggregationRequest& request;
    std::set<uint32_t> variables;
  } context{request, {}};
  const auto find = [](const dtrace_aggdata_t* data, void* argument) {
    auto& [request, variables] = *static_cast<Context*>(argument);
    const platform::AggregationEntry entry = platform::ReadAggregation(*data);
    if (IsWanted(request.names, entry)) variables.insert(entry.id);
    return DTRACE_AGGWALK_NEXT;
  };
  if (library_.dtrace_aggregate_walk(handle_, find, &context) != 0) return false;
  dtrace_optval_t reverse = kUnset;
  if (library_.dtrace_getopt(handle_, kReverse, &reverse) != 0) return false;
  std::vector<platform::AggregationVariable> variables(context.variables.begin(), context.variables.end());
  if (reverse != kUnset) std::reverse(variables.begin(), variables.end());
  return std::all_of(variables.begin(), variables.end(),
                     [&](platform::AggregationVariable variable) { return WalkJoined({variable}, rows); });
}

// A name that no key has yet has no column: libdtrace tells the number of a variable together with its first key.
bool Aggregations::WalkJoined(const AggregationRequest& request, AggregationRows* rows) const {
  using Variable = platform::AggregationVariable;
  struct Context {
    const std::vector<std::string>& names;
    std::vector<std::optional<Variable>> variables;
  } context{request.names, std::vector<std::optional<Variable>>(request.names.size())};
  const auto find = [](const dtrace_aggdata_t* data, void* argument) {
    auto& [names, variables] = *static_cast<Context*>(argument);
    const platform::AggregationEntry entry = platform::ReadAggregation(*data);
    const auto name = std::find(names.begin(), names.end(), AggregationName(entry));
    if (name != names.end()) variables[static_cast<size_t>(name - names.begin())] = static_cast<Variable>(entry.id);
    return DTRACE_AGGWALK_NEXT;
  };
  if (library_.dtrace_aggregate_walk(handle_, find, &context) != 0) return false;

  std::vector<Variable> variables;
  size_t position = 0;
  for (size_t i = 0; i < context.variables.size(); i++) {
    if (i == request.position) position = variables.size();
    if (context.variables[i]) variables.push_back(*context.variables[i]);
  }
  if (request.order == AggregationOrder::kLibrary) return WalkJoined(std::move(variables), rows);
  const OptionForNow by_key(library_, handle_, kByKey, request.order == AggregationOrder::kKey ? "set" : "unset");
  const OptionForNow reverse(library_, handle_, kReverse, request.reverse ? "set" : "unset");
  const OptionForNow by(library_, handle_, kPosition, std::to_string(position).c_str());
  return WalkJoined(std::move(variables), rows);
}

bool Aggregations::WalkJoined(std::vector<platform::AggregationVariable> variables, AggregationRows* rows) const {
  if (variables.empty()) return true;
  const auto add = [](const dtrace_aggdata_t** data, const int count, void* argument) {
    static_cast<AggregationRows*>(argument)->Add(**data, data + 1, static_cast<size_t>(count) - 1);
    return DTRACE_AGGWALK_NEXT;
  };
  return library_.dtrace_aggregate_walk_joined(handle_, variables.data(), static_cast<int>(variables.size()), add,
                                               rows) == 0;
}

bool Aggregations::Clear(const AggregationRequest& request) {
  struct Context {
    const AggregationRequest& request;
    Aggregations* self;
    std::vector<uint32_t> variables;
  } context{request, this, {}};
  const auto clear = [](const dtrace_aggdata_t* data, void* argument) {
    auto& [request, self, variables] = *static_cast<Context*>(argument);
    const platform::AggregationEntry entry = platform::ReadAggregation(*data);
    if (!IsWanted(request.names, entry)) return DTRACE_AGGWALK_NEXT;
    if (std::find(variables.begin(), variables.end(), entry.id) == variables.end()) variables.push_back(entry.id);
    return self->ClearOne(*data, request.after);
  };
  if (library_.dtrace_aggregate_walk(handle_, clear, &context) != 0) return false;
  for (const uint32_t variable : context.variables) epochs_[variable]++;
  return true;
}

int Aggregations::ClearOne(const dtrace_aggdata_t& data, AfterSnapshot how) {
  const platform::AggregationEntry entry = platform::ReadAggregation(data);
  const std::string key(entry.key, entry.key_size);
  if (how == AfterSnapshot::kTrunc || (platform::kSnapshotsAreTotals && IsExtreme(entry))) {
    cleared_.erase(key);
    return DTRACE_AGGWALK_REMOVE;
  }
  if (!platform::kSnapshotsAreTotals) return platform::kAggregationClear;
  // What is shown has had taken off what was cleared before, if anything; now all of it is.
  auto [known, is_new] = cleared_.try_emplace(key);
  Cleared& cleared = known->second;
  if (is_new) {
    cleared.generation = entry.generation;
    cleared.value.resize(entry.value_size);
    cleared.per_cpu.resize(platform::CpuValue(data, 0) == nullptr ? 0 : cpus_ * entry.value_size);
  }
  Combine(cleared.value.data(), Sign::kPlus, entry.value, entry.value_size, HasSquares(entry));
  for (size_t cpu = 0; cpu * entry.value_size < cleared.per_cpu.size(); cpu++) {
    Combine(&cleared.per_cpu[cpu * entry.value_size], Sign::kPlus, platform::CpuValue(data, cpu), entry.value_size,
            HasSquares(entry));
  }
  return DTRACE_AGGWALK_NEXT;
}

bool Aggregations::BeginFiring() { return Refresh() && VariablesThatHoldKeys(&before_firing_); }

// Keys that the program has removed begin anew when they come again, whatever had been cleared of them.
bool Aggregations::EndFiring() {
  std::set<uint32_t> after;
  if (!VariablesThatHoldKeys(&after)) return false;
  for (const uint32_t variable : before_firing_) {
    if (after.count(variable) == 0) epochs_[variable]++;
  }
  if (cleared_.empty()) return true;
  std::unordered_map<std::string, Cleared> kept;
  struct Context {
    std::unordered_map<std::string, Cleared>& from;
    std::unordered_map<std::string, Cleared>& to;
  } context{cleared_, kept};
  const auto keep = [](const dtrace_aggdata_t* data, void* argument) {
    auto& [from, to] = *static_cast<Context*>(argument);
    const platform::AggregationEntry entry = platform::ReadAggregation(*data);
    to.insert(from.extract(std::string(entry.key, entry.key_size)));
    return DTRACE_AGGWALK_NEXT;
  };
  if (library_.dtrace_aggregate_walk(handle_, keep, &context) != 0) return false;
  cleared_.swap(kept);
  return true;
}

bool Aggregations::VariablesThatHoldKeys(std::set<uint32_t>* variables) const {
  variables->clear();
  const auto add = [](const dtrace_aggdata_t* data, void* argument) {
    static_cast<std::set<uint32_t>*>(argument)->insert(platform::ReadAggregation(*data).id);
    return DTRACE_AGGWALK_NEXT;
  };
  return library_.dtrace_aggregate_walk(handle_, add, variables) == 0;
}

bool Aggregations::Print(const std::vector<uint32_t>& variables, std::vector<char>* bytes) const {
  AggregationRows rows(symbols_, cpus_, epochs_);
  const auto mark = [](const dtrace_aggdata_t* data, void* argument) {
    const auto& printed = *static_cast<const std::vector<uint32_t>*>(argument);
    const uint32_t id = platform::ReadAggregation(*data).id;
    if (std::find(printed.begin(), printed.end(), id) != printed.end()) platform::MarkPrinted(*data);
    return DTRACE_AGGWALK_NEXT;
  };
  auto ids = variables;
  if (library_.dtrace_aggregate_walk(handle_, mark, &ids) != 0) return false;
  if (!WalkJoined({variables.begin(), variables.end()}, &rows)) return false;
  const Success printed = rows.Finish();
  const auto length = static_cast<uint32_t>(printed.json.size());
  bytes->assign(sizeof(uint64_t), '\0');
  std::memcpy(bytes->data(), &length, sizeof length);
  bytes->insert(bytes->end(), printed.json.begin(), printed.json.end());
  bytes->resize((bytes->size() + 7) & ~size_t{7});
  bytes->insert(bytes->end(), printed.data.begin(), printed.data.end());
  return true;
}

}  // namespace dtc
