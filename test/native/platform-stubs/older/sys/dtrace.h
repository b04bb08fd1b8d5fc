// Declarations for `npm run check`: as much of <sys/dtrace.h> as native/platform uses, written from what illumos,
// FreeBSD and macOS publish and document. Nothing is ever linked with it. docs/platforms.md names the sources.
#pragma once

#include <stdint.h>
#include <sys/types.h>

typedef unsigned int uint_t;
typedef unsigned long ulong_t;
typedef int processorid_t;

typedef uint32_t dtrace_id_t;
typedef uint32_t dtrace_epid_t;
typedef uint16_t dtrace_actkind_t;
typedef int64_t dtrace_optval_t;
typedef uint32_t dtrace_aggid_t;
typedef int64_t dtrace_aggvarid_t;

#define DTRACE_PROVNAMELEN 64
#define DTRACE_MODNAMELEN 64
#ifndef DTRACE_FUNCNAMELEN
#define DTRACE_FUNCNAMELEN 192
#endif
#define DTRACE_NAMELEN 64

// Macros, as in the real ones, so that they are plain integers.
#define DTRACEACT_DIFEXPR 1
#define DTRACEACT_EXIT 2
#define DTRACEACT_PRINTF 3
#define DTRACEACT_PRINTA 4
#define DTRACEACT_USTACK 0x101
#define DTRACEACT_JSTACK 0x102
#define DTRACEACT_SYSTEM 0x203
#define DTRACEACT_FREOPEN 0x204
#define DTRACEACT_ISPRINTFLIKE(action)                                                             \
  ((action) == DTRACEACT_PRINTF || (action) == DTRACEACT_PRINTA || (action) == DTRACEACT_SYSTEM || \
   (action) == DTRACEACT_FREOPEN)

#define DTRACEAGG_COUNT 0x0701
#define DTRACEAGG_MIN 0x0702
#define DTRACEAGG_MAX 0x0703
#define DTRACEAGG_AVG 0x0704
#define DTRACEAGG_SUM 0x0705
#define DTRACEAGG_STDDEV 0x0706
#define DTRACEAGG_QUANTIZE 0x0707
#define DTRACEAGG_LQUANTIZE 0x0708
#define DTRACEAGG_LLQUANTIZE 0x0709

#define DIF_TYPE_CTF 0
#define DIF_TYPE_STRING 1
#define DIF_TF_BYREF 1

// A compiled expression; more of it follows in every system, and differently.
typedef struct dtrace_diftype {
  uint8_t dtdt_kind, dtdt_ckind, dtdt_flags, dtdt_pad;
  uint32_t dtdt_size;
} dtrace_diftype_t;
typedef struct dtrace_difo {
  dtrace_diftype_t dtdo_rtype;
} dtrace_difo_t;

typedef struct dtrace_probedesc {
  dtrace_id_t dtpd_id;
  char dtpd_provider[DTRACE_PROVNAMELEN];
  char dtpd_mod[DTRACE_MODNAMELEN];
  char dtpd_func[DTRACE_FUNCNAMELEN];
  char dtpd_name[DTRACE_NAMELEN];
} dtrace_probedesc_t;

typedef struct dtrace_actdesc {
  dtrace_difo_t* dtad_difo;
  struct dtrace_actdesc* dtad_next;
  dtrace_actkind_t dtad_kind;
  uint32_t dtad_ntuple;
  uint64_t dtad_arg, dtad_uarg;
  int dtad_refcnt;
} dtrace_actdesc_t;

// dtrd_format is a number here; in libdtrace 2 it points to the format.
typedef struct dtrace_recdesc {
  dtrace_actkind_t dtrd_action;
  uint32_t dtrd_size, dtrd_offset;
  uint16_t dtrd_alignment, dtrd_format;
  uint64_t dtrd_arg, dtrd_uarg;
} dtrace_recdesc_t;

// As long as it has records.
typedef struct dtrace_eprobedesc {
  dtrace_epid_t dtepd_epid;
  dtrace_id_t dtepd_probeid;
  uint64_t dtepd_uarg;
  uint32_t dtepd_size;
  int dtepd_nrecs;
  dtrace_recdesc_t dtepd_rec[1];
} dtrace_eprobedesc_t;

// As long as it has records: the number of the variable, the keys, the value.
typedef struct dtrace_aggdesc {
  char* dtagd_name;
  dtrace_aggvarid_t dtagd_varid;
  int dtagd_flags;
  dtrace_aggid_t dtagd_id;
  dtrace_epid_t dtagd_epid;
  uint32_t dtagd_size;
  int dtagd_nrecs;
  uint32_t dtagd_pad;
  dtrace_recdesc_t dtagd_rec[1];
} dtrace_aggdesc_t;
