// What native/platform makes of the older libdtraces' record descriptions: built here as their kernel
// (dtrace_ecb_action_add) and library (dt_program.c, dt_dof.c) are published to build them.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "platform/platform.h"
#include "statement.h"

namespace dtc::test {
namespace {

constexpr uint16_t kTrace = 1;
constexpr uint16_t kExit = 2;
constexpr uint16_t kPrintf = 3;
constexpr uint16_t kUserStack = 0x101;
constexpr uint16_t kJavaStack = 0x102;
constexpr uint16_t kSystem = 0x203;
constexpr uint16_t kKernelStack = 0x401;

// A clause's records, with the statements that they point back to.
class Clause {
 public:
  // A new statement; its format, if it has one, is just something to recognise.
  dtrace_stmtdesc_t* Statement(const char* format = nullptr) {
    statements_.push_back(std::make_unique<dtrace_stmtdesc_t>());
    statements_.back()->dtsd_fmtdata = const_cast<char*>(format);
    return statements_.back().get();
  }

  // A record of it. The kernel's alignment is the largest power of two, to 8, that divides the size.
  void Record(const dtrace_stmtdesc_t* statement, uint16_t action, uint32_t size, uint64_t argument = 0) {
    dtrace_recdesc_t record = {};
    record.dtrd_action = action;
    record.dtrd_size = size;
    record.dtrd_offset = offset_;
    record.dtrd_alignment = size % 8 == 0 ? 8 : size % 4 == 0 ? 4 : size % 2 == 0 ? 2 : 1;
    // Every value of a printf has a format of its own number.
    if (statement != nullptr && statement->dtsd_fmtdata != nullptr) record.dtrd_format = ++formats_;
    record.dtrd_arg = argument;
    record.dtrd_uarg = reinterpret_cast<uintptr_t>(statement);
    offset_ += size;
    records_.push_back(record);
  }

  // trace() of a value of this compiled type.
  void Trace(uint32_t size, uint8_t kind, uint8_t flags) {
    difos_.push_back(std::make_unique<dtrace_difo_t>());
    difos_.back()->dtdo_rtype = {kind, 0, flags, 0, size};
    actions_.push_back(std::make_unique<dtrace_actdesc_t>());
    actions_.back()->dtad_difo = difos_.back().get();
    dtrace_stmtdesc_t* statement = Statement();
    statement->dtsd_action = statement->dtsd_action_last = actions_.back().get();
    Record(statement, kTrace, size);
  }

  const dtrace_probedata_t& Data() {
    // The description is as long as it has records.
    description_.resize(sizeof(dtrace_eprobedesc_t) + records_.size() * sizeof(dtrace_recdesc_t));
    auto* description = reinterpret_cast<dtrace_eprobedesc_t*>(description_.data());
    description->dtepd_epid = 7;
    description->dtepd_nrecs = static_cast<int>(records_.size());
    std::memcpy(&description->dtepd_rec[0], records_.data(), records_.size() * sizeof(dtrace_recdesc_t));
    data_.dtpda_edesc = description;
    return data_;
  }

  // As sources.cc reads it.
  dtc::Statement Described() {
    const dtrace_probedata_t& data = Data();
    std::vector<FieldSource> sources;
    for (int i = 0; i < platform::RecordCount(data); i++) {
      sources.push_back(platform::Describe(data, i));
      if (const void* format = platform::Format(data, i)) {
        sources.back().has_format = true;
        sources.back().format = static_cast<const char*>(format);
      }
    }
    return dtc::Statement(std::move(sources));
  }

  std::vector<FieldKind> Kinds() {
    std::vector<FieldKind> kinds;
    for (const Field& field : Described().fields) kinds.push_back(field.kind);
    return kinds;
  }

 private:
  std::vector<std::unique_ptr<dtrace_stmtdesc_t>> statements_;
  std::vector<std::unique_ptr<dtrace_actdesc_t>> actions_;
  std::vector<std::unique_ptr<dtrace_difo_t>> difos_;
  std::vector<dtrace_recdesc_t> records_;
  std::vector<char> description_;
  dtrace_probedata_t data_ = {};
  uint32_t offset_ = 4;  // after the number of the enabled probe
  uint16_t formats_ = 0;
};

using Kind = std::vector<FieldKind>;

TEST(OlderPlatform, ARecordIsWhereItsDescriptionSays) {
  Clause clause;
  clause.Record(nullptr, kExit, 4);
  EXPECT_EQ(platform::StatementId(clause.Data()), 7U);
  const FieldSource source = platform::Describe(clause.Data(), 0);
  EXPECT_EQ(source.action, kExit);
  EXPECT_EQ(source.size, 4U);
  EXPECT_EQ(source.offset, 4U);
  EXPECT_EQ(clause.Kinds(), Kind{FieldKind::kInt});
}

TEST(OlderPlatform, TraceOfAStringIsOneThoughItsAlignmentSaysOtherwise) {
  Clause clause;
  clause.Trace(256, DIF_TYPE_STRING, DIF_TF_BYREF);
  EXPECT_EQ(clause.Kinds(), Kind{FieldKind::kString});
}

TEST(OlderPlatform, TraceOfAStructureIsBytesThoughItsSizeIsAnIntegers) {
  Clause clause;
  clause.Trace(3, DIF_TYPE_CTF, DIF_TF_BYREF);
  clause.Trace(8, DIF_TYPE_CTF, DIF_TF_BYREF);
  EXPECT_EQ(clause.Kinds(), (Kind{FieldKind::kBytes, FieldKind::kBytes}));
}

TEST(OlderPlatform, TraceOfAnIntegerIsSignedAsDtracePrintsIt) {
  Clause clause;
  clause.Trace(4, DIF_TYPE_CTF, 0);
  EXPECT_EQ(clause.Kinds(), Kind{FieldKind::kInt});
  EXPECT_EQ(platform::Describe(clause.Data(), 0).argument, 1U);
}

TEST(OlderPlatform, APrintfsFormatBeginsAtItsFirstValueOnly) {
  Clause clause;
  const auto* first = clause.Statement("name=%s pid=%d");
  clause.Record(first, kPrintf, 256);
  clause.Record(first, kPrintf, 4);
  const auto* second = clause.Statement("path=%s");
  clause.Record(second, kPrintf, 256);
  EXPECT_EQ(platform::Format(clause.Data(), 0), first->dtsd_fmtdata);
  EXPECT_EQ(platform::Format(clause.Data(), 1), nullptr);
  EXPECT_EQ(platform::Format(clause.Data(), 2), second->dtsd_fmtdata);
  EXPECT_EQ(clause.Kinds(), (Kind{FieldKind::kString, FieldKind::kInt, FieldKind::kString}));
}

TEST(OlderPlatform, TheSamePrintfTwiceHasItsFormatTwice) {
  Clause clause;
  for (int i = 0; i < 2; i++) clause.Record(clause.Statement("pid=%d"), kPrintf, 4);
  EXPECT_NE(platform::Format(clause.Data(), 1), nullptr);
}

// The compiler gives such a printf an expression that returns 0, and the kernel records that.
TEST(OlderPlatform, APrintfOrSystemOfTextAloneHasNoValue) {
  Clause clause;
  clause.Record(clause.Statement("hello\n"), kPrintf, 4);
  clause.Record(clause.Statement("date"), kSystem, 4);
  clause.Record(clause.Statement("pid=%d"), kPrintf, 4);
  EXPECT_EQ(clause.Kinds(), (Kind{FieldKind::kNone, FieldKind::kNone, FieldKind::kInt}));
  EXPECT_TRUE(clause.Described().library_acts);
}

TEST(OlderPlatform, AStackHasAsManyFramesAsItsArgumentSays) {
  // jstack(2, 64): the process, two addresses, 64 bytes of names.
  constexpr uint64_t kStringsOf64 = uint64_t{64} << 32;
  Clause clause;
  clause.Record(nullptr, kJavaStack, 3 * 8 + 64, kStringsOf64 | 2);
  clause.Record(nullptr, kUserStack, 3 * 8, 2);
  clause.Record(nullptr, kKernelStack, 5 * 8, 5);
  EXPECT_EQ(platform::Describe(clause.Data(), 0).size, 3U * 8);
  EXPECT_EQ(platform::Describe(clause.Data(), 1).size, 3U * 8);
  EXPECT_EQ(platform::Describe(clause.Data(), 2).size, 5U * 8);
  EXPECT_EQ(clause.Kinds(), Kind(3, FieldKind::kStack));
}

TEST(OlderPlatform, AUsersStackBeginsWithTheProcess) {
  const uint64_t words[] = {4711, 0x1000, 0x2000};
  const auto* data = reinterpret_cast<const char*>(words);
  const platform::StackHeader user = platform::ReadStackHeader(data, 3, kUserStack);
  EXPECT_TRUE(user.user);
  EXPECT_EQ(user.pid, 4711U);
  EXPECT_EQ(user.first, 1U);
  EXPECT_EQ(user.end, 3U);
  const platform::StackHeader kernel = platform::ReadStackHeader(data, 3, kKernelStack);
  EXPECT_FALSE(kernel.user);
  EXPECT_EQ(kernel.first, 0U);
  EXPECT_EQ(kernel.end, 3U);
}

}  // namespace
}  // namespace dtc::test
