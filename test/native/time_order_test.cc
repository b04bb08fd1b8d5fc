#include "time_order.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace dtc::test {
namespace {

HeldFiring At(uint64_t time, const std::string& data) { return {time, nullptr, 0, {}, data}; }

std::string Released(TimeOrder* order, uint64_t until) {
  std::string all;
  order->Release(until, [&all](const HeldFiring& firing) { all += firing.data; });
  return all;
}

TEST(TimeOrder, PassesOnInOrderWhatHappenedByThen) {
  TimeOrder order;
  EXPECT_TRUE(order.empty());
  // Two buffers, each in order.
  for (const auto& [time, data] : {std::pair{10, "a"}, {30, "c"}, {50, "e"}, {20, "b"}, {40, "d"}}) {
    order.Add(At(static_cast<uint64_t>(time), data));
  }
  EXPECT_EQ(Released(&order, 9), "");
  EXPECT_EQ(Released(&order, 30), "abc");
  EXPECT_FALSE(order.empty());
  order.Add(At(35, "+"));
  EXPECT_EQ(Released(&order, UINT64_MAX), "+de");
  EXPECT_TRUE(order.empty());
  EXPECT_EQ(Released(&order, UINT64_MAX), "");
}

TEST(TimeOrder, WhatHasTheSameTimeStaysAsItCame) {
  TimeOrder order;
  for (const char* data : {"1", "2", "3"}) order.Add(At(5, data));
  order.Add(At(4, "0"));
  EXPECT_EQ(Released(&order, 5), "0123");
}

TEST(TimeOrder, WhatComesTooLateIsPassedOnWithTheNext) {
  TimeOrder order;
  order.Add(At(100, "a"));
  EXPECT_EQ(Released(&order, 100), "a");
  order.Add(At(50, "late"));
  EXPECT_EQ(Released(&order, 100), "late");
}

TEST(TimeOrder, TheLastOneCanStillBeAddedTo) {
  TimeOrder order;
  order.Add(At(1, "a"));
  order.last().text = "printed";
  std::string text;
  order.Release(1, [&text](const HeldFiring& firing) { text = firing.text; });
  EXPECT_EQ(text, "printed");
}

}  // namespace
}  // namespace dtc::test
