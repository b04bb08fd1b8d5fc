// Reads a batch as lib/record/wire.ts does, so that the tests say what a reader sees and not how the writer works.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "record_batch.h"

namespace dtc::test {

class WireReader {
 public:
  explicit WireReader(RecordBatch* batch) : data_(batch->size()) { batch->Finish(data_.data()); }

  size_t size() const { return data_.size(); }
  uint32_t count() const { return At<uint32_t>(0); }
  uint32_t text_start() const { return At<uint32_t>(4); }
  uint32_t bytes_start() const { return At<uint32_t>(8); }
  uint32_t end() const { return At<uint32_t>(12); }
  bool ascii() const { return (At<uint32_t>(16) & kTextIsAscii) != 0; }
  uint32_t text_length() const { return At<uint32_t>(20); }

  template <typename T>
  T At(size_t offset) const {
    T value;
    EXPECT_LE(offset + sizeof value, data_.size());
    std::memcpy(&value, data_.data() + offset, sizeof value);
    return value;
  }

  // The start of a record, for batches that hold records of one statement only.
  size_t Record(const Statement& statement, size_t index) const {
    return kBatchHeaderSize + index * statement.wire_size;
  }

  std::string String(size_t record, const Field& field) const { return Text(record + field.wire_offset); }
  uint32_t StringOffset(size_t record, const Field& field) const { return At<uint32_t>(record + field.wire_offset); }

  // An (offset, length) pair that points into the text.
  std::string Text(size_t at) const {
    const auto offset = At<uint32_t>(at);
    const auto length = At<uint32_t>(at + 4);
    EXPECT_LE(offset + length, text_length());
    return Slice(text_start() + offset, length);
  }

  std::string Bytes(size_t record, const Field& field) const {
    const auto offset = At<uint32_t>(record + field.wire_offset);
    const auto length = At<uint32_t>(record + field.wire_offset + 4);
    EXPECT_EQ(offset % 8, 0U) << "bytes must be 8-aligned";
    return Slice(bytes_start() + offset, length);
  }

  struct ReadFrame {
    uint64_t address;
    std::string name;
    uint32_t module, offset;
    bool operator==(const ReadFrame& other) const {
      return address == other.address && name == other.name && module == other.module && offset == other.offset;
    }
  };

  std::vector<ReadFrame> Frames(size_t record, const Field& field) const {
    const auto offset = At<uint32_t>(record + field.wire_offset);
    const auto number = At<uint32_t>(record + field.wire_offset + 4);
    EXPECT_EQ(offset % 8, 0U) << "frames must be 8-aligned";
    std::vector<ReadFrame> frames;
    for (uint32_t i = 0; i < number; i++) {
      const size_t frame = bytes_start() + offset + size_t{24} * i;
      frames.push_back({At<uint64_t>(frame), Text(frame + 8), At<uint32_t>(frame + 16), At<uint32_t>(frame + 20)});
    }
    return frames;
  }

 private:
  std::string Slice(size_t offset, size_t length) const {
    EXPECT_LE(offset + length, data_.size());
    return {data_.data() + offset, length};
  }

  std::vector<char> data_;
};

}  // namespace dtc::test
