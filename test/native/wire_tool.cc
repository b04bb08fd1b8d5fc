// Writes a batch as a session does, for test/unit/wire-roundtrip.test.ts, which reads it with lib/record and compares.
//
// Standard input, all in the machine's byte order: the number of values of a statement; for each its action, size,
// offset, alignment, argument (64 bits) and, as a flag and a text with its length, its format; the length of a firing's
// buffer; the number of firings; the buffers. Standard output: the length of the layout's JSON, the JSON, the batch.
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "protocol.h"
#include "record_batch.h"

namespace {

template <typename Value>
Value Read() {
  Value value = 0;
  if (std::fread(&value, sizeof value, 1, stdin) != 1) std::exit(2);
  return value;
}

std::string ReadBytes(size_t size) {
  std::string bytes(size, '\0');
  if (size > 0 && std::fread(bytes.data(), size, 1, stdin) != 1) std::exit(2);
  return bytes;
}

}  // namespace

int main() {
  std::vector<dtc::FieldSource> sources;
  const auto values = Read<uint32_t>();
  for (uint32_t i = 0; i < values; i++) {
    dtc::FieldSource source{};
    source.action = static_cast<uint16_t>(Read<uint32_t>());
    source.size = Read<uint32_t>();
    source.offset = Read<uint32_t>();
    source.alignment = static_cast<uint16_t>(Read<uint32_t>());
    source.argument = Read<uint64_t>();
    source.has_format = Read<uint32_t>() != 0;
    source.format = ReadBytes(Read<uint32_t>());
    sources.push_back(source);
  }
  const dtc::Statement statement(sources);
  const auto size = Read<uint32_t>();
  const auto firings = Read<uint32_t>();
  dtc::RecordBatch batch;
  for (uint32_t i = 0; i < firings; i++) {
    const std::string buffer = ReadBytes(size);
    batch.Begin(statement, 0, i);
    for (const dtc::IntegerRun& run : statement.runs) batch.PutRun(run, buffer.data());
    for (const dtc::Field& field : statement.others) {
      const char* value = buffer.data() + field.source_offset;
      switch (field.kind) {
        case dtc::FieldKind::kString:
          batch.PutString(field, value);
          break;
        case dtc::FieldKind::kBytes:
          batch.PutBytes(field, value);
          break;
        default:
          break;
      }
    }
  }
  const std::string json = dtc::ToJson(statement);
  std::vector<char> out(batch.size());
  batch.Finish(out.data());
  const auto length = static_cast<uint32_t>(json.size());
  std::fwrite(&length, sizeof length, 1, stdout);
  std::fwrite(json.data(), json.size(), 1, stdout);
  std::fwrite(out.data(), out.size(), 1, stdout);
  return 0;
}
