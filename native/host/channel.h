// Commands and messages on two descriptors: how the host speaks with lib/host/child.ts,
// which native/host_channel.h reads for.
//
// A command is its length and its bytes. A message is the length of its JSON, the length of its bytes, and both, each
// followed by zeros up to a multiple of eight. Lengths are 32-bit words in the machine's byte order: both ends are on
// the same machine.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "../protocol.h"

namespace dtc::host {

// A program with its arguments is the longest command there is.
inline constexpr uint32_t kLongestCommand = 64U * 1024 * 1024;

// Waits for the next command. Nothing when the sender has gone, or when what it sent is no command.
std::optional<std::vector<char>> ReadCommand(int descriptor);

// Writes what there is room for at once on the thread that has it to say, and the rest on a thread of its own: a reader
// that is slow must not hold up the DTrace thread. What waits is bounded by the session, which waits for its batches to
// be taken.
class MessageWriter {
 public:
  explicit MessageWriter(int descriptor);
  // Writes what is still there, then ends.
  ~MessageWriter();
  MessageWriter(const MessageWriter&) = delete;
  MessageWriter& operator=(const MessageWriter&) = delete;

  // Any thread.
  void Write(Packet packet);

 private:
  void Run();

  const int descriptor_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Packet> packets_;
  size_t written_ = 0;  // of the first of them
  bool busy_ = false;   // the thread is writing
  bool ended_ = false;
  std::thread thread_;  // last: starts when everything else is there
};

}  // namespace dtc::host
