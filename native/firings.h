// What libdtrace calls back with while dtrace_work() goes through the buffers: records, which go off as batches, and
// faults. Belongs to the DTrace thread.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <utility>

#include "aggregations.h"
#include "in_flight.h"
#include "libdtrace.h"
#include "message.h"
#include "recorder.h"
#include "slabs.h"
#include "sources.h"
#include "symbols.h"

namespace dtc {

class Firings {
 public:
  Firings(const Library& library, const Handle& handle, Symbols* symbols, Aggregations* aggregations, Extras extras,
          InFlight* in_flight, Slabs* slabs, const std::function<void(Message)>& sink);

  // A program that has been compiled.
  void Expect(uint32_t number, dtrace_prog_t* program) { sources_.Expect(number, program); }

  // One look into the buffers, and at what became of tracing.
  dtrace_workstatus_t Work();
  // Into the buffers alone.
  dtrace_workstatus_t Consume();
  // Whether any firing can be taken without libdtrace: none while it prints them, or keeps some back for later.
  bool direct() const { return recorder_.output() == nullptr && !sources_.speculate(); }
  // One from the buffer itself. False when it must come from libdtrace.
  bool TakeDirectly(uint32_t cpu, const char* sample);
  void OnFault(const dtrace_errdata_t& data);

  // Firings wait for others that happened before them.
  bool holds() const { return recorder_.holds(); }
  // Of the firings that wait for their turn, those that happened by then.
  void Release(std::chrono::steady_clock::time_point until);
  // What was recorded since the last time, and, as long as JavaScript keeps up with them or when these are the last,
  // the faults that could not be.
  void Flush(bool last = false);

  // What was taken since it was asked the last time.
  struct Amount {
    size_t firings = 0;
    size_t bytes = 0;  // of their data
  };
  Amount Taken() { return std::exchange(taken_, {}); }
  // Where the program called exit().
  std::optional<int32_t> exit_status() const { return exit_status_; }
  // Why Work() was left before its time, where that was decided here.
  const std::optional<Failure>& refusal() const { return refusal_; }

 private:
  static int OnProbeData(const dtrace_probedata_t* data, void* self);
  static int OnRecord(const dtrace_probedata_t* data, const dtrace_recdesc_t* record, void* self);
  int OnProbe(const dtrace_probedata_t& data);
  void Take(const Source& source, const platform::Firing& firing);
  bool PutPrinted(const dtrace_recdesc_t& record);
  int Refuse(const Refusal& refusal, const dtrace_probedata_t& data);
  int AbortByLibrary();
  void FlushFaults();

  // A batch goes off when it is this large, so that JavaScript works on it while the next one fills. Its text becomes
  // one string: of more than 128 KiB V8 would make a large object, which is not collected with the young ones.
  static constexpr size_t kBatchSize = size_t{96} * 1024;

  const Library& library_;
  const Handle& handle_;
  Aggregations& aggregations_;
  InFlight& in_flight_;
  Slabs& slabs_;
  const std::function<void(Message)>& sink_;
  Sources sources_;
  Recorder recorder_;
  Amount taken_;
  std::optional<int32_t> exit_status_;
  std::optional<Failure> refusal_;
  std::optional<Fault> fault_;  // the last one that was only counted
  // The firing that libdtrace is going through, where it does something with aggregations.
  const Statement* acting_ = nullptr;
  const char* acting_data_ = nullptr;
};

}  // namespace dtc
