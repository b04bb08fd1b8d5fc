#include "firings.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

namespace dtc {

Firings::Firings(const Library& library, const Handle& handle, Symbols* symbols, Aggregations* aggregations,
                 Extras extras, InFlight* in_flight, Slabs* slabs, const std::function<void(Message)>& sink)
    : library_(library),
      handle_(handle),
      aggregations_(*aggregations),
      in_flight_(*in_flight),
      slabs_(*slabs),
      sink_(sink),
      sources_(library, handle.get(), extras, sink),
      recorder_(extras, *symbols) {}

dtrace_workstatus_t Firings::Work() {
  return library_.dtrace_work(handle_.get(), recorder_.output(), OnProbeData, OnRecord, this);
}

dtrace_workstatus_t Firings::Consume() {
  const int status = library_.dtrace_consume(handle_.get(), recorder_.output(), OnProbeData, OnRecord, this);
  return status == DTRACE_WORKSTATUS_ERROR ? DTRACE_WORKSTATUS_ERROR : DTRACE_WORKSTATUS_OKAY;
}

int Firings::OnProbeData(const dtrace_probedata_t* data, void* self) {
  return static_cast<Firings*>(self)->OnProbe(*data);
}

// Each value has been taken by the probe callback. libdtrace only does what a program asks it to do, and prints what it
// was asked for.
int Firings::OnRecord(const dtrace_probedata_t* /*data*/, const dtrace_recdesc_t* record, void* self) {
  auto* firings = static_cast<Firings*>(self);
  if (record == nullptr) {
    firings->recorder_.EndText();
    if (firings->acting_ != nullptr) firings->aggregations_.EndFiring();
    return DTRACE_CONSUME_NEXT;
  }
  if (record->dtrd_action == DTRACEACT_PRINTA && !firings->PutPrinted(*record)) return firings->AbortByLibrary();
  if (record->dtrd_action == DTRACEACT_SYSTEM) return DTRACE_CONSUME_THIS;
  // dtrace(1) does not print the status either.
  const bool prints = firings->recorder_.output() != nullptr && record->dtrd_action != DTRACEACT_EXIT;
  return prints ? DTRACE_CONSUME_THIS : DTRACE_CONSUME_NEXT;
}

int Firings::OnProbe(const dtrace_probedata_t& data) {
  const Source& source = sources_.Of(data);
  const Statement& statement = *source.statement;
  if (statement.refusal) return Refuse(*statement.refusal, data);
  acting_ = statement.acts_on_aggregations ? &statement : nullptr;
  acting_data_ = data.dtpda_data;
  if (acting_ != nullptr && !aggregations_.BeginFiring()) return AbortByLibrary();
  Take(source, platform::ToFiring(data));
  if (source.exit_field != nullptr) {
    int32_t status = 0;
    std::memcpy(&status, data.dtpda_data + source.exit_field->source_offset, sizeof status);
    exit_status_ = status;
  }
  // All values have been taken, so libdtrace can go on to the next record, unless it has something to do itself.
  const bool goes_on = statement.library_acts || sources_.speculate() || recorder_.output() != nullptr;
  return goes_on ? DTRACE_CONSUME_THIS : DTRACE_CONSUME_NEXT;
}

bool Firings::TakeDirectly(uint32_t cpu, const char* sample) {
  const auto firing = platform::ReadFiring(cpu, sample);
  const Source* const source = firing ? sources_.Known(firing->statement, firing->probe) : nullptr;
  if (source == nullptr || !source->direct) return false;
  Take(*source, *firing);
  return true;
}

void Firings::Take(const Source& source, const platform::Firing& firing) {
  taken_.firings++;
  taken_.bytes += source.statement->source_end;
  if (recorder_.batch().size() >= kBatchSize) Flush();
  recorder_.Take(source, firing);
}

// What the printa() that begins here prints; the variables that follow in it are this one's, too.
bool Firings::PutPrinted(const dtrace_recdesc_t& record) {
  if (acting_ == nullptr) return true;
  const std::vector<Field>& fields = acting_->fields;
  const auto is_here = [&](const Field& field) {
    return field.kind == FieldKind::kAggregations && field.source_offset == record.dtrd_offset;
  };
  const auto first = std::find_if(fields.begin(), fields.end(), is_here);
  if (first == fields.end()) return true;
  std::vector<uint32_t> variables;
  for (auto field = first; field != fields.end() && field->source_action == record.dtrd_action; ++field) {
    if (field != first && field->kind == FieldKind::kAggregations) break;
    uint32_t variable = 0;
    std::memcpy(&variable, acting_data_ + field->source_offset, sizeof variable);
    variables.push_back(variable);
  }
  std::vector<char> bytes;
  if (!aggregations_.Print(variables, &bytes)) return false;
  recorder_.PutRows(*first, std::move(bytes));
  return true;
}

int Firings::Refuse(const Refusal& refusal, const dtrace_probedata_t& data) {
  const ProbeName probe = NameOf(*data.dtpda_pdesc);
  refusal_ = Failure{refusal.code, "at " + probe.provider + ":" + probe.module + ":" + probe.function + ":" +
                                       probe.name + ": " + refusal.reason};
  return DTRACE_CONSUME_ABORT;
}

int Firings::AbortByLibrary() {
  const int error = handle_.Errno();
  refusal_ = Failure{"ERR_DTRACE_SESSION", handle_.Message(error), error};
  return DTRACE_CONSUME_ABORT;
}

void Firings::OnFault(const dtrace_errdata_t& data) {
  const char* name = library_.dtrace_faultstr(data.dteda_handle, data.dteda_fault);
  const uint32_t counted = fault_ ? fault_->count : 0;
  fault_ = Fault{counted + 1,
                 NameOf(*data.dteda_pdesc),
                 static_cast<uint32_t>(data.dteda_cpu),
                 data.dteda_fault,
                 name == nullptr ? "" : name,
                 data.dteda_addr,
                 data.dteda_msg == nullptr ? "" : data.dteda_msg};
  if (in_flight_.faults < InFlight::kMostFaults) FlushFaults();
}

void Firings::FlushFaults() {
  if (!fault_) return;
  in_flight_.faults++;
  sink_(std::move(*fault_));
  fault_.reset();
}

void Firings::Release(std::chrono::steady_clock::time_point until) {
  const auto time = std::chrono::duration_cast<std::chrono::nanoseconds>(until.time_since_epoch()).count();
  recorder_.Release(static_cast<uint64_t>(std::max<int64_t>(time, 0)), [this] {
    if (recorder_.batch().size() >= kBatchSize) Flush();
  });
}

void Firings::Flush(bool last) {
  if (in_flight_.faults < InFlight::kMostFaults || last) FlushFaults();
  RecordBatch& records = recorder_.batch();
  if (records.empty()) return;
  const size_t size = records.size();
  Batch batch{slabs_.Take(size)};
  if (!batch.place) batch.data.resize(size);
  records.Finish(batch.place ? batch.place->data : batch.data.data());
  in_flight_.batches++;
  sink_(std::move(batch));
}

}  // namespace dtc
