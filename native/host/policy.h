// What a client may ask of a host that has more privileges than the client. Pure C++: unit-tested alone.
//
// Such a host traces for whoever may start it, or connect to it: they see what root sees of the kernel. They must not
// be able to run code of their own choice in it, to change the system through it, or to have it open files for them. So
// it is all refused but what is known to be harmless.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../message.h"
#include "../protocol.h"

namespace dtc::host {

// What is loaded is root's choice, not the client's: read from a file beside the host's own.
struct Library {
  std::string path;
  std::vector<std::string> preload;
  std::string syslibdir;  // empty: libdtrace's own
};

// The text of that file: lines `library PATH`, `preload PATH` (any number), `syslibdir PATH`; # begins a comment.
std::optional<Library> ParseConfiguration(const std::string& text, std::string* error);

// A refusal, or nothing for what may go on to the session.
std::optional<Failure> Refusal(const char* data, size_t size);

// Its parts, for tests.
bool MayBeSet(const std::string& option);
std::optional<std::string> ForbiddenIn(const std::string& program);

}  // namespace dtc::host
