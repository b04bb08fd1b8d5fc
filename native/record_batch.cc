#include "record_batch.h"

#include <algorithm>

namespace dtc {
namespace {

size_t Align8(size_t size) { return (size + 7) & ~size_t{7}; }

uint64_t Word(const char* data) {
  uint64_t word = 0;
  std::memcpy(&word, data, sizeof word);
  return word;
}

uint64_t HalfWord(const char* data) {
  uint32_t word = 0;
  std::memcpy(&word, data, sizeof word);
  return word;
}

// Only has to spread names over a small table, and is paid by every string: so it looks at both ends and the middle.
uint32_t Hash(const char* data, uint32_t length) {
  constexpr uint64_t kOdd = 0x9e3779b97f4a7c15ULL;  // 2^64 / the golden ratio
  uint64_t hash = length;
  if (length >= 8) {
    hash += Word(data) ^ (Word(data + length - 8) * kOdd) ^ (Word(data + (length / 2 - 4)) << 7);
  } else if (length >= 4) {
    hash += HalfWord(data) | HalfWord(data + length - 4) << 32;
  } else if (length > 0) {
    const auto at = [data](uint32_t i) { return static_cast<uint64_t>(static_cast<unsigned char>(data[i])); };
    hash += (at(0) | at(length / 2) << 8 | at(length - 1) << 16) << 8;
  }
  return static_cast<uint32_t>((hash * kOdd) >> 32);
}

bool IsAscii(const char* data, size_t length) {
  uint64_t seen = 0;
  size_t i = 0;
  for (; i + 8 <= length; i += 8) seen |= Word(data + i);
  for (; i < length; i++) seen |= static_cast<uint64_t>(static_cast<unsigned char>(data[i]));
  return (seen & 0x8080808080808080ULL) == 0;
}

}  // namespace

uint32_t RecordBatch::Intern(const char* data, uint32_t length) {
  const uint32_t hash = Hash(data, length);
  Interned& slot = interned_[hash / (UINT32_MAX / kInternSlots + 1)];
  if (slot.batch == batch_ && slot.hash == hash && slot.length == length &&
      std::memcmp(text_.at(slot.offset), data, length) == 0) {
    return slot.offset;
  }
  slot = {static_cast<uint32_t>(text_.size()), length, batch_, hash};
  text_.Append(data, length);
  return slot.offset;
}

void RecordBatch::PutString(const Field& field, const char* data) {
  const auto length = static_cast<uint32_t>(strnlen(data, field.source_size));
  PutPlace(field.wire_offset, length == 0 ? 0 : Intern(data, length), length);
}

void RecordBatch::PutBytes(const Field& field, const char* data, uint32_t size) {
  bytes_.Align();
  PutPlace(field.wire_offset, static_cast<uint32_t>(bytes_.size()), size);
  bytes_.Append(data, size);
}

void RecordBatch::PutPrinted(const Field& field, uint64_t address, const char* data) {
  bytes_.Align();
  PutPlace(field.wire_offset, static_cast<uint32_t>(bytes_.size()),
           static_cast<uint32_t>(sizeof address + field.source_size));
  bytes_.Append(&address, sizeof address);
  bytes_.Append(data, field.source_size);
}

void RecordBatch::PutText(const Statement& statement, std::string_view text) {
  const auto length = static_cast<uint32_t>(text.size());
  PutPlace(statement.text_offset, length == 0 ? 0 : Intern(text.data(), length), length);
}

void RecordBatch::PutFlow(const Statement& statement, FlowPlace place) {
  Store(statement.flow_offset, place.depth << 2 | static_cast<uint32_t>(place.flow));
}

void RecordBatch::PutFrames(const Field& field, const std::vector<Frame>& frames) {
  bytes_.Align();
  PutPlace(field.wire_offset, static_cast<uint32_t>(bytes_.size()), static_cast<uint32_t>(frames.size()));
  for (const Frame& frame : frames) {
    const auto length = static_cast<uint32_t>(frame.name.size());
    const uint32_t name[4] = {length == 0 ? 0 : Intern(frame.name.data(), length), length, frame.module, frame.offset};
    bytes_.Append(&frame.address, sizeof frame.address);
    bytes_.Append(name, sizeof name);
  }
}

size_t RecordBatch::size() const { return kBatchHeaderSize + records_.size() + Align8(text_.size()) + bytes_.size(); }

void RecordBatch::Finish(char* out) {
  const auto text = static_cast<uint32_t>(kBatchHeaderSize + records_.size());
  const auto bytes = static_cast<uint32_t>(text + Align8(text_.size()));
  const uint32_t header[kBatchHeaderSize / 4] = {count_,
                                                 text,
                                                 bytes,
                                                 static_cast<uint32_t>(bytes + bytes_.size()),
                                                 IsAscii(text_.data(), text_.size()) ? kTextIsAscii : 0,
                                                 static_cast<uint32_t>(text_.size())};
  std::memcpy(out, header, sizeof header);
  std::copy_n(records_.data(), records_.size(), out + kBatchHeaderSize);
  std::copy_n(text_.data(), text_.size(), out + text);
  std::fill(out + text + text_.size(), out + bytes, '\0');
  std::copy_n(bytes_.data(), bytes_.size(), out + bytes);

  records_.Clear();
  text_.Clear();
  bytes_.Clear();
  count_ = 0;
  batch_++;
}

}  // namespace dtc
