// The field layout of one statement (a clause's recorded values), worked out once from libdtrace's descriptions.
// Pure C++: knows neither libdtrace nor N-API, so that it is unit-tested alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace dtc {

// How a field travels. The numbers are the wire's: lib/record/wire.ts has the same list.
enum class FieldKind : uint8_t {
  kNone = 0,    // records nothing: printf without arguments, clear(), setopt(), …
  kInt = 1,     // 1, 2, 4 or 8 bytes, in place
  kString = 2,  // offset and length into the batch's text
  kBytes = 3,   // offset and length into the batch's bytes
  kStack = 4,   // offset and number of frames in the batch's bytes; the first one's address is the process
  kSymbol = 5,  // likewise, with one address: sym(), mod()
  kUserSymbol = 6,
};

// What libdtrace says of one recorded value.
struct FieldSource {
  uint16_t action;     // dtrd_action
  uint32_t size;       // dtrd_size
  uint32_t offset;     // dtrd_offset
  uint16_t alignment;  // dtrd_alignment
  uint64_t argument;   // dtrd_arg
  std::string format;  // text of the printf that begins here, else empty
  bool has_format;
};

struct Field {
  FieldKind kind;
  uint32_t source_offset;
  uint32_t source_size;
  uint32_t wire_offset;  // from the start of the record
  uint16_t source_action;
};

// Every record starts with the number of its source (statement and probe) and of its CPU.
inline constexpr uint32_t kRecordHeaderSize = 8;

struct Statement {
  std::vector<FieldSource> sources;
  std::vector<Field> fields;               // one for each source, kNone where nothing is recorded
  uint32_t wire_size = kRecordHeaderSize;  // a multiple of 8
  // libdtrace itself must see these records: clear(), trunc(), normalize(), setopt(), commit(), discard(), system().
  bool library_acts = false;
  bool speculates = false;  // commit() or discard()

  explicit Statement(std::vector<FieldSource> from);
};

}  // namespace dtc
