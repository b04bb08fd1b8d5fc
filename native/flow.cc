#include "flow.h"

namespace dtc {
namespace {

bool IsOrEndsIn(std::string_view name, std::string_view word) {
  if (name.size() < word.size() || name.substr(name.size() - word.size()) != word) return false;
  return name.size() == word.size() || name[name.size() - word.size() - 1] == '-';
}

}  // namespace

Flow FlowOf(std::string_view name) {
  if (IsOrEndsIn(name, "entry")) return Flow::kEntry;
  return IsOrEndsIn(name, "return") ? Flow::kReturn : Flow::kNone;
}

FlowPlace FlowDepths::Place(uint32_t cpu, Flow flow, uint32_t probe, uint32_t statement) {
  Last& last = cpus_[cpu];
  // A second clause at the probe that has just been entered is within it.
  if (flow == Flow::kEntry && probe == last.probe && statement != last.statement) flow = Flow::kNone;
  if (flow == Flow::kReturn && last.depth > 0) last.depth--;
  const FlowPlace place{flow, last.depth};
  if (flow == Flow::kEntry) last.depth++;
  last.probe = probe;
  last.statement = statement;
  return place;
}

}  // namespace dtc
