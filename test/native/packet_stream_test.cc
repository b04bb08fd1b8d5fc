#include "packet_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace dtc::test {
namespace {

constexpr size_t kLeast = 64;

std::string PartOf(const std::string& bytes) {
  std::string part = bytes;
  part.resize(Padded(bytes.size()));
  return part;
}

std::string PacketOf(const std::string& json, const std::string& data) {
  const uint32_t sizes[2] = {static_cast<uint32_t>(json.size()), static_cast<uint32_t>(data.size())};
  return std::string(reinterpret_cast<const char*>(sizes), sizeof sizes) + PartOf(json) + PartOf(data);
}

// A stream that is given its bytes in pieces, in memory of the least size that will do.
class Reader {
 public:
  void Push(std::string_view bytes) {
    while (!bytes.empty() && !stream.foreign()) {
      const PacketStream::Memory room = stream.Room();
      const size_t size = std::min(room.size, bytes.size());
      ASSERT_GT(size, 0U);
      std::memcpy(room.data, bytes.data(), size);
      stream.Add(size);
      bytes.remove_prefix(size);
      while (const auto packet = stream.Next()) {
        EXPECT_EQ(packet->offset % kPacketAlignment, 0U);
        found.push_back(std::string(packet->json) + "|" +
                        std::string(memory.back().get() + packet->offset, packet->size));
      }
    }
  }

  std::vector<std::unique_ptr<char[]>> memory;  // NOLINT(cppcoreguidelines-avoid-c-arrays)
  std::vector<std::string> found;
  PacketStream stream{[this](size_t least) {
    const size_t size = std::max(least, kLeast);
    memory.push_back(std::make_unique<char[]>(size));  // NOLINT(cppcoreguidelines-avoid-c-arrays)
    return PacketStream::Memory{memory.back().get(), size};
  }};
};

TEST(PacketStream, FindsThePacketsInPiecesOfAnySize) {
  const std::string stream = PacketOf("{\"a\":1}", "") + PacketOf("", "abc") + PacketOf("{}", "x") +
                             PacketOf("", std::string(kLeast * 3, 'y')) + PacketOf("[]", "");
  const std::vector<std::string> expected = {"{\"a\":1}|", "|abc", "{}|x", "|" + std::string(kLeast * 3, 'y'), "[]|"};
  for (size_t piece = 1; piece <= stream.size(); piece++) {
    Reader reader;
    for (size_t at = 0; at < stream.size(); at += piece) reader.Push(std::string_view(stream).substr(at, piece));
    EXPECT_EQ(reader.found, expected) << "in pieces of " << piece;
  }
}

TEST(PacketStream, SaysHowManyRecordsABatchHadOfWhichAPartHasCome) {
  std::string batch(40, '\0');
  batch[0] = 17;
  const std::string stream = PacketOf("", batch);
  Reader reader;
  EXPECT_EQ(reader.stream.unfinished_records(), 0U);
  reader.Push(stream.substr(0, 10));
  EXPECT_EQ(reader.stream.unfinished_records(), 0U);
  reader.Push(stream.substr(10, 10));
  EXPECT_EQ(reader.stream.unfinished_records(), 17U);
  reader.Push(stream.substr(20));
  EXPECT_EQ(reader.stream.unfinished_records(), 0U);
}

TEST(PacketStream, TakesNothingForAPacketThatIsNone) {
  Reader words;
  words.Push("hello, this is no host");
  EXPECT_TRUE(words.stream.foreign());
  EXPECT_EQ(words.stream.unfinished_records(), 0U);

  Reader later;
  later.Push(PacketOf("{}", ""));
  EXPECT_FALSE(later.stream.foreign());
  later.Push(std::string(8, '\xff'));
  EXPECT_TRUE(later.stream.foreign());
  EXPECT_EQ(later.found.size(), 1U);
}

TEST(PacketStream, HasNoRoomWhereThereIsNoMemory) {
  PacketStream stream([](size_t) { return PacketStream::Memory{}; });
  EXPECT_EQ(stream.Room().size, 0U);
}

}  // namespace
}  // namespace dtc::test
