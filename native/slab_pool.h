// Memory for slabs, as ArrayBuffers; what JavaScript's garbage collector gives back is used again. Fresh memory for
// each slab costs a page fault for every 4 KiB of records, and zeros that nobody reads. JavaScript thread only.
#pragma once

#include <napi.h>

#include <memory>
#include <utility>
#include <vector>

#include "slabs.h"

namespace dtc {

class SlabPool {
 public:
  // Empty where there is no memory, or while the environment is being terminated. `owner` keeps what JavaScript lets
  // go.
  Napi::ArrayBuffer Get(Napi::Env env, std::shared_ptr<char>* owner) const {
    auto loan = std::make_unique<Loan>(Loan{spare_, Take()});
    *owner = loan->memory;
    napi_value buffer = nullptr;
    if (napi_create_external_arraybuffer(env, owner->get(), Slabs::kSize, GiveBack, loan.get(), &buffer) == napi_ok) {
      static_cast<void>(loan.release());
      return {env, buffer};
    }
    owner->reset();
    // Where external memory is not allowed (a sandboxed V8, as in Electron).
    if (env.IsExceptionPending()) return {};
    return Napi::ArrayBuffer::New(env, Slabs::kSize);
  }

 private:
  using Memory = std::shared_ptr<char>;
  using Spare = std::vector<Memory>;
  static constexpr size_t kMostSpare = 32;

  struct Loan {
    std::shared_ptr<Spare> spare;
    Memory memory;
  };

  Memory Take() const {
    // Not filled: it is written before it is read.
    if (spare_->empty()) return {new char[Slabs::kSize], std::default_delete<char[]>()};  // NOLINT
    Memory memory = std::move(spare_->back());
    spare_->pop_back();
    return memory;
  }

  static void GiveBack(napi_env /*env*/, void* /*data*/, void* lent) {
    const std::unique_ptr<Loan> loan(static_cast<Loan*>(lent));
    if (loan->spare->size() < kMostSpare) loan->spare->push_back(std::move(loan->memory));
  }

  // Outlives the pool where a slab does.
  std::shared_ptr<Spare> spare_ = std::make_shared<Spare>();
};

}  // namespace dtc
