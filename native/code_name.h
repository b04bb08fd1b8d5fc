// What a code address is called: the module, the symbol in it, and how far behind its start.
// Pure C++: knows neither libdtrace nor N-API, so that it is unit-tested alone.
#pragma once

#include <cstdint>
#include <string>

namespace dtc {

struct CodeName {
  std::string text;     // "module`symbol", "module", or nothing
  uint32_t module = 0;  // the length of the module's name
  uint32_t offset = 0;  // from the symbol's start
};

// `symbol` may be empty.
CodeName CodeNameOf(const std::string& module, const std::string& symbol, uint64_t offset);

// From what dtrace_uaddr2str() says: "module`symbol+0x12", "module`symbol", "module`0x7f12", "0x7f12", and with the
// option noresolve "module:0x12".
CodeName ParseCodeName(const std::string& text);

}  // namespace dtc
