#include "statement.h"

#include <algorithm>
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

}  // namespace

Statement::Statement(std::vector<FieldSource> from) : sources(std::move(from)) {
  std::string conversions;
  size_t next_conversion = 0;
  bool only_text = false;  // a printf of this kind has no value, though the older libdtrace records a 0
  uint32_t wire = kRecordHeaderSize;

  for (const FieldSource& source : sources) {
    if (source.has_format) {
      conversions = Conversions(source.format);
      next_conversion = 0;
      only_text = IsText(source.format);
    }
    FieldKind kind = FieldKind::kNone;
    if (IsPrintfLike(source.action) && !only_text) {
      const bool named = next_conversion < conversions.size();
      kind = KindInPrintf(source, named ? conversions[next_conversion] : '\0');
      if (source.size != 0) next_conversion++;
    } else if (!IsPrintfLike(source.action)) {
      kind = KindOf(source);
    }
    if (source.action == kCommit || source.action == kDiscard) speculates = true;
    if (source.action == kLibraryAct || source.action == kSystem || speculates) library_acts = true;

    uint32_t size = 0;
    uint32_t alignment = 1;
    if (kind == FieldKind::kInt) {
      size = alignment = source.size;
    } else if (kind != FieldKind::kNone) {
      size = 8;
      alignment = 4;
    }
    wire = (wire + alignment - 1) & ~(alignment - 1);  // a power of two
    fields.push_back({kind, source.offset, source.size, wire, source.action});
    wire += size;
  }
  wire_size = (wire + 7) & ~7U;
}

}  // namespace dtc
