// How commands and messages travel: the same bytes whether the session is in this process or in another one.
// lib/host/commands.ts writes the commands, lib/host/messages.ts reads the messages.
// Pure C++: knows neither libdtrace nor N-API, so that it is unit-tested alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "message.h"

namespace dtc {

// What a host says first. Raised with each release that changes a command or a message: a helper may be older than the
// package that speaks with it. lib/host/packets.ts has it, too.
inline constexpr unsigned kProtocol = 2;

// ---- Messages: JSON, bytes, or both ----

// The numbers are the wire's. Of batches and faults only so many may wait for JavaScript (Session::Taken); kEnd is the
// last of all.
enum class PacketKind : uint8_t { kControl = 0, kBatch = 1, kFault = 2, kEnd = 3 };

struct Packet {
  PacketKind kind;
  std::string json;                     // empty: a batch
  std::vector<char> data;               // empty: none
  std::optional<SlabPlace> place = {};  // of a batch that is in a slab, which only a session in this process has
};

Packet Encode(Message message);

// As JSON, for those who put it into something larger.
std::string ToJson(const ProbeName& probe);
std::string ToJson(const Statement& statement);

// ---- Commands: one byte that says which, the number of the command, its arguments ----

// The numbers are the wire's.
enum class CommandName : uint8_t {
  kOpen = 1,
  kSetOption = 2,
  kGetOption = 3,
  kCompile = 4,
  kEnable = 5,
  kGo = 6,
  kStop = 7,
  kClose = 8,
  kTaken = 9,
  kProbes = 20,
  kMoreProbes = 21,
  kEndProbes = 22,
  kAggregations = 30,
  kCreate = 40,
  kGrab = 41,
  kContinue = 42,
  kRelease = 43,
  kSignal = 44,
  kPrepare = 45,
  kRecordExtras = 50,
  kPing = 60,
};

// Reads what commands are made of, in the machine's byte order. What is not there, or is longer than what is left,
// makes the whole command a bad one: all that is read after it is empty.
class CommandReader {
 public:
  CommandReader(const char* data, size_t size) : data_(data), left_(size) {}

  uint8_t Byte() { return Number<uint8_t>(); }
  uint32_t Word() { return Number<uint32_t>(); }
  uint64_t Long() { return Number<uint64_t>(); }
  bool Flag() { return Byte() != 0; }
  // A word that is the length, then the bytes.
  std::string Text();
  // A flag, and if it is set a text.
  std::optional<std::string> OptionalText();
  // A word that is the number, then the texts.
  std::vector<std::string> Texts();

  // Everything was there, and nothing is left.
  bool Good() const { return good_ && left_ == 0; }

 private:
  template <typename Value>
  Value Number();
  bool Take(void* to, size_t size);

  const char* data_;
  size_t left_;
  bool good_ = true;
};

}  // namespace dtc
