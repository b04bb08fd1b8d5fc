#include "code_name.h"

#include <gtest/gtest.h>

#include <string>

namespace dtc::test {
namespace {

void ExpectName(const CodeName& name, const std::string& text, uint32_t module, uint32_t offset) {
  EXPECT_EQ(name.text, text);
  EXPECT_EQ(name.module, module) << text;
  EXPECT_EQ(name.offset, offset) << text;
}

TEST(CodeName, HasModuleSymbolAndOffset) {
  ExpectName(CodeNameOf("vmlinux", "vfs_read", 0x12), "vmlinux`vfs_read", 7, 0x12);
  ExpectName(CodeNameOf("nf_tables", "", 0x12), "nf_tables", 9, 0);
}

TEST(CodeName, IsReadFromLibdtracesText) {
  ExpectName(ParseCodeName("libc.so.6`read+0x1a"), "libc.so.6`read", 9, 0x1a);
  ExpectName(ParseCodeName("a.out`main"), "a.out`main", 5, 0);
  ExpectName(ParseCodeName("a.out`0x401136"), "a.out", 5, 0);
  ExpectName(ParseCodeName("0x7fb2cbc9fbf7"), "", 0, 0);
}

TEST(CodeName, IsTheObjectAloneWithNoresolve) { ExpectName(ParseCodeName("libc.so.6:0x1a"), "libc.so.6", 9, 0); }

TEST(CodeName, OfCppMayHaveItsOwnPlus) {
  ExpectName(ParseCodeName("a.out`S::operator+"), "a.out`S::operator+", 5, 0);
  ExpectName(ParseCodeName("a.out`S::operator++0x4"), "a.out`S::operator+", 5, 4);
  ExpectName(ParseCodeName("a.out`f(int)+0xzz"), "a.out`f(int)+0xzz", 5, 0);
}

TEST(CodeName, OfNothingIsNothing) { ExpectName(ParseCodeName(""), "", 0, 0); }

}  // namespace
}  // namespace dtc::test
