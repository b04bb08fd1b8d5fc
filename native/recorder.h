// Takes each firing and packs it into the batch, with what else its record carries: text, depth, its place in time.
// Belongs to the DTrace thread.
#pragma once

#include <cstdio>
#include <optional>
#include <unordered_map>

#include "flow.h"
#include "record_batch.h"
#include "sources.h"
#include "statement.h"
#include "symbols.h"
#include "text_output.h"
#include "time_order.h"

namespace dtc {

class Recorder {
 public:
  Recorder(Extras extras, Symbols& symbols);

  // Where libdtrace is to print; null unless text was asked for.
  FILE* output() const { return text_ ? text_->file() : nullptr; }

  void Take(const Source& source, const platform::Firing& firing) {
    if (plain_) {
      Pack(source, firing.cpu, firing.data);
    } else {
      TakeWithExtras(source, firing);
    }
  }
  // What a printa() of the firing that was taken last prints.
  void PutRows(const Field& field, std::vector<char> bytes);
  // When libdtrace has printed all of the firing that was taken last.
  void EndText();

  // Firings wait for others that happened before them.
  bool holds() const { return !order_.empty(); }
  // What happened by `until` goes into the batch; `packed` is called after each.
  template <typename Packed>
  void Release(uint64_t until, Packed packed) {
    order_.Release(until, [&](const HeldFiring& firing) {
      PackHeld(firing);
      packed();
    });
  }

  RecordBatch& batch() { return batch_; }

 private:
  void Pack(const Source& source, uint32_t cpu, const char* data);
  void TakeWithExtras(const Source& source, const platform::Firing& firing);
  void PackHeld(const HeldFiring& firing);
  uint64_t TimeOf(const Statement& statement, uint32_t cpu, const char* data);

  const Extras extras_;
  const bool plain_;
  Symbols& symbols_;
  RecordBatch batch_;
  std::optional<TextOutput> text_;
  const Statement* printing_ = nullptr;  // the statement of the firing whose text is still to come
  FlowDepths depths_;
  TimeOrder order_;
  std::unordered_map<uint32_t, uint64_t> last_times_;  // by CPU
};

}  // namespace dtc
