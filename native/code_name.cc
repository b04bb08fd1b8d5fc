#include "code_name.h"

#include <cstdlib>

namespace dtc {
namespace {

bool IsHex(const std::string& text, size_t from) {
  return text.compare(from, 2, "0x") == 0 && text.size() > from + 2 &&
         text.find_first_not_of("0123456789abcdef", from + 2) == std::string::npos;
}

}  // namespace

CodeName CodeNameOf(const std::string& module, const std::string& symbol, uint64_t offset) {
  const auto length = static_cast<uint32_t>(module.size());
  if (symbol.empty()) return {module, length, 0};
  return {module + "`" + symbol, length, static_cast<uint32_t>(offset)};
}

CodeName ParseCodeName(const std::string& text) {
  if (IsHex(text, 0)) return {};
  const size_t tick = text.find('`');
  if (tick == std::string::npos) {
    const size_t colon = text.rfind(':');
    const bool is_module = colon != std::string::npos && IsHex(text, colon + 1);
    return CodeNameOf(is_module ? text.substr(0, colon) : text, "", 0);
  }
  const std::string module = text.substr(0, tick);
  if (IsHex(text, tick + 1)) return CodeNameOf(module, "", 0);
  // A symbol of C++ may have a plus of its own ("operator+").
  const size_t plus = text.rfind('+');
  if (plus == std::string::npos || plus < tick || !IsHex(text, plus + 1)) {
    return CodeNameOf(module, text.substr(tick + 1), 0);
  }
  return CodeNameOf(module, text.substr(tick + 1, plus - tick - 1), std::strtoull(&text[plus + 1], nullptr, 16));
}

}  // namespace dtc
