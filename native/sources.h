// What fires: each clause at each probe has a number, by which its records are known on the wire.
// Belongs to the DTrace thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "flow.h"
#include "libdtrace.h"
#include "message.h"
#include "statement.h"

namespace dtc {

ProbeName NameOf(const dtrace_probedesc_t& probe);

// A clause at a probe.
struct Source {
  uint32_t number;
  const Statement* statement;
  const Field* exit_field;  // where the record holds exit()'s status
  Flow flow;
  bool direct;  // its firings can be taken from the buffer without libdtrace, which has nothing to do with them
};

class Sources {
 public:
  // `announce` is told of each one before the first record that carries its number.
  Sources(const Library& library, dtrace_hdl_t* handle, Extras extras, std::function<void(NewSource)> announce)
      : library_(library), handle_(handle), extras_(extras), announce_(std::move(announce)) {}

  const Source& Of(const dtrace_probedata_t& data);
  // Null unless libdtrace has come with a firing of it before.
  const Source* Known(unsigned statement, unsigned probe);

  // A program that has been compiled: which clauses are its own.
  void Expect(uint32_t number, dtrace_prog_t* program);
  // Some clause speculates: what is committed comes out while libdtrace goes through later records.
  bool speculate() const { return speculate_; }

 private:
  const Source& Add(const dtrace_probedata_t& data, uint64_t key);
  const Statement& StatementOf(const dtrace_probedata_t& data, bool* is_new);
  std::string PrintfFormat(void* format) const;

  const Library& library_;
  dtrace_hdl_t* handle_;
  const Extras extras_;
  const std::function<void(NewSource)> announce_;
  bool speculate_ = false;
  std::unordered_map<uint64_t, uint32_t> programs_;  // by platform::ClauseKey
  std::unordered_map<unsigned, std::unique_ptr<Statement>> statements_;
  std::unordered_map<uint64_t, Source> sources_;
  uint64_t last_key_ = ~uint64_t{0};
  const Source* last_source_ = nullptr;
};

}  // namespace dtc
