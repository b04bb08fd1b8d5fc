#include "statement.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace dtc {
namespace {

// Action numbers of <dtrace/actions_defines.h>; the same in every libdtrace for those that exist there.
constexpr uint16_t kTrace = 1;
constexpr uint16_t kExit = 2;
constexpr uint16_t kPrintf = 3;
constexpr uint16_t kPrinta = 4;
constexpr uint16_t kLibraryAct = 5;
constexpr uint16_t kTracemem = 6;
constexpr uint16_t kPrint = 8;
constexpr uint16_t kUserStack = 0x101;
constexpr uint16_t kJavaStack = 0x102;
constexpr uint16_t kUserSym = 0x103;
constexpr uint16_t kUserMod = 0x104;
constexpr uint16_t kUserAddr = 0x105;
constexpr uint16_t kSystem = 0x203;
constexpr uint16_t kFreopen = 0x204;
constexpr uint16_t kStack = 0x401;
constexpr uint16_t kSym = 0x402;
constexpr uint16_t kMod = 0x403;
constexpr uint16_t kCommit = 0x602;
constexpr uint16_t kDiscard = 0x603;

// What lib/actions.ts refuses when it compiles a program; here it is found when a macro had hidden it.
constexpr const char* kNoFreopen =
    "freopen() can't be used: there is no output here to redirect; write the records to a file in JavaScript";
constexpr const char* kNoTruncate =
    "ftruncate() can't be used: there is no output here to cut; the records are where JavaScript keeps them";
constexpr const char* kNoTime =
    "order: 'time' needs to know when a record was made: name a value timestamp in every clause that records "
    "something, "
    "as in printf(\"timestamp=%d\", timestamp)";

bool IsIntegerSize(uint32_t size) { return size == 1 || size == 2 || size == 4 || size == 8; }

bool IsPrintfLike(uint16_t action) { return action == kPrintf || action == kSystem || action == kFreopen; }

// What a printf format does with its values, in order, without flags and sizes: "a=%d b=%-10s %%" gives "ds". A width
// or precision that is itself a value is a '*': "%*d" gives "*d".
std::string Conversions(const std::string& format) {
  std::string found;
  for (size_t i = 0; i + 1 < format.size(); i++) {
    if (format[i] != '%') continue;
    const size_t start = i + 1;
    i = format.find_first_not_of("#0-+ '@*.123456789hlLwjzt", start);
    if (i == std::string::npos) break;
    if (format[i] == '%') continue;
    found.append(static_cast<size_t>(std::count(&format[start], &format[i], '*')), '*');
    found.push_back(format[i]);
  }
  return found;
}

bool IsWord(char c) { return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

constexpr std::string_view kTimeHeading = "timestamp=";

// The place after a `timestamp=` that stands by itself, at `from` or later.
size_t FindTime(const std::string& format, size_t from = 0) {
  for (size_t at = format.find(kTimeHeading, from); at != std::string::npos; at = format.find(kTimeHeading, at + 1)) {
    if (at == 0 || !IsWord(format[at - 1])) return at + kTimeHeading.size();
  }
  return std::string::npos;
}

// Which of the format's conversions is named so: "pid=%d timestamp=%u" has 1. As many as there are for none.
size_t TimeConversion(const std::string& format) {
  for (size_t at = FindTime(format); at != std::string::npos; at = FindTime(format, at)) {
    if (at < format.size() && format[at] == '%') return Conversions(format.substr(0, at)).size();
  }
  return std::string::npos;
}

// What is recorded after `printf("timestamp=")` has that name.
bool IsTimeHeading(const std::string& format) {
  const size_t end = format.find_last_not_of(" \t\r\n");
  return end != std::string::npos && FindTime(format.substr(0, end + 1)) == end + 1;
}

// Text alone, so that whatever is recorded is no value of it. (No program has an empty format: that is one which could
// not be read.)
bool IsText(const std::string& format) {
  if (format.empty()) return false;
  for (size_t at = format.find('%'); at != std::string::npos; at = format.find('%', at + 2)) {
    if (format.compare(at, 2, "%%") != 0) return false;
  }
  return true;
}

FieldKind KindInPrintf(const FieldSource& source, char conversion) {
  // How wide something is printed is no data.
  if (source.size == 0 || conversion == '*') return FieldKind::kNone;
  // The format's text is all that tells a string from a short array, and a stack from bytes.
  if (conversion == 's' || conversion == 'S') return FieldKind::kString;
  if (conversion == 'k' && source.size % 8 == 0) return FieldKind::kStack;
  if (IsIntegerSize(source.size)) return FieldKind::kInt;
  return source.alignment == 1 ? FieldKind::kString : FieldKind::kBytes;
}

FieldKind KindOf(const FieldSource& source) {
  switch (source.action) {
    case kPrinta:  // an aggregation's number, which says nothing of what is in it
    case kLibraryAct:
    case kCommit:
    case kDiscard:
      return FieldKind::kNone;
    case kStack:
    case kUserStack:
    case kJavaStack:
      return FieldKind::kStack;
    case kSym:
    case kMod:
      return FieldKind::kSymbol;
    case kUserSym:
    case kUserMod:
    case kUserAddr:
      return FieldKind::kUserSymbol;
    case kTrace: {
      // dtrd_arg is a set of node flags; 4: recorded by reference. Strings are those with no alignment.
      constexpr uint64_t kByReference = 4;
      if ((source.argument & kByReference) != 0) {
        return source.alignment == 1 ? FieldKind::kString : FieldKind::kBytes;
      }
      break;
    }
    case kExit:
      break;
    default:
      if (source.size == 0) return FieldKind::kNone;
      if (source.action == kTracemem) return FieldKind::kBytes;
  }
  return IsIntegerSize(source.size) ? FieldKind::kInt : FieldKind::kBytes;
}

// Goes through a statement's values, and knows of each what the printf before it says.
class Reader {
 public:
  FieldKind Read(const FieldSource& source) {
    if (source.has_format) Begin(source.format);
    if (!IsPrintfLike(source.action)) {
      const FieldKind kind = KindOf(source);
      is_time_ = time_follows_ && kind != FieldKind::kNone;
      time_follows_ = time_follows_ && !is_time_;
      return kind;
    }
    is_time_ = next_ == time_;
    if (only_text_) return FieldKind::kNone;
    const FieldKind kind = KindInPrintf(source, next_ < conversions_.size() ? conversions_[next_] : '\0');
    if (source.size != 0) next_++;
    return kind;
  }

  // The value that was read last is called `timestamp`.
  bool is_time() const { return is_time_; }

 private:
  void Begin(const std::string& format) {
    conversions_ = Conversions(format);
    next_ = 0;
    time_ = TimeConversion(format);
    time_follows_ = IsTimeHeading(format);
    only_text_ = IsText(format);
  }

  std::string conversions_;
  size_t next_ = 0;
  size_t time_ = std::string::npos;
  bool time_follows_ = false;
  bool is_time_ = false;
  bool only_text_ = false;  // a printf of this kind has no value, though the older libdtrace records a 0
};

uint32_t Place(uint32_t* wire, uint32_t size, uint32_t alignment) {
  const uint32_t at = (*wire + alignment - 1) & ~(alignment - 1);  // a power of two
  *wire = at + size;
  return at;
}

uint32_t PlaceOf(const Field& field, uint32_t* wire) {
  if (field.kind == FieldKind::kNone) return *wire;
  return field.kind == FieldKind::kInt ? Place(wire, field.source_size, field.source_size) : Place(wire, 8, 4);
}

}  // namespace

Statement::Statement(std::vector<FieldSource> from, Extras extras) : sources(std::move(from)) {
  Reader reader;
  bool records = false;
  uint32_t wire = kRecordHeaderSize;
  for (size_t i = 0; i < sources.size(); i++) {
    const FieldSource& source = sources[i];
    Field field{reader.Read(source), source.offset, source.size, 0, source.action};
    PairWithNeighbour(i, &field);
    field.wire_offset = PlaceOf(field, &wire);
    fields.push_back(field);
    AddToRunOrOthers(field);

    const bool can_be_time = field.kind == FieldKind::kInt && source.size == 8 && !time_offset;
    if (reader.is_time() && can_be_time) time_offset = source.offset;
    const bool is_data = field.kind != FieldKind::kNone && field.kind != FieldKind::kAggregations;
    records = records || (is_data && source.action != kExit);
    source_end = std::max(source_end, source.offset + source.size);
    NoteAction(source);
  }
  if (extras.time_order && records && !time_offset && !refusal) refusal = {"ERR_DTRACE_ARGUMENT", kNoTime};
  if (extras.text) text_offset = Place(&wire, 8, 4);
  if (extras.flow) flow_offset = Place(&wire, 4, 4);
  wire_size = (wire + 7) & ~7U;
}

void Statement::AddToRunOrOthers(const Field& field) {
  if (field.kind == FieldKind::kNone) return;
  if (field.kind != FieldKind::kInt) {
    others.push_back(field);
    return;
  }
  const auto follows = [&field](const IntegerRun& run) {
    return run.source_offset + run.size == field.source_offset && run.wire_offset + run.size == field.wire_offset;
  };
  if (!runs.empty() && follows(runs.back())) {
    runs.back().size += field.source_size;
  } else {
    runs.push_back({field.source_offset, field.wire_offset, field.source_size});
  }
}

void Statement::NoteAction(const FieldSource& source) {
  if (source.action == kCommit || source.action == kDiscard) speculates = true;
  if (source.action == kLibraryAct || source.action == kSystem || speculates) library_acts = true;
  // What clear() and the like record is the number of a variable; setopt() records text.
  if (source.action == kPrinta || (source.action == kLibraryAct && source.size == sizeof(uint32_t))) {
    acts_on_aggregations = library_acts = true;
  }
  if (source.action == kFreopen) refusal = {"ERR_DTRACE_UNSUPPORTED", kNoFreopen};
  if (source.truncates) refusal = {"ERR_DTRACE_UNSUPPORTED", kNoTruncate};
}

// A tracemem() with a size of its own records the bytes and then the size; a print() the address and then the bytes.
void Statement::PairWithNeighbour(size_t i, Field* field) const {
  constexpr uint64_t kDynamic = 2;  // DTRACE_TRACEMEM_…
  constexpr uint64_t kSize = 3;
  constexpr uint64_t kSignedSize = 4;
  const FieldSource& source = sources[i];
  const auto accompany = [field](const FieldSource& companion) {
    if (companion.size > sizeof(uint64_t)) return;
    field->companion_offset = companion.offset;
    field->companion_size = companion.size;
  };
  // Several variables are one printa() where they have the same number.
  if (source.action == kPrinta) {
    const bool goes_on = i > 0 && sources[i - 1].action == kPrinta && sources[i - 1].argument == source.argument;
    field->kind = goes_on ? FieldKind::kNone : FieldKind::kAggregations;
  }
  const bool is_dynamic = source.action == kTracemem && source.argument == kDynamic;
  if (is_dynamic && field->kind == FieldKind::kBytes && i + 1 < sources.size()) {
    accompany(sources[i + 1]);
    field->companion_signed = sources[i + 1].argument == kSignedSize;
  } else if (source.action == kTracemem && (source.argument == kSize || source.argument == kSignedSize)) {
    field->kind = FieldKind::kNone;
  } else if (source.action == kPrint) {
    const bool is_data = i > 0 && sources[i - 1].action == kPrint && fields[i - 1].kind == FieldKind::kNone;
    if (is_data) accompany(sources[i - 1]);
    const FieldKind data = field->companion_size == 0 ? FieldKind::kBytes : FieldKind::kPrinted;
    field->kind = is_data ? data : FieldKind::kNone;
  }
}

}  // namespace dtc
