// The wire format writer: records, packed for one crossing into JavaScript.
// Pure C++: knows neither libdtrace nor N-API, so that it is unit-tested alone.
//
// A batch is one block of memory in three regions, in the machine's byte order:
//
//   header   6 × uint32: number of records, start of text, start of bytes, end, flags, length of text; padded to 32
//   records  each 8-aligned: uint32 source, uint32 cpu, then the fields as Statement lays them out
//   text     the bytes of all strings, without terminators; a string is (offset, length) relative to the region's start
//   bytes    8-aligned: raw bytes and stack frames, (offset, length) likewise
//
// The text is one region so that JavaScript decodes it in one call and slices it.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "byte_buffer.h"
#include "flow.h"
#include "statement.h"

namespace dtc {

inline constexpr uint32_t kBatchHeaderSize = 32;
inline constexpr uint32_t kTextIsAscii = 1;

// A code address and what it belongs to. On the wire: the address, where the name is in the text, its length, how much
// of it is the module, and the offset.
struct Frame {
  uint64_t address;
  std::string_view name = {};  // "module`symbol", "module", or nothing
  uint32_t module = 0;         // the length of the module's name
  uint32_t offset = 0;         // from the symbol's start
};

class RecordBatch {
 public:
  // Begins a record; its fields follow through the Put functions.
  void Begin(const Statement& statement, uint32_t source, uint32_t cpu) {
    record_ = records_.Extend(statement.wire_size);
    Store(0, source);
    Store(4, cpu);
    count_++;
  }

  void PutInt(const Field& field, const char* data) { Copy(field.wire_offset, data, field.source_size); }
  // All of its integers, out of a firing's data.
  void PutRun(const IntegerRun& run, const char* firing) {
    Copy(run.wire_offset, firing + run.source_offset, run.size);
  }

  // Up to the first NUL, at most the field's size.
  void PutString(const Field& field, const char* data);
  void PutBytes(const Field& field, const char* data) { PutBytes(field, data, field.source_size); }
  void PutBytes(const Field& field, const char* data, uint32_t size);
  void PutPrinted(const Field& field, uint64_t address, const char* data);
  void PutFrames(const Field& field, const std::vector<Frame>& frames);

  // What a statement has room for when it was asked for: see Extras.
  void PutText(const Statement& statement, std::string_view text);
  void PutFlow(const Statement& statement, FlowPlace place);

  uint32_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  // Bytes that Finish will write.
  size_t size() const;

  // Writes the whole batch to `out` (size() bytes) and empties it, keeping its memory.
  void Finish(char* out);

 private:
  struct Interned {
    uint32_t offset = 0;
    uint32_t length = 0;
    uint32_t batch = 0;
    uint32_t hash = 0;
  };

  // Bytes, as they are. (A size that the compiler knows is one instruction, any other one a call.)
  void Copy(uint32_t at, const char* data, uint32_t size) {
    char* const to = record_ + at;
    switch (size) {
      case 1:
        *to = *data;
        break;
      case 2:
        std::memcpy(to, data, 2);
        break;
      case 4:
        std::memcpy(to, data, 4);
        break;
      case 8:
        std::memcpy(to, data, 8);
        break;
      default:
        std::memcpy(to, data, size);
    }
  }
  void Store(uint32_t at, uint32_t value) { std::memcpy(record_ + at, &value, sizeof value); }
  uint32_t Intern(const char* data, uint32_t length);
  void PutPlace(uint32_t at, uint32_t offset, uint32_t length) {
    Store(at, offset);
    Store(at + 4, length);
  }

  ByteBuffer records_;
  ByteBuffer text_;
  ByteBuffer bytes_;
  char* record_ = nullptr;  // the one that is being written
  uint32_t count_ = 0;
  // Most strings come again and again (a program's name, a directory): each goes onto the wire once in a batch.
  // A small table without chains is enough: a miss costs only the copy.
  static constexpr size_t kInternSlots = 256;
  std::array<Interned, kInternSlots> interned_;
  uint32_t batch_ = 1;
};

}  // namespace dtc
