#include "probes.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "json.h"

namespace dtc {
namespace {

// A piece takes the session a millisecond or two; with details, where a single probe may need as long, it ends when
// this time is over.
constexpr size_t kMostInPiece = 4096;
constexpr auto kLongestPiece = std::chrono::milliseconds(10);

// Four strings. The longest name of all is a C++ function's.
Statement Layout() {
  constexpr uint16_t kTrace = 1;
  constexpr uint64_t kByReference = 4;
  constexpr uint32_t kMostBytes = uint32_t{1} << 16;
  return Statement(std::vector<FieldSource>(4, FieldSource{kTrace, kMostBytes, 0, 1, kByReference, {}, false}));
}

}  // namespace

Probes::Probes(const Library& library, dtrace_hdl_t* handle) : library_(library), handle_(handle), layout_(Layout()) {}

Result Probes::Begin(const ProbeFilter& filter, bool details) {
  platform::ProbePattern pattern;
  if (filter.description) {
    if (!pattern.Parse(library_.dtrace_str2desc, handle_, *filter.description)) {
      return LibraryFailure("ERR_DTRACE_ARGUMENT");
    }
  } else if (filter.parts.size() != 4 || !pattern.Set(filter.parts)) {
    return Failure{"ERR_DTRACE_ARGUMENT", "a part of the description is too long"};
  }
  Listing listing;
  listing.details = details;
  if (!Find(pattern.get(), &listing.ids)) return LibraryFailure("ERR_DTRACE_SESSION");
  // As dtrace -l has them. libdtrace finds some kinds of patterns through a hash table.
  std::sort(listing.ids.begin(), listing.ids.end());
  const uint32_t number = next_listing_++;
  json::Object result;
  result.Put("listing", number).Put("count", listing.ids.size());
  listings_.emplace(number, std::move(listing));
  return Success{result.Done()};
}

// That nothing matches is no error here.
bool Probes::Find(const dtrace_probedesc_t& pattern, std::vector<dtrace_id_t>* ids) const {
  const auto add = [](dtrace_hdl_t* /*handle*/, const dtrace_probedesc_t* probe, void* found) {
    static_cast<std::vector<dtrace_id_t>*>(found)->push_back(platform::Id(*probe));
    return 0;
  };
  if (library_.dtrace_probe_iter(handle_, &pattern, add, ids) == 0 || !ids->empty()) return true;
  // What libdtrace calls that has a number which its header does not give: a pattern that fits nothing does.
  const int error = library_.dtrace_errno(handle_);
  platform::ProbePattern nothing;
  std::vector<dtrace_id_t> none;
  return nothing.Set({"\x01", "\x01", "\x01", "\x01"}) &&
         library_.dtrace_probe_iter(handle_, &nothing.get(), add, &none) != 0 &&
         library_.dtrace_errno(handle_) == error;
}

Result Probes::More(uint32_t listing) {
  const auto found = listings_.find(listing);
  if (found == listings_.end()) return Failure{"ERR_DTRACE_STATE", "no such listing in this session"};
  Listing& from = found->second;
  json::Array details;
  const auto enough = std::chrono::steady_clock::now() + kLongestPiece;
  for (size_t taken = 0; taken < kMostInPiece && from.next < from.ids.size(); taken++, from.next++) {
    if (from.details && taken > 0 && std::chrono::steady_clock::now() >= enough) break;
    dtrace_probedesc_t probe = {};
    // A process that has gone takes its probes with it.
    if (library_.dtrace_id2desc(handle_, from.ids[from.next], &probe) != 0) continue;
    Put(probe);
    if (from.details) details.AddJson(Details(probe));
  }
  json::Object result;
  result.Put("done", from.next == from.ids.size());
  if (from.details) result.PutJson("details", details.Done());
  if (from.next == from.ids.size()) listings_.erase(found);
  Success success{result.Done(), std::vector<char>(batch_.size())};
  batch_.Finish(success.data.data());
  return success;
}

void Probes::Put(const dtrace_probedesc_t& probe) {
  batch_.Begin(layout_, platform::Id(probe), 0);
  const char* parts[] = {platform::Provider(probe), platform::Module(probe), platform::Function(probe),
                         platform::Name(probe)};
  for (size_t i = 0; i < layout_.fields.size(); i++) batch_.PutString(layout_.fields[i], parts[i]);
}

// Null where libdtrace knows nothing of the probe.
std::string Probes::Details(const dtrace_probedesc_t& probe) const {
  dtrace_probeinfo_t info = {};
  if (library_.dtrace_probe_info(handle_, &probe, &info) != 0) return "null";
  json::Array types;
  for (int i = 0; i < info.dtp_argc; i++) types.Add(TypeName(info.dtp_argv[i]));
  return json::Object()
      .PutJson("stability", ToJson(library_, info.dtp_attr))
      .PutJson("argumentStability", ToJson(library_, info.dtp_arga))
      .PutJson("arguments", types.Done())
      .Done();
}

std::string Probes::TypeName(const dtrace_typeinfo_t& type) const {
  char name[1024] = "";
  const bool known = library_.ctf_type_name != nullptr && type.dtt_ctfp != nullptr &&
                     library_.ctf_type_name(type.dtt_ctfp, type.dtt_type, name, sizeof name) != nullptr;
  return known ? name : "(unknown)";  // in the words of dtrace(1)
}

Failure Probes::LibraryFailure(const char* code) const {
  const int error = library_.dtrace_errno(handle_);
  return {code, library_.dtrace_errmsg(handle_, error), error};
}

std::string ToJson(const Library& library, const dtrace_attribute_t& stability) {
  const auto text = [](const char* name) { return name == nullptr ? "Unknown" : name; };
  return json::Object()
      .Put("name", text(library.dtrace_stability_name(stability.dtat_name)))
      .Put("data", text(library.dtrace_stability_name(stability.dtat_data)))
      .Put("class", text(library.dtrace_class_name(stability.dtat_class)))
      .Done();
}

}  // namespace dtc
