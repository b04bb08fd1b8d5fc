#include "symbols.h"

#include <cinttypes>
#include <cstdio>
#include <cstring>

namespace dtc {
namespace {

// The kernel's symbols seldom change and stacks repeat; past this a table starts anew, so that it stays bounded.
constexpr size_t kMaxCached = 65536;

// libdtrace takes 3 ms for an address of a process (it starts a thread each time, and reads the process's maps), so
// their names are kept too, but not for long: a process can load and unload libraries, and its number can come again.
constexpr std::chrono::seconds kUserLifetime{1};

uint64_t Word(const char* data, size_t index) {
  uint64_t word = 0;
  std::memcpy(&word, data + index * sizeof word, sizeof word);
  return word;
}

}  // namespace

// Between records only: frames point into the tables.
void Symbols::Age() {
  if (kernel_.size() > kMaxCached) kernel_.clear();
  const auto now = std::chrono::steady_clock::now();
  if (user_.size() > kMaxCached || now - user_since_ > kUserLifetime) {
    user_.clear();
    user_since_ = now;
  }
}

const CodeName& Symbols::Kernel(uint64_t address) {
  const auto [entry, is_new] = kernel_.try_emplace(address);
  if (is_new) {
    const auto symbol = platform::SymbolAt(library_.dtrace_lookup_by_addr, handle_, address);
    if (symbol) entry->second = CodeNameOf(symbol->object, symbol->name, address - symbol->start);
  }
  return entry->second;
}

const CodeName& Symbols::User(uint32_t pid, uint64_t address) {
  const auto [entry, is_new] = user_.try_emplace({pid, address});
  if (is_new) {
    // What has no name comes back as its number.
    char text[1024] = "";
    if (platform::IsOwnChild(static_cast<pid_t>(pid))) {
      std::snprintf(text, sizeof text, "0x%" PRIx64, address);
      entry->second = ParseCodeName(text);
      return entry->second;
    }
    const platform::LoaderBreakpoint breakpoint(static_cast<pid_t>(pid));
    library_.dtrace_uaddr2str(handle_, static_cast<pid_t>(pid), address, text, sizeof text);
    breakpoint.Remove();
    entry->second = ParseCodeName(text);
  }
  return entry->second;
}

const std::vector<Frame>& Symbols::Frames(const Field& field, const char* data) {
  const size_t words = field.source_size / sizeof(uint64_t);
  frames_.clear();
  Age();

  size_t first = 0;
  size_t end = words;
  bool user = field.kind == FieldKind::kUserSymbol;
  uint32_t pid = 0;
  if (field.kind == FieldKind::kStack) {
    const platform::StackHeader header = platform::ReadStackHeader(data, words, field.source_action);
    first = header.first;
    end = header.end;
    user = header.user;
    pid = header.pid;
  } else if (user) {
    pid = static_cast<uint32_t>(Word(data, 0));
    first = 1;
  }

  // Whose addresses they are comes first: the process, or 0 for the kernel.
  frames_.push_back({pid});
  if (field.kind == FieldKind::kSymbol && words == 0) {
    // sym() of an int records an int.
    uint64_t address = 0;
    std::memcpy(&address, data, field.source_size);
    const CodeName& name = Kernel(address);
    frames_.push_back({address, name.text, name.module, name.offset});
  }
  for (size_t i = first; i < end && Word(data, i) != 0; i++) {
    const uint64_t address = Word(data, i);
    const CodeName& name = user ? User(pid, address) : Kernel(address);
    frames_.push_back({address, name.text, name.module, name.offset});
  }
  return frames_;
}

void PutField(RecordBatch* batch, Symbols* symbols, const Field& field, const char* value) {
  switch (field.kind) {
    case FieldKind::kNone:
    case FieldKind::kAggregations:  // come later in the firing
      break;
    case FieldKind::kInt:
      batch->PutInt(field, value);
      break;
    case FieldKind::kString:
      batch->PutString(field, value);
      break;
    case FieldKind::kBytes:
      batch->PutBytes(field, value);
      break;
    default:
      batch->PutFrames(field, symbols->Frames(field, value));
  }
}

}  // namespace dtc
