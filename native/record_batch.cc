#include "record_batch.h"

#include <algorithm>

namespace dtc {
namespace {

size_t Align8(size_t size) { return (size + 7) & ~size_t{7}; }

// FNV-1a over 8 bytes at a time: only has to spread short names over a small table.
uint64_t Hash(const char* data, uint32_t length) {
  uint64_t hash = 0xcbf29ce484222325ULL ^ length;
  uint32_t i = 0;
  for (; i + 8 <= length; i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, data + i, sizeof word);
    hash = (hash ^ word) * 0x100000001b3ULL;
    hash ^= hash >> 32;
  }
  uint64_t rest = 0;
  std::memcpy(&rest, data + i, length - i);
  hash = (hash ^ rest) * 0x100000001b3ULL;
  return hash ^ (hash >> 29);
}

bool IsAscii(const char* data, uint32_t length) {
  uint64_t seen = 0;
  uint32_t i = 0;
  for (; i + 8 <= length; i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, data + i, sizeof word);
    seen |= word;
  }
  for (; i < length; i++) seen |= static_cast<uint64_t>(static_cast<unsigned char>(data[i]));
  return (seen & 0x8080808080808080ULL) == 0;
}

}  // namespace

uint32_t RecordBatch::Intern(const char* data, uint32_t length) {
  const uint64_t hash = Hash(data, length);
  Interned& slot = interned_[hash % kInternSlots];
  if (slot.batch == batch_ && slot.hash == hash && slot.length == length &&
      std::memcmp(&text_[slot.offset], data, length) == 0) {
    return slot.offset;
  }
  const auto offset = static_cast<uint32_t>(text_.size());
  text_.insert(text_.end(), data, data + length);
  if (ascii_) ascii_ = IsAscii(data, length);
  slot = {offset, length, batch_, hash};
  return offset;
}

void RecordBatch::PutString(const Field& field, const char* data) {
  const auto length = static_cast<uint32_t>(strnlen(data, field.source_size));
  PutPlace(field.wire_offset, length == 0 ? 0 : Intern(data, length), length);
}

void RecordBatch::PutBytes(const Field& field, const char* data, uint32_t size) {
  bytes_.resize(Align8(bytes_.size()));
  PutPlace(field.wire_offset, static_cast<uint32_t>(bytes_.size()), size);
  bytes_.insert(bytes_.end(), data, data + size);
}

void RecordBatch::PutPrinted(const Field& field, uint64_t address, const char* data) {
  bytes_.resize(Align8(bytes_.size()));
  const auto* bytes = reinterpret_cast<const char*>(&address);
  PutPlace(field.wire_offset, static_cast<uint32_t>(bytes_.size()),
           static_cast<uint32_t>(sizeof address + field.source_size));
  bytes_.insert(bytes_.end(), bytes, bytes + sizeof address);
  bytes_.insert(bytes_.end(), data, data + field.source_size);
}

void RecordBatch::PutText(const Statement& statement, std::string_view text) {
  const auto length = static_cast<uint32_t>(text.size());
  PutPlace(statement.text_offset, length == 0 ? 0 : Intern(text.data(), length), length);
}

void RecordBatch::PutFlow(const Statement& statement, FlowPlace place) {
  Store(statement.flow_offset, place.depth << 2 | static_cast<uint32_t>(place.flow));
}

void RecordBatch::PutFrames(const Field& field, const std::vector<Frame>& frames) {
  bytes_.resize(Align8(bytes_.size()));
  PutPlace(field.wire_offset, static_cast<uint32_t>(bytes_.size()), static_cast<uint32_t>(frames.size()));
  for (const Frame& frame : frames) {
    const auto length = static_cast<uint32_t>(frame.name.size());
    const uint32_t name[4] = {length == 0 ? 0 : Intern(frame.name.data(), length), length, frame.module, frame.offset};
    const auto* address = reinterpret_cast<const char*>(&frame.address);
    const auto* rest = reinterpret_cast<const char*>(name);
    bytes_.insert(bytes_.end(), address, address + sizeof frame.address);
    bytes_.insert(bytes_.end(), rest, rest + sizeof name);
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
                                                 ascii_ ? kTextIsAscii : 0,
                                                 static_cast<uint32_t>(text_.size())};
  std::memcpy(out, header, sizeof header);
  std::copy(records_.begin(), records_.end(), out + kBatchHeaderSize);
  std::copy(text_.begin(), text_.end(), out + text);
  std::fill(out + text + text_.size(), out + bytes, '\0');
  std::copy(bytes_.begin(), bytes_.end(), out + bytes);

  records_.clear();
  text_.clear();
  bytes_.clear();
  count_ = 0;
  ascii_ = true;
  batch_++;
}

}  // namespace dtc
