#include "cpus.h"

#include <cstdlib>
#include <fstream>
#include <string>

namespace dtc::platform {

// A list of ranges, such as "0-3,6": the last number is the highest one.
size_t CpuLimit() {
  std::ifstream file("/sys/devices/system/cpu/online");
  std::string online;
  if (!std::getline(file, online)) return 0;
  const size_t last = online.find_last_of("-,");
  return std::strtoul(online.c_str() + (last == std::string::npos ? 0 : last + 1), nullptr, 10) + 1;
}

}  // namespace dtc::platform
