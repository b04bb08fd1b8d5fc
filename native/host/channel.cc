#include "channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "../packet_stream.h"

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

size_t Missing(size_t size) { return Padded(size) - size; }

// What is left of a packet to be written, as the pieces that sendmsg(2) and writev(2) take.
class Rest {
 public:
  Rest(const Packet& packet, size_t written)
      : lengths_{static_cast<uint32_t>(packet.json.size()), static_cast<uint32_t>(packet.data.size())},
        parts_{{lengths_, sizeof lengths_},
               {const_cast<char*>(packet.json.data()), packet.json.size()},
               {zeros_, Missing(packet.json.size())},
               {const_cast<char*>(packet.data.data()), packet.data.size()},
               {zeros_, Missing(packet.data.size())}} {
    while (first_ < kParts && written >= parts_[first_].iov_len) written -= parts_[first_++].iov_len;
    if (first_ == kParts) return;
    parts_[first_].iov_base = static_cast<char*>(parts_[first_].iov_base) + written;
    parts_[first_].iov_len -= written;
  }
  ~Rest() = default;
  Rest(const Rest&) = delete;
  Rest& operator=(const Rest&) = delete;

  bool empty() const { return first_ == kParts; }
  iovec* parts() { return parts_ + first_; }
  int count() const { return kParts - first_; }

 private:
  static constexpr int kParts = 5;
  uint32_t lengths_[2];
  char zeros_[kPacketAlignment] = {};
  iovec parts_[kParts];
  int first_ = 0;
};

bool WriteAll(int descriptor, const Packet& packet, size_t written) {
  for (;;) {
    Rest rest(packet, written);
    if (rest.empty()) return true;
    const ssize_t more = writev(descriptor, rest.parts(), rest.count());
    if (more < 0 && errno != EINTR) return false;
    if (more > 0) written += static_cast<size_t>(more);
  }
}

// As much of it as there is room for at once; nothing where the descriptor is not a socket.
size_t WriteWithoutWaiting(int descriptor, const Packet& packet) {
  Rest rest(packet, 0);
  msghdr message = {};
  message.msg_iov = rest.parts();
  message.msg_iovlen = static_cast<size_t>(rest.count());
  const ssize_t written = sendmsg(descriptor, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  return written < 0 ? 0 : static_cast<size_t>(written);
}

size_t SizeOf(const Packet& packet) {
  return 2 * sizeof(uint32_t) + Padded(packet.json.size()) + Padded(packet.data.size());
}

}  // namespace

std::optional<std::vector<char>> ReadCommand(int descriptor) {
  // Not in read(2), which is woken each time that the other end has made room, too, where it is the same socket
  // (kernel: unix_write_space()).
  pollfd readable = {descriptor, POLLIN, 0};
  poll(&readable, 1, -1);
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
    if (!busy_ && packets_.empty()) {
      written_ = WriteWithoutWaiting(descriptor_, packet);
      if (written_ == SizeOf(packet)) return;
    }
    packets_.push_back(std::move(packet));
  }
  changed_.notify_all();
}

void MessageWriter::Run() {
  std::deque<Packet> packets;
  size_t written = 0;  // of the first of them
  bool reader_is_there = true;
  for (;;) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      busy_ = false;
      changed_.wait(lock, [this] { return ended_ || !packets_.empty(); });
      if (packets_.empty()) return;
      packets.swap(packets_);
      written = std::exchange(written_, 0);
      busy_ = true;
    }
    // When the reader has gone, the end of the commands says so, too: then main ends everything.
    for (const Packet& packet : packets) {
      reader_is_there = reader_is_there && WriteAll(descriptor_, packet, std::exchange(written, 0));
    }
    packets.clear();
  }
}

}  // namespace dtc::host
