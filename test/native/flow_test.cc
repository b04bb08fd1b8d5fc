#include "flow.h"

#include <gtest/gtest.h>

namespace dtc::test {
namespace {

// An entry and a return probe of two functions, each with a number.
constexpr uint32_t kOuterEntry = 1;
constexpr uint32_t kOuterReturn = 2;
constexpr uint32_t kInnerEntry = 3;
constexpr uint32_t kInnerReturn = 4;
constexpr uint32_t kOther = 5;

void Expect(const FlowPlace& place, Flow flow, uint32_t depth) {
  EXPECT_EQ(place.flow, flow);
  EXPECT_EQ(place.depth, depth);
}

TEST(Flow, IsInTheProbesName) {
  EXPECT_EQ(FlowOf("entry"), Flow::kEntry);
  EXPECT_EQ(FlowOf("return"), Flow::kReturn);
  EXPECT_EQ(FlowOf("method-entry"), Flow::kEntry);
  EXPECT_EQ(FlowOf("function-return"), Flow::kReturn);
  for (const char* name : {"", "BEGIN", "reentry", "carpentry", "entry-point", "return-", "exec-success"}) {
    EXPECT_EQ(FlowOf(name), Flow::kNone) << name;
  }
}

TEST(Flow, DepthGrowsWithEntriesAndShrinksWithReturns) {
  FlowDepths depths;
  Expect(depths.Place(0, Flow::kEntry, kOuterEntry, 0), Flow::kEntry, 0);
  Expect(depths.Place(0, Flow::kNone, kOther, 1), Flow::kNone, 1);
  Expect(depths.Place(0, Flow::kEntry, kInnerEntry, 0), Flow::kEntry, 1);
  Expect(depths.Place(0, Flow::kReturn, kInnerReturn, 2), Flow::kReturn, 1);
  Expect(depths.Place(0, Flow::kReturn, kOuterReturn, 2), Flow::kReturn, 0);
}

TEST(Flow, ASecondClauseAtAnEntryIsWithinIt) {
  FlowDepths depths;
  Expect(depths.Place(0, Flow::kEntry, kOuterEntry, 0), Flow::kEntry, 0);
  Expect(depths.Place(0, Flow::kEntry, kOuterEntry, 1), Flow::kNone, 1);
  // The same clause again is a call of itself.
  Expect(depths.Place(0, Flow::kEntry, kOuterEntry, 1), Flow::kEntry, 1);
}

TEST(Flow, AReturnWithoutItsEntryIsAtTheTop) {
  FlowDepths depths;
  Expect(depths.Place(0, Flow::kReturn, kInnerReturn, 0), Flow::kReturn, 0);
  Expect(depths.Place(0, Flow::kEntry, kOuterEntry, 0), Flow::kEntry, 0);
}

TEST(Flow, EachCpuHasItsOwnDepth) {
  FlowDepths depths;
  Expect(depths.Place(0, Flow::kEntry, kOuterEntry, 0), Flow::kEntry, 0);
  Expect(depths.Place(7, Flow::kEntry, kOuterEntry, 0), Flow::kEntry, 0);
  Expect(depths.Place(0, Flow::kEntry, kInnerEntry, 0), Flow::kEntry, 1);
}

}  // namespace
}  // namespace dtc::test
