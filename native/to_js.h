// Messages as JavaScript objects. lib/native.ts declares their shapes.
#pragma once

#include <napi.h>

#include "message.h"

namespace dtc {

// Empty where it could not be made.
Napi::Value ToJs(Napi::Env env, const Message& message);

}  // namespace dtc
