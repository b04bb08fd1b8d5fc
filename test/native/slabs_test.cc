#include "slabs.h"

#include <gtest/gtest.h>

#include <vector>

namespace dtc::test {
namespace {

// No slab is written to here: only where the places are is of interest.
char* Memory(size_t number) {
  static std::vector<char> memory(4 * Slabs::kSize);
  return &memory[number * Slabs::kSize];
}

TEST(Slabs, GiveNothingWhereNothingIsLent) {
  Slabs slabs;
  EXPECT_FALSE(slabs.Take(8));
}

TEST(Slabs, ArePlacedOneAfterTheOtherAlignedToEight) {
  Slabs slabs;
  slabs.Lend(7, Memory(0));
  const auto first = slabs.Take(33);
  const auto second = slabs.Take(8);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->slab, 7U);
  EXPECT_EQ(first->data, Memory(0));
  EXPECT_EQ(first->offset, 0U);
  EXPECT_EQ(first->size, 33U);
  EXPECT_EQ(second->offset, 40U);
  EXPECT_EQ(second->data, Memory(0) + 40);
}

TEST(Slabs, GoOnToTheNextWhenOneIsFull) {
  Slabs slabs;
  slabs.Lend(0, Memory(0));
  slabs.Lend(1, Memory(1));
  ASSERT_TRUE(slabs.Take(Slabs::kSize - 8));
  EXPECT_EQ(slabs.Take(8)->slab, 0U) << "the last of it is used";
  const auto next = slabs.Take(16);
  ASSERT_TRUE(next);
  EXPECT_EQ(next->slab, 1U);
  EXPECT_EQ(next->offset, 0U);
}

TEST(Slabs, KeepWhatIsLeftUntilAnotherOneComes) {
  Slabs slabs;
  slabs.Lend(0, Memory(0));
  ASSERT_TRUE(slabs.Take(Slabs::kSize - 64));
  EXPECT_FALSE(slabs.Take(128)) << "there is no room for it, and no other slab";
  EXPECT_EQ(slabs.Take(32)->slab, 0U) << "for a smaller one there is";
  slabs.Lend(1, Memory(1));
  EXPECT_EQ(slabs.Take(128)->slab, 1U);
}

TEST(Slabs, HaveNoPlaceForWhatIsLargerThanAnyOfThem) {
  Slabs slabs;
  slabs.Lend(0, Memory(0));
  EXPECT_FALSE(slabs.Take(Slabs::kSize + 1));
  EXPECT_TRUE(slabs.Take(Slabs::kSize));
}

}  // namespace
}  // namespace dtc::test
