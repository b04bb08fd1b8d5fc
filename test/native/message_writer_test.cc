#include "host/channel.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "packet_stream.h"

namespace dtc::host::test {
namespace {

Packet PacketOf(std::string json, size_t bytes) {
  return {PacketKind::kControl, std::move(json), std::vector<char>(bytes, static_cast<char>('a' + bytes % 26))};
}

// Reads all that is written until the other end is closed, as JavaScript's side does.
std::vector<std::string> ReadAll(int descriptor) {
  std::vector<std::unique_ptr<char[]>> memory;  // NOLINT(cppcoreguidelines-avoid-c-arrays)
  PacketStream stream([&memory](size_t least) {
    const size_t size = std::max(least, size_t{4096});
    memory.push_back(std::make_unique<char[]>(size));  // NOLINT(cppcoreguidelines-avoid-c-arrays)
    return PacketStream::Memory{memory.back().get(), size};
  });
  std::vector<std::string> found;
  for (;;) {
    const PacketStream::Memory room = stream.Room();
    const ssize_t got = read(descriptor, room.data, room.size);
    if (got <= 0) return found;
    stream.Add(static_cast<size_t>(got));
    while (const auto packet = stream.Next()) {
      const std::string data(memory.back().get() + packet->offset, packet->size);
      EXPECT_EQ(data, std::string(packet->size, static_cast<char>('a' + packet->size % 26)));
      found.push_back(std::string(packet->json) + ":" + std::to_string(packet->size));
    }
  }
}

struct Written {
  std::vector<std::string> expected;
  std::vector<std::string> found;
};

// More than there is room for at once, and less, in turn; the reader comes late.
Written WriteMany(int from, int to) {
  Written written;
  std::thread reader;
  {
    MessageWriter writer(to);
    for (size_t i = 0; i < 300; i++) {
      const size_t bytes = i % 3 == 0 ? 0 : (i * 7919) % 20000;
      const std::string json = i % 5 == 1 ? "" : std::to_string(i);
      written.expected.push_back(json + ":" + std::to_string(bytes));
      writer.Write(PacketOf(json, bytes));
      if (i == 100) reader = std::thread([&] { written.found = ReadAll(from); });
    }
  }
  close(to);
  reader.join();
  close(from);
  return written;
}

TEST(MessageWriter, WritesAllInOrderWhateverRoomASocketHas) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  const int small = 4096;
  setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  const Written written = WriteMany(ends[0], ends[1]);
  EXPECT_EQ(written.found, written.expected);
}

TEST(MessageWriter, WritesAllInOrderToAPipe) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const Written written = WriteMany(ends[0], ends[1]);
  EXPECT_EQ(written.found, written.expected);
}

TEST(MessageWriter, WritesWithoutItsThreadWhatThereIsRoomFor) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  MessageWriter writer(ends[1]);
  writer.Write(PacketOf("{}", 100));
  char header[8];
  EXPECT_EQ(recv(ends[0], header, sizeof header, MSG_DONTWAIT), 8);
  close(ends[0]);
  close(ends[1]);
}

TEST(MessageWriter, EndsWhenTheReaderHasGone) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  close(ends[0]);
  signal(SIGPIPE, SIG_IGN);  // as the host has it
  {
    MessageWriter writer(ends[1]);
    for (int i = 0; i < 10; i++) writer.Write(PacketOf("{}", 10000));
  }
  close(ends[1]);
}

TEST(ReadCommand, WaitsForAWholeCommandAndEndsWithTheInput) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  std::thread writer([end = ends[1]] {
    const uint32_t length = 3;
    EXPECT_EQ(write(end, &length, sizeof length), 4);
    EXPECT_EQ(write(end, "ab", 2), 2);
    EXPECT_EQ(write(end, "c", 1), 1);
    close(end);
  });
  const auto command = ReadCommand(ends[0]);
  ASSERT_TRUE(command);
  EXPECT_EQ(std::string(command->begin(), command->end()), "abc");
  EXPECT_FALSE(ReadCommand(ends[0]));
  writer.join();
  close(ends[0]);
}

}  // namespace
}  // namespace dtc::host::test
