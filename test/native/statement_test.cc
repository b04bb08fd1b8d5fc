#include "statement.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace dtc::test {
namespace {

// <dtrace/actions_defines.h>, written out again on purpose: the numbers are the kernel's, not ours to change.
constexpr uint16_t kTrace = 1;
constexpr uint16_t kExit = 2;
constexpr uint16_t kPrintf = 3;
constexpr uint16_t kPrinta = 4;
constexpr uint16_t kLibraryAct = 5;
constexpr uint16_t kTracemem = 6;
constexpr uint16_t kPrint = 8;
constexpr uint16_t kFreopen = 0x204;
constexpr uint16_t kUserStack = 0x101;
constexpr uint16_t kUserSym = 0x103;
constexpr uint16_t kUserMod = 0x104;
constexpr uint16_t kUserAddr = 0x105;
constexpr uint16_t kSystem = 0x203;
constexpr uint16_t kStack = 0x401;
constexpr uint16_t kSym = 0x402;
constexpr uint16_t kMod = 0x403;
constexpr uint16_t kCommit = 0x602;
constexpr uint16_t kDiscard = 0x603;
constexpr uint64_t kSigned = 1;
constexpr uint64_t kByReference = 4;

FieldSource Of(uint16_t action, uint32_t size, uint16_t alignment, uint64_t argument = 0, uint32_t offset = 0) {
  return {action, size, offset, alignment, argument, "", false};
}

FieldSource Printf(const std::string& format, uint32_t size, uint16_t alignment) {
  return {kPrintf, size, 0, alignment, 0, format, true};
}

// The values of a printf after its first one.
FieldSource Next(uint32_t size, uint16_t alignment) { return Of(kPrintf, size, alignment); }

std::vector<FieldKind> Kinds(const Statement& statement) {
  std::vector<FieldKind> kinds;
  for (const Field& field : statement.fields) kinds.push_back(field.kind);
  return kinds;
}

FieldKind KindOf(const FieldSource& source) { return Statement({source}).fields.at(0).kind; }

// The kinds that a printf's conversions give to values of eight bytes.
std::vector<FieldKind> KindsIn(const std::string& format, size_t values) {
  std::vector<FieldSource> sources = {Printf(format, 8, 8)};
  while (sources.size() < values) sources.push_back(Next(8, 8));
  return Kinds(Statement(std::move(sources)));
}

constexpr FieldKind kNone = FieldKind::kNone;
constexpr FieldKind kInt = FieldKind::kInt;
constexpr FieldKind kString = FieldKind::kString;
constexpr FieldKind kBytes = FieldKind::kBytes;

using Kind = std::vector<FieldKind>;

TEST(Statement, WithoutValuesIsARecordOfItsHeader) {
  const Statement statement({});
  EXPECT_EQ(statement.wire_size, kRecordHeaderSize);
  EXPECT_TRUE(statement.fields.empty());
  EXPECT_FALSE(statement.library_acts);
}

TEST(Statement, TraceOfIntegers) {
  for (const uint32_t size : {1U, 2U, 4U, 8U}) {
    EXPECT_EQ(KindOf(Of(kTrace, size, static_cast<uint16_t>(size), kSigned)), kInt) << size;
    EXPECT_EQ(KindOf(Of(kTrace, size, static_cast<uint16_t>(size))), kInt) << size;
  }
}

TEST(Statement, TraceByReferenceIsAStringWithoutAlignmentAndBytesWithOne) {
  EXPECT_EQ(KindOf(Of(kTrace, 256, 1, kByReference)), kString);
  EXPECT_EQ(KindOf(Of(kTrace, 3264, 8, kByReference)), kBytes);
  // The size of an integer does not make it one.
  EXPECT_EQ(KindOf(Of(kTrace, 8, 1, kByReference)), kString);
  EXPECT_EQ(KindOf(Of(kTrace, 8, 4, kByReference)), kBytes);
}

TEST(Statement, TracememIsBytesWhateverItsSize) {
  for (const uint32_t size : {1U, 4U, 8U, 17U, 256U}) EXPECT_EQ(KindOf(Of(kTracemem, size, 1)), kBytes) << size;
  EXPECT_EQ(KindOf(Of(kTracemem, 0, 1)), kNone);
}

TEST(Statement, ExitIsItsStatus) {
  const Statement statement({Of(kExit, 4, 4, 0, 12)});
  ASSERT_EQ(Kinds(statement), Kind{kInt});
  EXPECT_EQ(statement.fields[0].source_action, kExit);
  EXPECT_EQ(statement.fields[0].source_offset, 12U);
  EXPECT_FALSE(statement.library_acts);
}

TEST(Statement, StacksAndSymbols) {
  EXPECT_EQ(KindOf(Of(kStack, 808, 8)), FieldKind::kStack);
  EXPECT_EQ(KindOf(Of(kUserStack, 816, 8)), FieldKind::kStack);
  EXPECT_EQ(KindOf(Of(kSym, 8, 8)), FieldKind::kSymbol);
  EXPECT_EQ(KindOf(Of(kMod, 8, 8)), FieldKind::kSymbol);
  EXPECT_EQ(KindOf(Of(kUserSym, 16, 8)), FieldKind::kUserSymbol);
  EXPECT_EQ(KindOf(Of(kUserMod, 16, 8)), FieldKind::kUserSymbol);
  EXPECT_EQ(KindOf(Of(kUserAddr, 16, 8)), FieldKind::kUserSymbol);
}

TEST(Statement, WhatLibdtraceDoesItselfRecordsNothingAndIsLeftToIt) {
  for (const uint16_t action : {kLibraryAct, kCommit, kDiscard}) {
    const Statement statement({Of(kTrace, 4, 4), Of(action, 4, 4)});
    EXPECT_EQ(Kinds(statement), (Kind{kInt, kNone})) << action;
    EXPECT_TRUE(statement.library_acts) << action;
  }
  EXPECT_FALSE(Statement({Of(kTrace, 4, 4), Of(kExit, 4, 4)}).library_acts);
}

TEST(Statement, APrintaRecordsItsAggregationsOnceHoweverManyItHas) {
  constexpr uint64_t kFirst = 1;
  constexpr uint64_t kSecond = 2;
  const Statement statement({Of(kPrinta, 4, 4, kFirst), Of(kPrinta, 4, 4, kFirst), Of(kPrinta, 4, 4, kSecond)});
  EXPECT_EQ(Kinds(statement), (Kind{FieldKind::kAggregations, kNone, FieldKind::kAggregations}));
  EXPECT_TRUE(statement.library_acts);
  EXPECT_TRUE(statement.acts_on_aggregations);
}

TEST(Statement, ClearActsOnAggregationsAndSetoptDoesNot) {
  EXPECT_TRUE(Statement({Of(kLibraryAct, 4, 4)}).acts_on_aggregations);
  EXPECT_FALSE(Statement({Of(kLibraryAct, 11, 1)}).acts_on_aggregations);
  EXPECT_FALSE(Statement({Of(kTrace, 4, 4)}).acts_on_aggregations);
}

TEST(Statement, ActionsWithoutValuesRecordNothing) { EXPECT_EQ(KindOf(Of(kSystem, 0, 1)), kNone); }

TEST(Statement, ConstantPrintfRecordsNothing) {
  const Statement statement({Printf("only text, 100 %% of it\n", 0, 1)});
  EXPECT_EQ(Kinds(statement), Kind{kNone});
  EXPECT_EQ(statement.wire_size, kRecordHeaderSize);
}

TEST(Statement, APrintfsConversionsSayWhatItsValuesAre) {
  const Statement statement({
      Printf("execname=%s pid=%d path=%s n=%llx c=%c\n", 16, 1),
      Next(4, 4),
      Next(256, 1),
      Next(8, 8),
      Next(1, 1),
  });
  EXPECT_EQ(Kinds(statement), (Kind{kString, kInt, kString, kInt, kInt}));
}

TEST(Statement, AnArrayPrintedAsAStringIsAStringOfAnySize) {
  // execname is char[16], a name of one to eight bytes could be taken for an integer.
  for (const uint32_t size : {1U, 2U, 4U, 8U, 16U, 64U}) {
    EXPECT_EQ(KindOf(Printf("%s", size, 1)), kString) << size;
    EXPECT_EQ(KindOf(Printf("%S", size, 1)), kString) << size;
    EXPECT_EQ(KindOf(Printf("%-16.16s", size, 1)), kString) << size;
  }
}

TEST(Statement, PercentSignsAndFlagsDoNotShiftTheConversions) {
  EXPECT_EQ(KindsIn("100%% of %s in %5.2d%%, %s", 3), (Kind{kString, kInt, kString}));
  EXPECT_EQ(KindsIn("%-10s|%010d|%#llx|%+hhd|%'u|%@d|%10.4s", 7),
            (Kind{kString, kInt, kInt, kInt, kInt, kInt, kString}));
  EXPECT_EQ(KindsIn("%s", 2), (Kind{kString, kInt})) << "a value without a conversion is what its size says";
}

TEST(Statement, AWidthOrPrecisionThatIsAValueIsNoField) {
  EXPECT_EQ(KindsIn("%*d %s", 3), (Kind{kNone, kInt, kString}));
  EXPECT_EQ(KindsIn("%-*.*s %d", 4), (Kind{kNone, kNone, kString, kInt}));
  EXPECT_EQ(KindsIn("%5.*s", 2), (Kind{kNone, kString}));
}

TEST(Statement, APrintfOfTextAloneRecordsNothingWhateverIsThere) {
  EXPECT_EQ(Kinds(Statement({Printf("hello\n", 4, 4)})), Kind{kNone});
  EXPECT_EQ(Kinds(Statement({Printf("100%%", 4, 4), Printf("a=%d", 4, 4)})), (Kind{kNone, kInt}));
}

TEST(Statement, AFormatThatEndsInTheMiddleOfAConversion) {
  EXPECT_EQ(KindsIn("%s %", 2), (Kind{kString, kInt}));
  EXPECT_EQ(KindsIn("%s %-1", 2), (Kind{kString, kInt}));
  EXPECT_EQ(KindsIn("%", 1), Kind{kInt});
  EXPECT_EQ(KindsIn("", 1), Kind{kInt});
}

TEST(Statement, AStackInAPrintf) {
  EXPECT_EQ(KindOf(Printf("%k", 808, 8)), FieldKind::kStack);
  EXPECT_EQ(KindOf(Printf("%k", 13, 1)), kString) << "no whole number of addresses";
}

TEST(Statement, OtherSizesInAPrintf) {
  EXPECT_EQ(KindOf(Printf("%d", 3, 1)), kString);
  EXPECT_EQ(KindOf(Printf("%d", 24, 8)), kBytes);
}

TEST(Statement, EachPrintfOfAClauseHasItsOwnFormat) {
  const Statement statement({
      Printf("%s %d", 16, 1),
      Next(4, 4),
      Of(kTrace, 4, 4),
      Printf("%d %s", 8, 8),
      Next(16, 1),
  });
  EXPECT_EQ(Kinds(statement), (Kind{kString, kInt, kInt, kInt, kString}));
}

TEST(Statement, AnEmptyPrintfTakesNoConversionFromTheNext) {
  const Statement statement({Printf("start\n", 0, 1), Printf("%d %s", 4, 4), Next(16, 1)});
  EXPECT_EQ(Kinds(statement), (Kind{kNone, kInt, kString}));
}

TEST(Statement, EveryFieldIsAlignedToItsSizeAndTheRecordToEight) {
  const Statement statement({
      Of(kTrace, 1, 1),                  // 8
      Of(kTrace, 4, 4),                  // 12
      Of(kTrace, 2, 2),                  // 16
      Of(kTrace, 256, 1, kByReference),  // 20: offset and length
      Of(kTrace, 8, 8),                  // 32
      Of(kTrace, 1, 1),                  // 40
  });
  std::vector<uint32_t> offsets;
  for (const Field& field : statement.fields) offsets.push_back(field.wire_offset);
  EXPECT_EQ(offsets, (std::vector<uint32_t>{8, 12, 16, 20, 32, 40}));
  EXPECT_EQ(statement.wire_size, 48U);
}

TEST(Statement, IntegersSideBySideAreOneRun) {
  const Statement statement({
      Of(kTrace, 8, 8, 0, 0), Of(kTrace, 4, 4, 0, 8), Of(kTrace, 4, 4, 0, 12), Of(kTrace, 4, 4, 0, 16),
      Of(kTrace, 8, 8, 0, 24),  // a gap before it
      Of(kTrace, 16, 1, kByReference, 32), Of(kTrace, 8, 8, 0, 48), Of(kLibraryAct, 4, 4, 0, 56),
      Of(kTrace, 4, 4, 0, 60),  // on the wire it follows the one before, in the firing it does not
      Of(kTrace, 13, 1, kByReference, 64), Of(kTrace, 1, 1, 0, 77), Of(kTrace, 2, 2, 0, 78),  // the other way round
  });
  std::vector<std::vector<uint32_t>> runs;
  for (const IntegerRun& run : statement.runs) runs.push_back({run.source_offset, run.wire_offset, run.size});
  EXPECT_EQ(runs, (std::vector<std::vector<uint32_t>>{
                      {0, 8, 20}, {24, 32, 8}, {48, 48, 8}, {60, 56, 4}, {77, 68, 1}, {78, 70, 2}}));
  ASSERT_EQ(statement.others.size(), 2U);
  EXPECT_EQ(statement.others[0].kind, kString);
  EXPECT_EQ(statement.others[0].wire_offset, statement.fields[5].wire_offset);
}

TEST(Statement, FieldsNeverOverlap) {
  // Every order of three out of the sizes that there are.
  const std::vector<FieldSource> choices = {
      Of(kTrace, 1, 1),     Of(kTrace, 2, 2), Of(kTrace, 4, 4), Of(kTrace, 8, 8), Of(kTrace, 256, 1, kByReference),
      Of(kLibraryAct, 4, 4)};
  const auto width = [](const Field& field) {
    if (field.kind == kNone) return 0U;
    return field.kind == kInt ? field.source_size : 8U;
  };
  for (const FieldSource& a : choices) {
    for (const FieldSource& b : choices) {
      for (const FieldSource& c : choices) {
        const Statement statement({a, b, c});
        uint32_t free_from = kRecordHeaderSize;
        for (const Field& field : statement.fields) {
          ASSERT_GE(field.wire_offset, free_from);
          if (field.kind == kInt) {
            ASSERT_EQ(field.wire_offset % field.source_size, 0U);
          }
          free_from = field.wire_offset + width(field);
        }
        ASSERT_LE(free_from, statement.wire_size);
        ASSERT_EQ(statement.wire_size % 8, 0U);
      }
    }
  }
}

TEST(Statement, KeepsOneFieldForEachSource) {
  const Statement statement({Of(kTrace, 4, 4, 0, 0), Of(kCommit, 4, 4, 0, 4), Of(kTrace, 8, 8, 0, 8)});
  ASSERT_EQ(statement.sources.size(), 3U);
  ASSERT_EQ(statement.fields.size(), 3U);
  EXPECT_EQ(statement.fields[0].source_offset, 0U);
  EXPECT_EQ(statement.fields[2].source_offset, 8U);
  EXPECT_EQ(statement.fields[2].source_size, 8U);
}

// DTRACE_TRACEMEM_… of <dtrace.h>.
constexpr uint64_t kStatic = 1;
constexpr uint64_t kDynamic = 2;
constexpr uint64_t kSize = 3;
constexpr uint64_t kSignedSize = 4;

TEST(Statement, ATracememsSizeIsPartOfIt) {
  const Statement statement({Of(kTracemem, 64, 1, kDynamic, 16), Of(kTracemem, 4, 4, kSize, 80),
                             Of(kTracemem, 64, 1, kDynamic, 84), Of(kTracemem, 1, 1, kSignedSize, 148),
                             Of(kTracemem, 32, 1, kStatic, 149)});
  EXPECT_EQ(Kinds(statement), (Kind{kBytes, kNone, kBytes, kNone, kBytes}));
  EXPECT_EQ(statement.fields[0].companion_offset, 80U);
  EXPECT_EQ(statement.fields[0].companion_size, 4U);
  EXPECT_FALSE(statement.fields[0].companion_signed);
  EXPECT_EQ(statement.fields[2].companion_offset, 148U);
  EXPECT_EQ(statement.fields[2].companion_size, 1U);
  EXPECT_TRUE(statement.fields[2].companion_signed);
  EXPECT_EQ(statement.fields[4].companion_size, 0U);
  // Three places on the wire.
  EXPECT_EQ(statement.wire_size, kRecordHeaderSize + 3 * 8);
}

TEST(Statement, APrintIsWhatIsAtItsAddress) {
  const Statement statement(
      {Of(kPrint, 8, 8, 0x7e, 16), Of(kPrint, 4, 8, 0, 24), Of(kPrint, 8, 8, 0x45, 32), Of(kPrint, 72, 8, 0, 40)});
  EXPECT_EQ(Kinds(statement), (Kind{kNone, FieldKind::kPrinted, kNone, FieldKind::kPrinted}));
  EXPECT_EQ(statement.fields[1].companion_offset, 16U);
  EXPECT_EQ(statement.fields[3].companion_offset, 32U);
  EXPECT_EQ(statement.fields[3].source_size, 72U);
  EXPECT_EQ(statement.source_end, 112U);
}

TEST(Statement, WhatRedirectsOutputIsRefused) {
  const Statement redirects({Of(kFreopen, 0, 1)});
  ASSERT_TRUE(redirects.refusal);
  EXPECT_STREQ(redirects.refusal->code, "ERR_DTRACE_UNSUPPORTED");
  FieldSource truncate = Of(kLibraryAct, 0, 1);
  truncate.truncates = true;
  ASSERT_TRUE(Statement({truncate}).refusal);
  EXPECT_FALSE(Statement({Of(kLibraryAct, 4, 4), Of(kSystem, 0, 1)}).refusal);
}

TEST(Statement, ExtrasHaveAPlaceAfterTheValues) {
  Extras extras;
  extras.text = true;
  extras.flow = true;
  const Statement statement({Of(kTrace, 1, 1)}, extras);
  EXPECT_EQ(statement.text_offset, 12U);
  EXPECT_EQ(statement.flow_offset, 20U);
  EXPECT_EQ(statement.wire_size, 24U);
  EXPECT_EQ(Statement({Of(kTrace, 1, 1)}).wire_size, 16U);
}

// Where the time is, of values of eight bytes each.
std::optional<uint32_t> TimeIn(const std::string& format, uint32_t values = 3) {
  std::vector<FieldSource> sources = {Printf(format, 8, 8)};
  for (uint32_t i = 1; i < values; i++) sources.push_back(Of(kPrintf, 8, 8, 0, 8 * i));
  Extras extras;
  extras.time_order = true;
  return Statement(std::move(sources), extras).time_offset;
}

TEST(Statement, TheValueCalledTimestampIsTheTime) {
  EXPECT_EQ(TimeIn("timestamp=%u pid=%d x=%d"), 0U);
  EXPECT_EQ(TimeIn("pid=%d timestamp=%u x=%d"), 8U);
  EXPECT_EQ(TimeIn("100%% a=%d [b=%-10d] timestamp=%-20llu"), 16U);
  EXPECT_EQ(TimeIn("walltimestamp=%d timestamp=%d"), 8U);
  EXPECT_FALSE(TimeIn("walltimestamp=%d mytimestamp=%d"));
  EXPECT_FALSE(TimeIn("timestamp = %d"));
  EXPECT_FALSE(TimeIn("timestamp=text %d"));
}

TEST(Statement, AHeadingCanNameTheTime) {
  Extras extras;
  extras.time_order = true;
  const Statement statement({Printf("timestamp=", 0, 1), Of(kTrace, 8, 8, 0, 24)}, extras);
  EXPECT_EQ(statement.time_offset, 24U);
  EXPECT_FALSE(statement.refusal);
}

TEST(Statement, OrderNeedsATimeWhereSomethingIsRecorded) {
  Extras extras;
  extras.time_order = true;
  const Statement without({Of(kTrace, 8, 8)}, extras);
  ASSERT_TRUE(without.refusal);
  EXPECT_STREQ(without.refusal->code, "ERR_DTRACE_ARGUMENT");
  // Four bytes are no time.
  EXPECT_TRUE(Statement({Printf("timestamp=%d", 4, 4)}, extras).refusal);
  EXPECT_FALSE(Statement({Of(kExit, 4, 4)}, extras).refusal);
  EXPECT_FALSE(Statement({}, extras).refusal);
  EXPECT_FALSE(Statement({Of(kTrace, 8, 8)}).refusal);
}

}  // namespace
}  // namespace dtc::test
