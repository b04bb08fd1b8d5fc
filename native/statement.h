// The field layout of one statement (a clause's recorded values), worked out once from libdtrace's descriptions.
// Pure C++: knows neither libdtrace nor N-API, so that it is unit-tested alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
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
  kPrinted = 7,       // offset and length into the batch's bytes: an address, then what is there: print()
  kAggregations = 8,  // offset and length into the batch's bytes: what a printa() prints, see Aggregations::Print
};

inline bool IsCode(FieldKind kind) {
  return kind == FieldKind::kStack || kind == FieldKind::kSymbol || kind == FieldKind::kUserSymbol;
}

// What a record carries beside its values, on request.
struct Extras {
  bool text = false;        // what libdtrace prints for it
  bool flow = false;        // entry or return, and the depth
  bool time_order = false;  // nothing on the wire, but a place among those of other CPUs
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
  bool truncates = false;  // ftruncate()
};

struct Field {
  FieldKind kind = FieldKind::kNone;
  uint32_t source_offset = 0;
  uint32_t source_size = 0;
  uint32_t wire_offset = 0;  // from the start of the record
  uint16_t source_action = 0;
  // A second value that belongs to this one: the size of what a tracemem() records, the address of a print().
  uint32_t companion_offset = 0;
  uint32_t companion_size = 0;
  bool companion_signed = false;
};

// Integers that lie beside each other in a firing's data as they do on the wire, without a gap: one copy.
struct IntegerRun {
  uint32_t source_offset;
  uint32_t wire_offset;
  uint32_t size;
};

// Every record starts with the number of its source (statement and probe) and of its CPU.
inline constexpr uint32_t kRecordHeaderSize = 8;

struct Refusal {
  const char* code;  // of lib/errors.ts
  const char* reason;
};

struct Statement {
  std::vector<FieldSource> sources;
  std::vector<Field> fields;               // one for each source, kNone where nothing is recorded
  std::vector<IntegerRun> runs;            // its integers
  std::vector<Field> others;               // its other fields that record something
  uint32_t wire_size = kRecordHeaderSize;  // a multiple of 8
  // libdtrace itself must see these records: clear(), trunc(), normalize(), setopt(), commit(), discard(), system().
  bool library_acts = false;
  bool speculates = false;            // commit() or discard()
  bool acts_on_aggregations = false;  // printa(), clear(), trunc(), normalize(), denormalize()
  // Why its records can't be had; null where they can.
  std::optional<Refusal> refusal;
  // Where the record on the wire has what was asked for; 0 where it wasn't.
  uint32_t text_offset = 0;
  uint32_t flow_offset = 0;
  // Where a firing's data has its time: the value that is called `timestamp`.
  std::optional<uint32_t> time_offset;
  uint32_t source_end = 0;  // bytes of a firing's data that are of use

  explicit Statement(std::vector<FieldSource> from, Extras extras = {});

 private:
  void PairWithNeighbour(size_t i, Field* field) const;
  void NoteAction(const FieldSource& source);
  void AddToRunOrOthers(const Field& field);
};

}  // namespace dtc
