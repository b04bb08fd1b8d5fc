// What the DTrace thread tells the JavaScript thread. Plain data: made on one thread, handed over, read on the other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "slabs.h"
#include "statement.h"

namespace dtc {

// Why something did not work: one of the codes of lib/errors.ts and libdtrace's own words.
struct Failure {
  const char* code;
  std::string reason;
  int error = 0;
};

// What a command has to say: JSON, and bytes beside it. Nothing, for most.
struct Success {
  std::string json = {};
  std::vector<char> data = {};
};

using Result = std::variant<Success, Failure>;

// A command has ended.
struct Reply {
  uint32_t id;
  Result result;
};

struct ProbeName {
  uint32_t id;
  std::string provider, module, function, name;
};

// A clause has fired at a probe for the first time: from now on records may carry `source`.
struct NewSource {
  uint32_t source = 0;
  uint32_t statement = 0;
  ProbeName probe;
  std::optional<uint32_t> program = {};  // none where libdtrace does not tell
  std::optional<Statement> layout = {};  // with a statement's first source
};

// In memory that JavaScript has lent, or in its own.
struct Batch {
  std::optional<SlabPlace> place = {};
  std::vector<char> data = {};
};

struct Drop {
  std::string kind;
  std::optional<uint32_t> cpu;  // none where it is not one's
  uint64_t count;
  uint64_t total;
  std::string message;
};

struct Fault {
  uint32_t count;  // this one and those like it that were left out since the last one
  ProbeName probe;
  uint32_t cpu;
  int32_t fault;
  std::string name;
  uint64_t address;
  std::string message;
};

// The program has set an option: setopt().
struct OptionSet {
  ProbeName probe;
  std::string name;
  int64_t value;
  int64_t previous;
};

// Tracing has ended by itself: the program called exit().
struct Exit {
  int32_t status;
};

// A process that the session had started or held is no more.
struct ProcessExited {
  int32_t pid = 0;
  std::optional<int> status;  // exit's, where it is known
  std::optional<int> signal;  // what it was killed by
};

// The session died.
struct Died {
  Failure failure;
};

// The last message: all that the session had is freed.
struct Ended {};

using Message = std::variant<Reply, NewSource, Batch, Drop, Fault, OptionSet, Exit, ProcessExited, Died, Ended>;

}  // namespace dtc
