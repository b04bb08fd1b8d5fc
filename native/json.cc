#include "json.h"

#include <cstdio>

namespace dtc::json {

std::string Quote(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted.push_back('\\');
      quoted.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      quoted += escape;
    } else {
      quoted.push_back(c);
    }
  }
  quoted.push_back('"');
  return quoted;
}

Object& Object::PutJson(const char* name, std::string_view value) {
  if (text_.size() > 1) text_.push_back(',');
  text_ += Quote(name);
  text_.push_back(':');
  text_ += value;
  return *this;
}

Array& Array::AddJson(std::string_view value) {
  if (text_.size() > 1) text_.push_back(',');
  text_ += value;
  return *this;
}

}  // namespace dtc::json
