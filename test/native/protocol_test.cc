// Messages as JSON, commands as bytes.
#include "protocol.h"

#include <gtest/gtest.h>

#include <cstring>

#include "json.h"

namespace dtc {
namespace {

class Writer {
 public:
  Writer& Byte(uint8_t value) { return Bytes(&value, sizeof value); }
  Writer& Word(uint32_t value) { return Bytes(&value, sizeof value); }
  Writer& Text(const std::string& text) {
    Word(static_cast<uint32_t>(text.size()));
    return Bytes(text.data(), text.size());
  }
  CommandReader Reader() const { return {bytes_.data(), bytes_.size()}; }

 private:
  Writer& Bytes(const void* data, size_t size) {
    bytes_.append(static_cast<const char*>(data), size);
    return *this;
  }
  std::string bytes_;
};

TEST(Json, EscapesWhatAStringMayNotHold) {
  EXPECT_EQ(json::Quote("a\"b\\c\nd\x01"), R"("a\"b\\c\u000ad\u0001")");
  EXPECT_EQ(json::Quote(std::string("\0\xff", 2)), "\"\\u0000\xff\"");
}

TEST(Json, WritesObjectsAndArrays) {
  EXPECT_EQ(json::Object().Done(), "{}");
  EXPECT_EQ(json::Array().Done(), "[]");
  const std::string inner = json::Array().Add(1).Add("two").Add(true).Done();
  EXPECT_EQ(json::Object().Put("n", -5).PutJson("list", inner).PutJson("big", json::Big(~uint64_t{0})).Done(),
            R"({"n":-5,"list":[1,"two",true],"big":"18446744073709551615"})");
}

TEST(Encode, AReplyHasItsValueOrItsFailure) {
  EXPECT_EQ(Encode(Reply{1, Success{}}).json, R"({"type":"reply","id":1})");
  const Packet packet = Encode(Reply{2, Success{"[1]", {'x'}}});
  EXPECT_EQ(packet.json, R"({"type":"reply","id":2,"value":[1]})");
  EXPECT_EQ(packet.data, std::vector<char>{'x'});
  EXPECT_EQ(Encode(Reply{3, Failure{"ERR", "why", 2}}).json,
            R"({"type":"reply","id":3,"failure":{"code":"ERR","reason":"why","errno":2}})");
}

TEST(Encode, ABatchIsBytesAlone) {
  const Packet packet = Encode(Batch{{}, {'a', 'b'}});
  EXPECT_EQ(packet.kind, PacketKind::kBatch);
  EXPECT_TRUE(packet.json.empty());
  EXPECT_EQ(packet.data.size(), 2U);
}

TEST(CommandReader, ReadsWhatWasWritten) {
  const Writer writer = Writer().Byte(3).Word(70000).Text("name").Byte(1).Text("").Byte(0).Word(2).Text("a").Text("b");
  CommandReader reader = writer.Reader();
  EXPECT_EQ(reader.Byte(), 3);
  EXPECT_EQ(reader.Word(), 70000U);
  EXPECT_EQ(reader.Text(), "name");
  EXPECT_EQ(reader.OptionalText(), "");
  EXPECT_EQ(reader.OptionalText(), std::nullopt);
  EXPECT_EQ(reader.Texts(), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(reader.Good());
}

TEST(CommandReader, WhatIsCutOffIsBad) {
  const Writer writer = Writer().Word(5);  // a text of five bytes that are not there
  CommandReader reader = writer.Reader();
  EXPECT_EQ(reader.Text(), "");
  EXPECT_FALSE(reader.Good());
}

TEST(CommandReader, NothingIsReadAfterWhatIsBad) {
  const Writer writer = Writer().Word(0xffffffff).Word(7);
  CommandReader reader = writer.Reader();
  EXPECT_TRUE(reader.Texts().empty());  // and no memory was asked for
  EXPECT_EQ(reader.Word(), 0U);
  EXPECT_FALSE(reader.Good());
}

TEST(CommandReader, WhatIsTooLongIsBad) {
  const Writer writer = Writer().Word(1).Byte(0);
  CommandReader reader = writer.Reader();
  EXPECT_EQ(reader.Word(), 1U);
  EXPECT_FALSE(reader.Good());
}

}  // namespace
}  // namespace dtc
