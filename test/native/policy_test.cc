// What a host with more privileges than its client lets it do.
#include "host/policy.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace dtc::host {
namespace {

class Command {
 public:
  explicit Command(CommandName name) {
    bytes_.push_back(static_cast<char>(name));
    Word(1);
  }
  Command& Word(uint32_t value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Command& Text(const std::string& text) {
    Word(static_cast<uint32_t>(text.size()));
    bytes_ += text;
    return *this;
  }
  Command& Flag(bool flag) {
    bytes_.push_back(static_cast<char>(flag));
    return *this;
  }
  bool IsRefused() const { return Refusal(bytes_.data(), bytes_.size()).has_value(); }

 private:
  std::string bytes_;
};

bool CompileIsRefused(const std::string& program, uint32_t flags = 0) {
  return Command(CommandName::kCompile).Text(program).Word(0).Word(flags).IsRefused();
}

TEST(Policy, AConsumersOwnCommandsGoOn) {
  for (const CommandName name :
       {CommandName::kGetOption, CommandName::kEnable, CommandName::kGo, CommandName::kStop, CommandName::kProbes,
        CommandName::kMoreProbes, CommandName::kEndProbes, CommandName::kClose, CommandName::kTaken,
        CommandName::kAggregations, CommandName::kRecordExtras, CommandName::kPrepare, CommandName::kPing}) {
    EXPECT_FALSE(Command(name).IsRefused()) << static_cast<int>(name);
  }
}

TEST(Policy, ProcessesAreRefused) {
  for (const CommandName name : {CommandName::kCreate, CommandName::kGrab, CommandName::kContinue,
                                 CommandName::kRelease, CommandName::kSignal}) {
    EXPECT_TRUE(Command(name).IsRefused()) << static_cast<int>(name);
  }
}

TEST(Policy, WhatIsNotKnownIsRefused) {
  EXPECT_TRUE(Command(static_cast<CommandName>(0)).IsRefused());
  EXPECT_TRUE(Command(static_cast<CommandName>(200)).IsRefused());
}

TEST(Policy, OptionsThatAreOnlySizesAndRatesMayBeSet) {
  EXPECT_FALSE(Command(CommandName::kSetOption).Text("bufsize").Flag(true).Text("8m").IsRefused());
  for (const char* option : {"destructive", "syslibdir", "libdir", "cpp", "cpppath", "modpath", "procfspath", "core",
                             "nolibs", "ctfpath", "dofstashpath", "bufsize ", ""}) {
    EXPECT_TRUE(Command(CommandName::kSetOption).Text(option).Flag(false).IsRefused()) << option;
    EXPECT_EQ(Command(CommandName::kOpen).Word(1).Text("x").Word(0).Word(1).Text(option).Flag(false).IsRefused(),
              *option != '\0')
        << option;
  }
}

TEST(Policy, AProgramMayNotSetOtherOptionsItself) {
  EXPECT_FALSE(CompileIsRefused("#pragma D option quiet\n# pragma D option bufsize=4m\nBEGIN { exit(0); }"));
  EXPECT_FALSE(CompileIsRefused("#!/usr/sbin/dtrace -s\n#pragma D depends_on provider tcp\nBEGIN {}"));
  EXPECT_FALSE(CompileIsRefused("# 1 \"file.d\"\nBEGIN {}"));
  for (const char* program :
       {"#pragma D option destructive\nBEGIN { system(\"id\"); }", "BEGIN {}\n  #\tpragma D option libdir=/tmp",
        "BEGIN {}\r#pragma D option destructive", "BEGIN {}\f#pragma D option destructive\f",
        "#pragma D option quiet destructive", "#pragma D error x", "#include \"/etc/shadow\"",
        "#pragma  D  option  syslibdir=/tmp/x", "#define x y", "#pragma option destructive"}) {
    EXPECT_TRUE(CompileIsRefused(program)) << program;
  }
}

TEST(Policy, AProgramMayNotSetThemWhileItRunsOrPreprocess) {
  EXPECT_TRUE(CompileIsRefused("BEGIN { setopt(\"destructive\"); }"));
  EXPECT_TRUE(CompileIsRefused("BEGIN { setopt\n(\"destructive\"); }"));
  EXPECT_FALSE(CompileIsRefused("BEGIN { this->setopts = 1; trace(this->setopts); }"));
  EXPECT_TRUE(CompileIsRefused("BEGIN {}", 0x10));
}

TEST(Policy, TheConfigurationNamesALibraryByAbsolutePaths) {
  std::string error;
  const auto library = ParseConfiguration(
      "# made by setup\nlibrary /a/libdtrace.so.2\npreload /a/one.so\npreload /a/two.so\nsyslibdir /a/d\n", &error);
  ASSERT_TRUE(library) << error;
  EXPECT_EQ(library->path, "/a/libdtrace.so.2");
  EXPECT_EQ(library->preload, (std::vector<std::string>{"/a/one.so", "/a/two.so"}));
  EXPECT_EQ(library->syslibdir, "/a/d");
  for (const char* bad : {"", "library relative.so", "library /a b", "other /a", "preload /a"}) {
    EXPECT_FALSE(ParseConfiguration(bad, &error)) << bad;
    EXPECT_FALSE(error.empty());
  }
}

}  // namespace
}  // namespace dtc::host
