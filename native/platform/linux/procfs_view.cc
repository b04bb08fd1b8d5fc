#include "procfs_view.h"

#include <sys/auxv.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <system_error>
#include <vector>

namespace fs = std::filesystem;

namespace dtc::platform {
namespace {

// The file of one line of /proc/<pid>/maps (proc(5): range, permissions, offset, device, inode, path), or empty.
std::string FileOf(const std::string& line) {
  const size_t slash = line.find('/');
  return slash == std::string::npos ? "" : line.substr(slash);
}

bool Holds(const std::string& line, unsigned long address) {
  char* end = nullptr;
  const unsigned long from = std::strtoul(line.c_str(), &end, 16);
  if (*end != '-') return false;
  return from <= address && address < std::strtoul(end + 1, nullptr, 16);
}

// The lines of this process's maps that belong to `library` and to the loader, through which libdtrace goes to learn
// what is loaded. Empty when the library is not among them.
std::string MapsOf(const std::string& library) {
  std::ifstream maps("/proc/self/maps");
  std::vector<std::string> lines;
  for (std::string line; std::getline(maps, line);) lines.push_back(line);

  std::error_code error;
  const std::string file = fs::canonical(library, error);
  if (error) return "";
  std::set<std::string> wanted;
  bool found = false;
  for (const std::string& line : lines) {
    found = found || FileOf(line) == file;
    if (Holds(line, getauxval(AT_BASE))) wanted.insert(FileOf(line));
  }
  if (!found) return "";
  wanted.insert(file);
  std::string text;
  for (const std::string& line : lines) {
    const std::string of = FileOf(line);
    if (!of.empty() && wanted.count(of) != 0) text += line + "\n";
  }
  return text;
}

// Links to everything in `from`, but for the entry `except`.
bool LinkAllBut(const std::string& except, const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::directory_iterator entries(from, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    const fs::path name = entries->path().filename();
    if (name != except) fs::create_symlink(from / name, to / name, error);
    if (error) return false;
  }
  return !error;
}

// A link for each process of the machine: made in memory where that can be had. On a disk's file system it took 60 ms
// for a hundred of them.
std::string MakeFolder() {
  std::error_code error;
  for (const fs::path& parent : {fs::path("/dev/shm"), fs::temp_directory_path(error)}) {
    std::string folder = (parent / ("dtrace-consumer-proc-" + std::to_string(getpid()) + "-XXXXXX")).string();
    if (mkdtemp(folder.data()) != nullptr) return folder;
  }
  return "";
}

}  // namespace

ProcfsView::ProcfsView(const std::string& library) : folder_(MakeFolder()) {
  if (!folder_.empty() && Fill(library)) path_ = folder_;
}

bool ProcfsView::Fill(const std::string& library) {
  const std::string self = std::to_string(getpid());
  const std::string maps = MapsOf(library);
  if (maps.empty()) return false;
  const fs::path own = fs::path(folder_) / self;
  std::error_code error;
  fs::create_directory(own, error);
  if (error || !LinkAllBut(self, "/proc", folder_) || !LinkAllBut("maps", fs::path("/proc") / self, own)) return false;
  std::ofstream file(own / "maps");
  file << maps;
  file.close();
  return !file.fail();
}

ProcfsView::~ProcfsView() {
  std::error_code ignored;
  // Removes links, never what they lead to.
  if (!folder_.empty()) fs::remove_all(folder_, ignored);
}

}  // namespace dtc::platform
