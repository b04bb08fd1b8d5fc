#include "channel.h"

#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace dtc::host {
namespace {

bool ReadAll(int descriptor, void* to, size_t size) {
  auto* at = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t got = read(descriptor, at, size);
    if (got == 0 || (got < 0 && errno != EINTR)) return false;
    if (got < 0) continue;
    at += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

bool WriteAll(int descriptor, const Packet& packet) {
  uint32_t lengths[2] = {static_cast<uint32_t>(packet.json.size()), static_cast<uint32_t>(packet.data.size())};
  iovec parts[3] = {{lengths, sizeof lengths},
                    {const_cast<char*>(packet.json.data()), packet.json.size()},
                    {const_cast<char*>(packet.data.data()), packet.data.size()}};
  iovec* part = parts;
  int left = 3;
  while (left > 0) {
    ssize_t written = writev(descriptor, part, left);
    if (written < 0 && errno != EINTR) return false;
    // What was written of them, whole parts and then a piece.
    while (left > 0 && written >= 0 && static_cast<size_t>(written) >= part->iov_len) {
      written -= static_cast<ssize_t>(part->iov_len);
      part++;
      left--;
    }
    if (left > 0 && written > 0) {
      part->iov_base = static_cast<char*>(part->iov_base) + written;
      part->iov_len -= static_cast<size_t>(written);
    }
  }
  return true;
}

}  // namespace

std::optional<std::vector<char>> ReadCommand(int descriptor) {
  uint32_t length = 0;
  if (!ReadAll(descriptor, &length, sizeof length) || length > kLongestCommand) return std::nullopt;
  std::vector<char> command(length);
  if (!ReadAll(descriptor, command.data(), command.size())) return std::nullopt;
  return command;
}

MessageWriter::MessageWriter(int descriptor) : descriptor_(descriptor), thread_(&MessageWriter::Run, this) {}

MessageWriter::~MessageWriter() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void MessageWriter::Write(Packet packet) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    packets_.push_back(std::move(packet));
  }
  changed_.notify_all();
}

void MessageWriter::Run() {
  std::deque<Packet> packets;
  bool reader_is_there = true;
  for (;;) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [this] { return ended_ || !packets_.empty(); });
      if (packets_.empty()) return;
      packets.swap(packets_);
    }
    // When the reader has gone, the end of the commands says so, too: then main ends everything.
    for (const Packet& packet : packets) reader_is_there = reader_is_there && WriteAll(descriptor_, packet);
    packets.clear();
  }
}

}  // namespace dtc::host
