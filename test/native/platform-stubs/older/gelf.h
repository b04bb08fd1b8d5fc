// Declarations for `npm run check`: libelf's symbol, as gelf(3ELF) documents it.
#pragma once

#include <stdint.h>

typedef uint64_t GElf_Addr;
typedef struct {
  uint32_t st_name;
  unsigned char st_info, st_other;
  uint16_t st_shndx;
  GElf_Addr st_value;
  uint64_t st_size;
} GElf_Sym;
