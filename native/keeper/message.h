// What a keeper and its session say to each other, over a socket whose other end is the keeper's descriptor 3.
#pragma once

#include <cstdint>

namespace dtc::keeper {

inline constexpr int kChannel = 3;

// To the session.
enum class Event : int32_t {
  kFailed = 1,     // a: errno, b: Step
  kHeld = 2,       // a: the process; it is at its first instruction
  kContinued = 3,  // a: errno, or 0: it runs
  kExited = 4,     // a: what wait(2) gave
};

// What a keeper was doing when it failed.
enum class Step : int32_t { kStart = 0, kFolder = 1, kStdio = 2, kExec = 3, kHold = 4, kEnded = 5, kWord = 6 };

struct Message {
  Event event;
  int32_t a;
  int32_t b;
};

// To the keeper: one byte. The end of the session, however it comes, is the end of the process.
inline constexpr char kContinue = 'c';
inline constexpr char kRelease = 'r';  // the process lives on by itself

// How a keeper is called: its name, the folder ("" for this one), three of these, the file, the arguments from $0 on.
// Standard input, output and error: "" as the keeper has it, "<FILE", ">FILE", ">>FILE", or "&N": where the
// keeper's descriptor N goes.
inline constexpr int kFolderArgument = 1;
inline constexpr int kStdioArgument = 2;
inline constexpr int kFileArgument = 5;
inline constexpr int kFirstArgument = 6;

}  // namespace dtc::keeper
