// JSON, written: what control messages are made of. Nothing is read from it here.
// Pure C++: knows neither libdtrace nor N-API, so that it is unit-tested alone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace dtc::json {

// As a JSON string. Bytes past 127 go as they are: whoever decodes the text as UTF-8 replaces what is none.
std::string Quote(std::string_view text);

// A number that JavaScript may not be able to hold goes as a text: the reader makes a bigint of it.
template <typename Number>
std::string Big(Number number) {
  return '"' + std::to_string(number) + '"';
}

template <typename Value>
std::string Text(const Value& value) {
  if constexpr (std::is_same_v<Value, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_arithmetic_v<Value>) {
    return std::to_string(value);
  } else {
    return Quote(value);
  }
}

class Object {
 public:
  template <typename Value>
  Object& Put(const char* name, const Value& value) {
    return PutJson(name, Text(value));
  }
  Object& PutJson(const char* name, std::string_view value);
  std::string Done() const { return text_ + '}'; }

 private:
  std::string text_ = "{";
};

class Array {
 public:
  template <typename Value>
  Array& Add(const Value& value) {
    return AddJson(Text(value));
  }
  Array& AddJson(std::string_view value);
  std::string Done() const { return text_ + ']'; }

 private:
  std::string text_ = "[";
};

}  // namespace dtc::json
