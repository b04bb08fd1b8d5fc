#include "policy.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <set>
#include <sstream>

namespace dtc::host {
namespace {

constexpr const char* kRefused = "ERR_DTRACE_PERMISSION";

// Sizes, rates, and how things are shown. Not here, for one: destructive; what names files or programs (cpp, libdir,
// syslibdir, modpath, procfspath, …); what makes libdtrace end itself.
const std::set<std::string>& HarmlessOptions() {
  static const auto* options = new std::set<std::string>{
      "aggpercpu",   "aggrate",      "aggsize",       "aggsortkey",  "aggsortkeypos", "aggsortpos",   "aggsortrev",
      "amin",        "argref",       "bufsize",       "cleanrate",   "cpu",           "defaultargs",  "dynvarsize",
      "flowindent",  "jstackframes", "jstackstrsize", "maxframes",   "noresolve",     "nspec",        "pcapsize",
      "printsize",   "pspec",        "quiet",         "quietresize", "rawbytes",      "scratchsize",  "specsize",
      "stackframes", "stackindent",  "statusrate",    "strsize",     "switchrate",    "ustackframes", "zdefs"};
  return *options;
}

// DTRACE_C_CPP: it would run a program, with the host's privileges.
constexpr uint32_t kPreprocess = 0x10;

bool IsWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

bool HasWord(const std::string& text, const std::string& word) {
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const bool begins = at == 0 || !IsWord(text[at - 1]);
    const size_t end = at + word.size();
    if (begins && (end == text.size() || !IsWord(text[end]))) return true;
  }
  return false;
}

// "option", "bufsize=4m", … of "# pragma D option bufsize=4m".
std::vector<std::string> Words(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

// A line that begins with #. All forms that are known are let through, and nothing else.
bool MayStand(const std::string& line) {
  std::string text = line.substr(line.find('#') + 1);
  if (!text.empty() && text[0] == '!') return true;
  std::vector<std::string> words = Words(text);
  if (words.empty()) return true;
  if (words[0] != "pragma" || words.size() < 2 || words[1] != "D") {
    // Where a line came from: # 12 "file"
    return words[0] == "line" ||
           std::all_of(words[0].begin(), words[0].end(), [](unsigned char c) { return std::isdigit(c) != 0; });
  }
  if (words.size() < 3) return false;
  if (words[2] == "attributes" || words[2] == "binding" || words[2] == "depends_on") return true;
  if (words[2] != "option" || words.size() != 4) return false;
  return MayBeSet(words[3].substr(0, words[3].find('=')));
}

}  // namespace

bool MayBeSet(const std::string& option) { return HarmlessOptions().count(option) != 0; }

std::optional<std::string> ForbiddenIn(const std::string& program) {
  // What sets options, or changes a file, while the program runs. Destructive actions (system(), freopen(), copyout(),
  // …) need an option that can't be set.
  for (const char* word : {"setopt", "ftruncate"}) {
    if (HasWord(program, word)) return std::string(word) + "()";
  }
  // D ends lines at other characters than \n, too; a stray # is no D.
  size_t begin = 0;
  while (begin <= program.size()) {
    const size_t end = std::min(program.find_first_of("\n\r\f\v", begin), program.size());
    const std::string line = program.substr(begin, end - begin);
    const size_t first = line.find_first_not_of(" \t");
    if (first != std::string::npos && line[first] == '#' && !MayStand(line)) return line.substr(first);
    begin = end + 1;
  }
  return std::nullopt;
}

std::optional<Failure> Refusal(const char* data, size_t size) {
  CommandReader command(data, size);
  const auto name = static_cast<CommandName>(command.Byte());
  command.Word();
  switch (name) {
    case CommandName::kOpen: {
      command.Word();
      // The library's path is not looked at: see Library.
      command.Text();
      command.Texts();
      const uint32_t options = command.Word();
      for (uint32_t i = 0; i < options; i++) {
        const std::string option = command.Text();
        if (option.empty()) break;
        command.OptionalText();
        if (!MayBeSet(option)) return Failure{kRefused, "this host does not let its clients set option " + option};
      }
      return std::nullopt;
    }
    case CommandName::kSetOption: {
      const std::string option = command.Text();
      if (MayBeSet(option)) return std::nullopt;
      return Failure{kRefused, "this host does not let its clients set option " + option};
    }
    case CommandName::kCompile: {
      const std::string program = command.Text();
      command.Texts();
      if ((command.Word() & kPreprocess) != 0) {
        return Failure{kRefused, "this host does not preprocess programs for its clients"};
      }
      const std::optional<std::string> forbidden = ForbiddenIn(program);
      if (!forbidden) return std::nullopt;
      return Failure{kRefused, "this host does not let its clients use " + *forbidden};
    }
    case CommandName::kGetOption:
    case CommandName::kEnable:
    case CommandName::kGo:
    case CommandName::kStop:
    case CommandName::kClose:
    case CommandName::kTaken:
    case CommandName::kAggregations:
    case CommandName::kRecordExtras:
    case CommandName::kProbes:
    case CommandName::kMoreProbes:
    case CommandName::kEndProbes:
    case CommandName::kPrepare:
    case CommandName::kPing:
      return std::nullopt;
    // A process of the client's choice, with the host's privileges.
    case CommandName::kCreate:
    case CommandName::kGrab:
    case CommandName::kContinue:
    case CommandName::kRelease:
    case CommandName::kSignal:
      break;
  }
  return Failure{kRefused, "this host does not do this for its clients"};
}

std::optional<Library> ParseConfiguration(const std::string& text, std::string* error) {
  Library library;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    line = line.substr(0, line.find('#'));
    const std::vector<std::string> words = Words(line);
    if (words.empty()) continue;
    if (words.size() != 2 || words[1][0] != '/') {
      *error = "not a name and an absolute path: " + line;
      return std::nullopt;
    }
    if (words[0] == "library") {
      library.path = words[1];
    } else if (words[0] == "preload") {
      library.preload.push_back(words[1]);
    } else if (words[0] == "syslibdir") {
      library.syslibdir = words[1];
    } else {
      *error = "unknown name " + words[0];
      return std::nullopt;
    }
  }
  if (!library.path.empty()) return library;
  *error = "it names no library";
  return std::nullopt;
}

}  // namespace dtc::host
