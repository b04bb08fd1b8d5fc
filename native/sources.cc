#include "sources.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace dtc {
namespace {

// DTRACEACT_EXIT
constexpr uint16_t kExitAction = 2;

uint64_t KeyOf(unsigned statement, unsigned probe) { return static_cast<uint64_t>(statement) << 32 | probe; }

// Whether the firing is in the buffer as ReadFiring() has it, by libdtrace's own reading of it.
bool IsReadable(const dtrace_probedata_t& data) {
  const platform::Firing firing = platform::ToFiring(data);
  const auto read = platform::ReadFiring(firing.cpu, firing.data);
  return read && read->statement == firing.statement && read->probe == firing.probe;
}

}  // namespace

ProbeName NameOf(const dtrace_probedesc_t& probe) {
  return {platform::Id(probe), platform::Provider(probe), platform::Module(probe), platform::Function(probe),
          platform::Name(probe)};
}

void Sources::Expect(uint32_t number, dtrace_prog_t* program) {
  struct Adding {
    Sources* sources;
    uint32_t number;
  } adding{this, number};
  library_.dtrace_stmt_iter(
      handle_, program,
      [](dtrace_hdl_t*, dtrace_prog_t*, dtrace_stmtdesc_t* statement, void* to) {
        const auto& [sources, program_number] = *static_cast<Adding*>(to);
        sources->programs_[platform::ClauseKey(*statement)] = program_number;
        sources->speculate_ = sources->speculate_ || platform::Speculates(*statement);
        return 0;
      },
      &adding);
}

const Source& Sources::Of(const dtrace_probedata_t& data) {
  const unsigned statement = platform::StatementId(data);
  const unsigned probe = platform::Id(*data.dtpda_pdesc);
  const Source* known = Known(statement, probe);
  return known != nullptr ? *known : Add(data, KeyOf(statement, probe));
}

const Source* Sources::Known(unsigned statement, unsigned probe) {
  const uint64_t key = KeyOf(statement, probe);
  if (key == last_key_) return last_source_;  // probes fire in bursts
  const auto known = sources_.find(key);
  if (known == sources_.end()) return nullptr;
  last_key_ = key;
  last_source_ = &known->second;
  return last_source_;
}

const Source& Sources::Add(const dtrace_probedata_t& data, uint64_t key) {
  bool is_new = false;
  const Statement& statement = StatementOf(data, &is_new);
  const Field* exit_field = nullptr;
  for (size_t i = 0; i < statement.sources.size(); i++) {
    if (statement.sources[i].action == kExitAction) exit_field = &statement.fields[i];
  }
  const auto number = static_cast<uint32_t>(sources_.size());
  const auto program = programs_.find(platform::ClauseKey(data));
  announce_(NewSource{number, platform::StatementId(data), NameOf(*data.dtpda_pdesc),
                      program == programs_.end() ? std::nullopt : std::optional<uint32_t>(program->second),
                      is_new ? std::optional<Statement>(statement) : std::nullopt});
  const bool direct = !statement.refusal && !statement.library_acts && exit_field == nullptr && IsReadable(data);
  return sources_
      .emplace(key, Source{number, &statement, exit_field, FlowOf(platform::Name(*data.dtpda_pdesc)), direct})
      .first->second;
}

const Statement& Sources::StatementOf(const dtrace_probedata_t& data, bool* is_new) {
  std::unique_ptr<Statement>& known = statements_[platform::StatementId(data)];
  *is_new = known == nullptr;
  if (known == nullptr) {
    std::vector<FieldSource> fields;
    for (int i = 0; i < platform::RecordCount(data); i++) {
      FieldSource field = platform::Describe(data, i);
      void* format = platform::Format(data, i);
      if (format != nullptr) {
        field.has_format = true;
        field.format = PrintfFormat(format);
      }
      fields.push_back(std::move(field));
    }
    known = std::make_unique<Statement>(std::move(fields), extras_);
    speculate_ = speculate_ || known->speculates;
  }
  return *known;
}

std::string Sources::PrintfFormat(void* format) const {
  // libdtrace gives the whole length back and writes what fits.
  std::string text(256, '\0');
  size_t length = library_.dtrace_printf_format(handle_, format, text.data(), text.size());
  if (length > text.size()) {
    text.resize(length);
    length = library_.dtrace_printf_format(handle_, format, text.data(), text.size());
  }
  text.resize(std::min(length, text.size()));
  return text;
}

}  // namespace dtc
