#include "record_batch.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "wire_reader.h"

namespace dtc::test {
namespace {

constexpr uint16_t kTrace = 1;
constexpr uint16_t kTracemem = 6;
constexpr uint16_t kStack = 0x401;
constexpr uint64_t kByReference = 4;

FieldSource Integer(uint32_t size, uint32_t offset = 0) { return {kTrace, size, offset, 8, 0, "", false}; }
FieldSource String(uint32_t size, uint32_t offset = 0) { return {kTrace, size, offset, 1, kByReference, "", false}; }
FieldSource Bytes(uint32_t size, uint32_t offset = 0) { return {kTracemem, size, offset, 1, 0, "", false}; }
FieldSource Stack(uint32_t size) { return {kStack, size, 0, 8, 0, "", false}; }

// A kernel buffer for a string of fixed size: nothing after the terminator is ours to read.
std::vector<char> Fixed(const std::string& text, size_t size, char filler = '\x7f') {
  std::vector<char> buffer(size, filler);
  std::memcpy(buffer.data(), text.data(), text.size());
  if (text.size() < size) buffer[text.size()] = '\0';
  return buffer;
}

// One record with one string.
void AddString(RecordBatch* batch, const Statement& statement, const std::string& text) {
  const Field& field = statement.fields.at(0);
  batch->Begin(statement, 0, 0);
  batch->PutString(field, Fixed(text, field.source_size).data());
}

TEST(RecordBatch, IsEmptyAtFirstAndStillAWholeBatch) {
  RecordBatch batch;
  EXPECT_TRUE(batch.empty());
  EXPECT_EQ(batch.count(), 0U);
  EXPECT_EQ(batch.size(), kBatchHeaderSize);
  const WireReader reader(&batch);
  EXPECT_EQ(reader.count(), 0U);
  EXPECT_EQ(reader.text_start(), kBatchHeaderSize);
  EXPECT_EQ(reader.bytes_start(), kBatchHeaderSize);
  EXPECT_EQ(reader.end(), kBatchHeaderSize);
  EXPECT_EQ(reader.text_length(), 0U);
  EXPECT_TRUE(reader.ascii());
}

TEST(RecordBatch, ARecordWithoutFieldsHasItsSourceAndCpu) {
  const Statement statement({});
  RecordBatch batch;
  batch.Begin(statement, 7, 3);
  batch.Begin(statement, 8, 1);
  EXPECT_FALSE(batch.empty());
  const WireReader reader(&batch);
  EXPECT_EQ(reader.count(), 2U);
  EXPECT_EQ(reader.At<uint32_t>(kBatchHeaderSize), 7U);
  EXPECT_EQ(reader.At<uint32_t>(kBatchHeaderSize + 4), 3U);
  EXPECT_EQ(reader.At<uint32_t>(kBatchHeaderSize + 8), 8U);
  EXPECT_EQ(reader.At<uint32_t>(kBatchHeaderSize + 12), 1U);
}

TEST(RecordBatch, IntegersOfEverySizeArriveAlignedAndUnchanged) {
  const Statement statement({Integer(1, 0), Integer(2, 2), Integer(8, 8), Integer(1, 16), Integer(4, 20)});
  std::array<char, 24> kernel{};
  const uint8_t one = 0xfe;
  const int16_t two = -12345;
  const uint64_t eight = 0xfedcba9876543210ULL;
  const uint8_t another = 0x80;
  const int32_t four = -2000000000;
  std::memcpy(kernel.data() + 0, &one, 1);
  std::memcpy(kernel.data() + 2, &two, 2);
  std::memcpy(kernel.data() + 8, &eight, 8);
  std::memcpy(kernel.data() + 16, &another, 1);
  std::memcpy(kernel.data() + 20, &four, 4);

  RecordBatch batch;
  for (uint32_t i = 0; i < 3; i++) {
    batch.Begin(statement, i, 0);
    for (const IntegerRun& run : statement.runs) batch.PutRun(run, kernel.data());
  }
  const WireReader reader(&batch);
  ASSERT_EQ(reader.count(), 3U);
  for (uint32_t i = 0; i < 3; i++) {
    const size_t record = reader.Record(statement, i);
    EXPECT_EQ(record % 8, 0U);
    for (const Field& field : statement.fields) EXPECT_EQ((record + field.wire_offset) % field.source_size, 0U);
    EXPECT_EQ(reader.At<uint32_t>(record), i);
    EXPECT_EQ(reader.At<uint8_t>(record + statement.fields[0].wire_offset), one);
    EXPECT_EQ(reader.At<int16_t>(record + statement.fields[1].wire_offset), two);
    EXPECT_EQ(reader.At<uint64_t>(record + statement.fields[2].wire_offset), eight);
    EXPECT_EQ(reader.At<uint8_t>(record + statement.fields[3].wire_offset), another);
    EXPECT_EQ(reader.At<int32_t>(record + statement.fields[4].wire_offset), four);
  }
}

TEST(RecordBatch, RecordsOfDifferentStatementsFollowOneAnother) {
  const Statement small({Integer(1)});
  const Statement large({Integer(8), Integer(8)});
  const char byte = 0x11;
  const uint64_t word = 0x2222222222222222ULL;
  RecordBatch batch;
  batch.Begin(small, 0, 0);
  batch.PutInt(small.fields[0], &byte);
  batch.Begin(large, 1, 0);
  for (const Field& field : large.fields) batch.PutInt(field, reinterpret_cast<const char*>(&word));
  batch.Begin(small, 2, 0);
  batch.PutInt(small.fields[0], &byte);
  const WireReader reader(&batch);
  const size_t second = kBatchHeaderSize + small.wire_size;
  const size_t third = second + large.wire_size;
  EXPECT_EQ(reader.At<uint32_t>(second), 1U);
  EXPECT_EQ(reader.At<uint64_t>(second + large.fields[1].wire_offset), word);
  EXPECT_EQ(reader.At<uint32_t>(third), 2U);
  EXPECT_EQ(reader.At<char>(third + small.fields[0].wire_offset), byte);
  EXPECT_EQ(reader.text_start(), third + small.wire_size);
}

TEST(RecordBatch, PaddingIsZero) {
  // What was in the memory before must not reach JavaScript.
  const Statement statement({Integer(1)});
  RecordBatch batch;
  const char ones = '\xff';
  for (int round = 0; round < 2; round++) {
    batch.Begin(statement, 0xffffffff, 0xffffffff);
    batch.PutInt(statement.fields[0], &ones);
    const WireReader reader(&batch);
    const size_t after = kBatchHeaderSize + statement.fields[0].wire_offset + 1;
    for (size_t at = after; at < kBatchHeaderSize + statement.wire_size; at++) EXPECT_EQ(reader.At<char>(at), 0);
    EXPECT_EQ(reader.At<uint64_t>(24), 0U) << "the header's own padding";
  }
}

TEST(RecordBatch, StringsEndAtTheirTerminator) {
  const Statement statement({String(32)});
  RecordBatch batch;
  AddString(&batch, statement, "rsync");
  AddString(&batch, statement, "/srv/media/a file.flac");
  const WireReader reader(&batch);
  EXPECT_EQ(reader.String(reader.Record(statement, 0), statement.fields[0]), "rsync");
  EXPECT_EQ(reader.String(reader.Record(statement, 1), statement.fields[0]), "/srv/media/a file.flac");
  EXPECT_TRUE(reader.ascii());
}

TEST(RecordBatch, AStringWithoutTerminatorEndsWithItsField) {
  const Statement statement({String(16)});
  RecordBatch batch;
  // A heap block of exactly that size: a byte too far is found by AddressSanitizer.
  const std::vector<char> full(16, 'x');
  batch.Begin(statement, 0, 0);
  batch.PutString(statement.fields[0], full.data());
  const WireReader reader(&batch);
  EXPECT_EQ(reader.String(reader.Record(statement, 0), statement.fields[0]), std::string(16, 'x'));
}

TEST(RecordBatch, EmptyStringsTakeNoRoom) {
  const Statement statement({String(16)});
  RecordBatch batch;
  AddString(&batch, statement, "");
  AddString(&batch, statement, "a");
  AddString(&batch, statement, "");
  const WireReader reader(&batch);
  EXPECT_EQ(reader.String(reader.Record(statement, 0), statement.fields[0]), "");
  EXPECT_EQ(reader.String(reader.Record(statement, 1), statement.fields[0]), "a");
  EXPECT_EQ(reader.String(reader.Record(statement, 2), statement.fields[0]), "");
  EXPECT_EQ(reader.text_length(), 1U);
}

TEST(RecordBatch, ABatchOfEmptyStringsOnlyHasNoText) {
  const Statement statement({String(16)});
  RecordBatch batch;
  AddString(&batch, statement, "");
  const WireReader reader(&batch);
  EXPECT_EQ(reader.text_length(), 0U);
  EXPECT_EQ(reader.String(reader.Record(statement, 0), statement.fields[0]), "");
}

TEST(RecordBatch, EqualStringsAreOnTheWireOnce) {
  const Statement statement({String(64)});
  RecordBatch batch;
  for (int i = 0; i < 1000; i++) AddString(&batch, statement, "dnsmasq");
  EXPECT_EQ(batch.count(), 1000U);
  const WireReader reader(&batch);
  EXPECT_EQ(reader.text_length(), std::strlen("dnsmasq"));
  const uint32_t first = reader.StringOffset(reader.Record(statement, 0), statement.fields[0]);
  for (size_t i = 0; i < 1000; i++) {
    const size_t record = reader.Record(statement, i);
    ASSERT_EQ(reader.StringOffset(record, statement.fields[0]), first);
    ASSERT_EQ(reader.String(record, statement.fields[0]), "dnsmasq");
  }
}

TEST(RecordBatch, StringsThatDifferAnywhereStayDifferent) {
  // Lengths around the word by which they are hashed, each with one byte changed at each place.
  const Statement statement({String(64)});
  RecordBatch batch;
  std::vector<std::string> expected;
  for (size_t length = 1; length <= 33; length++) {
    for (size_t changed = 0; changed < length; changed++) {
      std::string text(length, 'm');
      text[changed] = 'n';
      expected.push_back(text);
      expected.push_back(std::string(length, 'm'));
    }
  }
  for (const std::string& text : expected) AddString(&batch, statement, text);
  const WireReader reader(&batch);
  for (size_t i = 0; i < expected.size(); i++) {
    ASSERT_EQ(reader.String(reader.Record(statement, i), statement.fields[0]), expected[i]);
  }
}

TEST(RecordBatch, MoreStringsThanTheTableHoldsAllArrive) {
  const Statement statement({String(32)});
  RecordBatch batch;
  constexpr int kStrings = 5000;
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < kStrings; i++) AddString(&batch, statement, "name-" + std::to_string(i));
  }
  const WireReader reader(&batch);
  for (size_t i = 0; i < size_t{2} * kStrings; i++) {
    ASSERT_EQ(reader.String(reader.Record(statement, i), statement.fields[0]), "name-" + std::to_string(i % kStrings));
  }
}

TEST(RecordBatch, OneByteThatIsNotAsciiClearsTheFlag) {
  const Statement statement({String(64)});
  // At every place of a word, as the text is looked at by words.
  for (size_t length = 1; length <= 17; length++) {
    for (size_t place = 0; place < length; place++) {
      RecordBatch batch;
      std::string text(length, 'a');
      text[place] = '\x80';
      AddString(&batch, statement, "plain");
      AddString(&batch, statement, text);
      AddString(&batch, statement, "plain too");
      const WireReader reader(&batch);
      ASSERT_FALSE(reader.ascii()) << "length " << length << ", byte " << place;
      ASSERT_EQ(reader.String(reader.Record(statement, 1), statement.fields[0]), text);
    }
  }
}

TEST(RecordBatch, BytesThatAreNoUtf8ArriveUnchanged) {
  const Statement statement({String(64)});
  const std::string name = "caf\xe9 \xff\xfe\n\x01 \xc3\xa9";
  RecordBatch batch;
  AddString(&batch, statement, name);
  const WireReader reader(&batch);
  EXPECT_FALSE(reader.ascii());
  EXPECT_EQ(reader.String(reader.Record(statement, 0), statement.fields[0]), name);
}

TEST(RecordBatch, RawBytesAreKeptWithTheirZerosAndAligned) {
  const Statement statement({Bytes(5), Bytes(11, 5)});
  std::vector<char> kernel = {'\0', '\x01', '\0', '\xff', '\0', '1', '2', '3',
                              '\0', '4',    '5',  '6',    '7',  '8', '9', '\0'};
  RecordBatch batch;
  for (int i = 0; i < 3; i++) {
    batch.Begin(statement, 0, 0);
    for (const Field& field : statement.fields) batch.PutBytes(field, kernel.data() + field.source_offset);
  }
  const WireReader reader(&batch);
  EXPECT_EQ(reader.bytes_start() % 8, 0U);
  for (size_t i = 0; i < 3; i++) {
    const size_t record = reader.Record(statement, i);
    EXPECT_EQ(reader.Bytes(record, statement.fields[0]), std::string(kernel.begin(), kernel.begin() + 5));
    EXPECT_EQ(reader.Bytes(record, statement.fields[1]), std::string(kernel.begin() + 5, kernel.end()));
  }
  EXPECT_TRUE(reader.ascii()) << "the flag speaks of text only";
}

TEST(RecordBatch, TextOfAnyLengthLeavesTheBytesAligned) {
  const Statement statement({String(64), Bytes(8, 64)});
  for (size_t length = 0; length <= 17; length++) {
    RecordBatch batch;
    const std::vector<char> text = Fixed(std::string(length, 't'), 64);
    batch.Begin(statement, 0, 0);
    batch.PutString(statement.fields[0], text.data());
    batch.PutBytes(statement.fields[1], "12345678");
    const WireReader reader(&batch);
    ASSERT_EQ(reader.bytes_start() % 8, 0U);
    ASSERT_EQ(reader.text_length(), length);
    ASSERT_EQ(reader.Bytes(reader.Record(statement, 0), statement.fields[1]), "12345678");
    ASSERT_EQ(reader.end(), reader.size());
  }
}

TEST(RecordBatch, FramesHaveAddressAndName) {
  const Statement statement({Stack(64), Bytes(3)});
  const Field& stack = statement.fields[0];
  const std::vector<Frame> frames = {
      {4711},
      {0xffffffff81234567ULL, "vmlinux`do_sys_open", 7, 0x10},
      {0xffffffff81234568ULL, "vmlinux`do_sys_open", 7, 0x11},
      {0x7ffff7a00000ULL, "caf\xc3\xa9`main", 5},
      {0x7ffff7a00001ULL, "caf\xc3\xa9", 5},
      {0},
  };
  RecordBatch batch;
  batch.Begin(statement, 0, 0);
  batch.PutFrames(stack, frames);
  batch.PutBytes(statement.fields[1], "abc");
  batch.Begin(statement, 0, 0);
  batch.PutFrames(stack, {});
  batch.PutBytes(statement.fields[1], "def");
  batch.Begin(statement, 0, 0);
  batch.PutFrames(stack, frames);
  batch.PutBytes(statement.fields[1], "ghi");

  const WireReader reader(&batch);
  std::vector<WireReader::ReadFrame> expected;
  for (const Frame& frame : frames) {
    expected.push_back({frame.address, std::string(frame.name), frame.module, frame.offset});
  }
  EXPECT_EQ(reader.Frames(reader.Record(statement, 0), stack), expected);
  EXPECT_EQ(reader.Frames(reader.Record(statement, 1), stack).size(), 0U);
  EXPECT_EQ(reader.Frames(reader.Record(statement, 2), stack), expected);
  EXPECT_EQ(reader.Bytes(reader.Record(statement, 1), statement.fields[1]), "def");
  EXPECT_FALSE(reader.ascii());
  EXPECT_EQ(reader.text_length(), std::strlen("vmlinux`do_sys_open") + std::strlen("caf\xc3\xa9`main") + 5)
      << "names are on the wire once, like other strings";
}

TEST(RecordBatch, SizeIsExactlyWhatFinishWrites) {
  const Statement statement({String(32), Bytes(7, 32)});
  RecordBatch batch;
  for (int records = 1; records <= 5; records++) {
    for (int i = 0; i < records; i++) {
      batch.Begin(statement, 0, 0);
      batch.PutString(statement.fields[0], Fixed("s" + std::to_string(i), 32).data());
      batch.PutBytes(statement.fields[1], "1234567");
    }
    const size_t size = batch.size();
    // One byte more on each side, to be found untouched.
    std::vector<char> out(size + 2, '\x55');
    batch.Finish(out.data() + 1);
    EXPECT_EQ(out.front(), '\x55');
    EXPECT_EQ(out.back(), '\x55');
    uint32_t end = 0;
    std::memcpy(&end, out.data() + 1 + 12, sizeof end);
    EXPECT_EQ(end, size);
  }
}

TEST(RecordBatch, StringsThatDifferWhereNobodyLooksAreDifferent) {
  const Statement statement({String(128)});
  RecordBatch batch;
  // The same ends and the same middle.
  const std::string end(20, 'e');
  const std::vector<std::string> texts = {end + "a" + end + "m" + end + "a" + end,
                                          end + "b" + end + "m" + end + "a" + end,
                                          end + "a" + end + "m" + end + "b" + end,
                                          "short",
                                          "shorT",
                                          ""};
  for (int round = 0; round < 2; round++) {
    for (const std::string& text : texts) {
      batch.Begin(statement, 0, 0);
      batch.PutString(statement.fields[0], Fixed(text, 128).data());
    }
  }
  const WireReader reader(&batch);
  for (size_t i = 0; i < 2 * texts.size(); i++) {
    EXPECT_EQ(reader.String(reader.Record(statement, i), statement.fields[0]), texts[i % texts.size()]);
  }
}

TEST(RecordBatch, FinishEmptiesItForTheNextBatch) {
  const Statement statement({String(32), Bytes(4, 32)});
  RecordBatch batch;
  const auto fill = [&](const std::string& text) {
    batch.Begin(statement, 9, 2);
    batch.PutString(statement.fields[0], Fixed(text, 32).data());
    batch.PutBytes(statement.fields[1], "\x01\x02\x03\x04");
  };
  fill("caf\xe9");
  fill("same");
  { const WireReader first(&batch); }
  EXPECT_TRUE(batch.empty());
  EXPECT_EQ(batch.size(), kBatchHeaderSize);

  // "same" was interned in the batch before: it must be written again, and the flag starts anew.
  fill("same");
  const WireReader second(&batch);
  EXPECT_EQ(second.count(), 1U);
  EXPECT_TRUE(second.ascii());
  EXPECT_EQ(second.text_length(), 4U);
  const size_t record = second.Record(statement, 0);
  EXPECT_EQ(second.String(record, statement.fields[0]), "same");
  EXPECT_EQ(second.Bytes(record, statement.fields[1]), "\x01\x02\x03\x04");
}

TEST(RecordBatch, BytesAreAsManyAsThereAre) {
  const Statement statement({Bytes(16)});
  RecordBatch batch;
  for (const uint32_t size : {0U, 3U, 16U}) {
    batch.Begin(statement, 0, 0);
    batch.PutBytes(statement.fields[0], "0123456789abcdef", size);
  }
  const WireReader reader(&batch);
  EXPECT_EQ(reader.Bytes(reader.Record(statement, 0), statement.fields[0]), "");
  EXPECT_EQ(reader.Bytes(reader.Record(statement, 1), statement.fields[0]), "012");
  EXPECT_EQ(reader.Bytes(reader.Record(statement, 2), statement.fields[0]), "0123456789abcdef");
}

TEST(RecordBatch, WhatIsPrintedComesAfterItsAddress) {
  constexpr uint16_t kPrint = 8;
  const Statement statement({{kPrint, 8, 0, 8, 0, "", false}, {kPrint, 3, 8, 8, 0, "", false}});
  RecordBatch batch;
  batch.Begin(statement, 0, 0);
  batch.PutPrinted(statement.fields[1], 0x0102030405060708ULL, "abc");
  const WireReader reader(&batch);
  const std::string bytes = reader.Bytes(reader.Record(statement, 0), statement.fields[1]);
  ASSERT_EQ(bytes.size(), 11U);
  uint64_t address = 0;
  std::memcpy(&address, bytes.data(), sizeof address);
  EXPECT_EQ(address, 0x0102030405060708ULL);
  EXPECT_EQ(bytes.substr(8), "abc");
}

TEST(RecordBatch, TextAndFlowAreWhereTheStatementHasThem) {
  Extras extras;
  extras.text = true;
  extras.flow = true;
  const Statement statement({Integer(4)}, extras);
  RecordBatch batch;
  batch.Begin(statement, 0, 0);
  batch.PutText(statement, std::string_view("a\0b\n", 4));
  batch.PutFlow(statement, {Flow::kReturn, 3});
  batch.Begin(statement, 0, 0);
  batch.PutText(statement, "");
  batch.PutFlow(statement, {});
  const WireReader reader(&batch);
  const size_t first = reader.Record(statement, 0);
  const size_t second = reader.Record(statement, 1);
  EXPECT_EQ(reader.Text(first + statement.text_offset), std::string("a\0b\n", 4));
  EXPECT_EQ(reader.At<uint32_t>(first + statement.flow_offset), 3U << 2 | 2U);
  EXPECT_EQ(reader.Text(second + statement.text_offset), "");
  EXPECT_EQ(reader.At<uint32_t>(second + statement.flow_offset), 0U);
}

}  // namespace
}  // namespace dtc::test
