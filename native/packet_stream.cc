#include "packet_stream.h"

#include <cstring>

namespace dtc {

PacketStream::Memory PacketStream::Room() {
  const size_t needed = HasHeader() ? SizeOfCurrent() : kHeader;
  if (begin_ + needed > memory_.size) {
    const Memory fresh = fresh_(needed);
    if (fresh.size < needed) return {};
    if (end_ > begin_) std::memcpy(fresh.data, memory_.data + begin_, end_ - begin_);
    memory_ = fresh;
    end_ -= std::exchange(begin_, 0);
  }
  return {memory_.data + end_, memory_.size - end_};
}

std::optional<PacketStream::Packet> PacketStream::Next() {
  if (foreign_ || !HasHeader()) return std::nullopt;
  const uint32_t json = Word(0);
  const uint32_t data = Word(sizeof(uint32_t));
  foreign_ = json > longest_ || data > longest_;
  const size_t size = SizeOfCurrent();
  if (foreign_ || end_ - begin_ < size) return std::nullopt;
  longest_ = kLongest;
  const size_t at = begin_ + kHeader;
  begin_ += size;
  return Packet{{memory_.data + at, json}, at + Padded(json), data};
}

uint32_t PacketStream::unfinished_records() const {
  // A batch begins with their number.
  const bool begun = end_ - begin_ >= kHeader + sizeof(uint32_t);
  return !foreign_ && begun && Word(0) == 0 ? Word(kHeader) : 0;
}

uint32_t PacketStream::Word(size_t offset) const {
  uint32_t word = 0;
  std::memcpy(&word, memory_.data + begin_ + offset, sizeof word);
  return word;
}

}  // namespace dtc
