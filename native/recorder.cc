#include "recorder.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>

namespace dtc {
namespace {

// A value that is recorded beside another one: a tracemem()'s size, a print()'s address.
uint64_t Companion(const Field& field, const char* data) {
  uint64_t value = 0;
  std::memcpy(&value, data + field.companion_offset, field.companion_size);
  return value;
}

// A tracemem()'s size is cut to the room for it, and one that is negative is none: as dtrace(1) has it.
uint32_t SizeOfBytes(const Field& field, const char* data) {
  const uint64_t size = Companion(field, data);
  if (field.companion_signed && (size >> (8 * field.companion_size - 1)) != 0) return field.source_size;
  return static_cast<uint32_t>(std::min<uint64_t>(size, field.source_size));
}

uint64_t Now() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

}  // namespace

Recorder::Recorder(Extras extras, Symbols& symbols)
    : extras_(extras), plain_(!extras.text && !extras.flow && !extras.time_order), symbols_(symbols) {
  if (extras.text) text_.emplace();
}

void Recorder::Pack(const Source& source, uint32_t cpu, const char* data) {
  const Statement& statement = *source.statement;
  batch_.Begin(statement, source.number, cpu);
  for (const IntegerRun& run : statement.runs) batch_.PutRun(run, data);
  for (const Field& field : statement.others) {
    const char* value = data + field.source_offset;
    switch (field.kind) {
      case FieldKind::kString:
        batch_.PutString(field, value);
        break;
      case FieldKind::kPrinted:
        batch_.PutPrinted(field, Companion(field, data), value);
        break;
      case FieldKind::kBytes:
        batch_.PutBytes(field, value, field.companion_size == 0 ? field.source_size : SizeOfBytes(field, data));
        break;
      default:
        PutField(&batch_, &symbols_, field, value);
    }
  }
}

void Recorder::TakeWithExtras(const Source& source, const platform::Firing& firing) {
  const Statement& statement = *source.statement;
  const uint32_t cpu = firing.cpu;
  const char* const data = firing.data;
  const FlowPlace place = extras_.flow ? depths_.Place(cpu, source.flow, firing.probe, firing.statement) : FlowPlace{};
  printing_ = text_ ? &statement : nullptr;
  if (!extras_.time_order) {
    Pack(source, cpu, data);
    if (extras_.flow) batch_.PutFlow(statement, place);
    return;
  }
  // Names are looked up now, while the process is more likely to live; they are kept for longer than the firing is.
  for (const Field& field : statement.fields) {
    if (IsCode(field.kind)) symbols_.Frames(field, data + field.source_offset);
  }
  order_.Add({TimeOf(statement, cpu, data), &source, cpu, place, std::string(data, statement.source_end)});
}

void Recorder::PutRows(const Field& field, std::vector<char> bytes) {
  if (extras_.time_order) {
    order_.last().rows.push_back({&field, std::move(bytes)});
  } else {
    batch_.PutBytes(field, bytes.data(), static_cast<uint32_t>(bytes.size()));
  }
}

void Recorder::EndText() {
  if (printing_ == nullptr) return;
  const std::string_view text = text_->Take();
  if (extras_.time_order) {
    order_.last().text = text;
  } else {
    batch_.PutText(*printing_, text);
  }
  printing_ = nullptr;
}

void Recorder::PackHeld(const HeldFiring& firing) {
  const Statement& statement = *firing.source->statement;
  Pack(*firing.source, firing.cpu, firing.data.data());
  if (extras_.flow) batch_.PutFlow(statement, firing.flow);
  if (extras_.text) batch_.PutText(statement, firing.text);
  for (const auto& [field, bytes] : firing.rows) {
    batch_.PutBytes(*field, bytes.data(), static_cast<uint32_t>(bytes.size()));
  }
}

// A firing without a time belongs after the one before it. No time is later than now: whatever the field holds, the
// firing does not wait longer than others.
uint64_t Recorder::TimeOf(const Statement& statement, uint32_t cpu, const char* data) {
  uint64_t& last = last_times_[cpu];
  const uint64_t now = Now();
  uint64_t time = last == 0 ? now : last;
  if (statement.time_offset) std::memcpy(&time, data + *statement.time_offset, sizeof time);
  last = std::min(time, now);
  return last;
}

}  // namespace dtc
