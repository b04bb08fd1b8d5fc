// Messages as they come through a socket, put together from pieces of any size, where they lie: what a host writes
// (native/host/channel.h). Pure C++; belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

namespace dtc {

// Each part of a packet is followed by as many zeros as this needs: a batch begins where its numbers can be read.
inline constexpr size_t kPacketAlignment = 8;
constexpr size_t Padded(size_t size) { return (size + kPacketAlignment - 1) & ~(kPacketAlignment - 1); }

class PacketStream {
 public:
  struct Memory {
    char* data = nullptr;
    size_t size = 0;
  };
  // Gives memory of at least so many bytes, aligned like a packet. What was in the memory before it is no longer used.
  using Fresh = std::function<Memory(size_t least)>;

  // One that has come whole; valid until the next Room().
  struct Packet {
    std::string_view json;
    size_t offset;  // of its data, in the memory that was given last
    size_t size;    // of its data
  };

  explicit PacketStream(Fresh fresh) : fresh_(std::move(fresh)) {}

  // Where what comes next is to be written. After a Next() that had nothing. No bytes where there is no memory.
  Memory Room();
  // So much was.
  void Add(size_t size) { end_ += size; }
  // The next packet. Nothing where it has not come whole, or is none.
  std::optional<Packet> Next();

  // What came is no packet, and nothing after it will be.
  bool foreign() const { return foreign_; }
  // The records of a batch of which a part has come: they are lost if the rest does not.
  uint32_t unfinished_records() const;

 private:
  static constexpr size_t kHeader = 2 * sizeof(uint32_t);
  // The longest greeting; and more than any message after it has. Who sends more speaks something else.
  static constexpr uint32_t kLongestFirst = 1024;
  static constexpr uint32_t kLongest = 1U << 29;

  uint32_t Word(size_t offset) const;
  // Of the packet that is under way, with all its parts. Only where its header has come.
  size_t SizeOfCurrent() const { return kHeader + Padded(Word(0)) + Padded(Word(sizeof(uint32_t))); }
  bool HasHeader() const { return end_ - begin_ >= kHeader; }

  Fresh fresh_;
  Memory memory_;
  size_t begin_ = 0;  // of the packet that is under way
  size_t end_ = 0;    // of what has come
  uint32_t longest_ = kLongestFirst;
  bool foreign_ = false;
};

}  // namespace dtc
