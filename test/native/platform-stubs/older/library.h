// Declarations for `npm run check`: as much of <dtrace.h> as native/ uses and illumos, FreeBSD and macOS have in
// common, written from what they publish and document. Each system's dtrace.h has the rest.
#pragma once

#include <stdio.h>
#include <sys/dtrace.h>

#define DTRACE_VERSION 3

typedef struct dtrace_hdl dtrace_hdl_t;
typedef struct dtrace_prog dtrace_prog_t;
struct ps_prochandle;

#ifdef __cplusplus
extern "C" {
#endif

// The handle.
dtrace_hdl_t* dtrace_open(int, int, int*);
int dtrace_go(dtrace_hdl_t*);
int dtrace_stop(dtrace_hdl_t*);
void dtrace_sleep(dtrace_hdl_t*);
void dtrace_close(dtrace_hdl_t*);
int dtrace_errno(dtrace_hdl_t*);
const char* dtrace_errmsg(dtrace_hdl_t*, int);
const char* dtrace_faultstr(dtrace_hdl_t*, int);
int dtrace_setopt(dtrace_hdl_t*, const char*, const char*);
int dtrace_getopt(dtrace_hdl_t*, const char*, dtrace_optval_t*);
int dtrace_status(dtrace_hdl_t*);

// Programs. The attributes that begin dtrace_proginfo_t are three bytes each.
typedef uint8_t dtrace_stability_t, dtrace_class_t;
typedef struct dtrace_attribute {
  uint8_t dtat_name, dtat_data, dtat_class;
} dtrace_attribute_t;
typedef struct dtrace_proginfo {
  dtrace_attribute_t dpi_descattr, dpi_stmtattr;
  uint_t dpi_aggregates, dpi_recgens, dpi_matches, dpi_speculations;
} dtrace_proginfo_t;
typedef struct dtrace_stmtdesc {
  struct dtrace_ecbdesc* dtsd_ecbdesc;
  dtrace_actdesc_t *dtsd_action, *dtsd_action_last;
  void *dtsd_aggdata, *dtsd_fmtdata, *dtsd_strdata;
} dtrace_stmtdesc_t;
dtrace_prog_t* dtrace_program_fcompile(dtrace_hdl_t*, FILE*, uint_t, int, char* const[]);
int dtrace_program_exec(dtrace_hdl_t*, dtrace_prog_t*, dtrace_proginfo_t*);
typedef int dtrace_stmt_f(dtrace_hdl_t*, dtrace_prog_t*, dtrace_stmtdesc_t*, void*);
int dtrace_stmt_iter(dtrace_hdl_t*, dtrace_prog_t*, dtrace_stmt_f*, void*);
size_t dtrace_printf_format(dtrace_hdl_t*, void*, char*, size_t);

typedef int dtrace_stmt_f(dtrace_hdl_t*, dtrace_prog_t*, dtrace_stmtdesc_t*, void*);
int dtrace_stmt_iter(dtrace_hdl_t*, dtrace_prog_t*, dtrace_stmt_f*, void*);

// Types, of which libctf knows the names.
typedef struct ctf_file ctf_file_t;
typedef long ctf_id_t;
char* ctf_type_name(ctf_file_t*, ctf_id_t, char*, size_t);
typedef struct dtrace_typeinfo {
  const char* dtt_object;
  ctf_file_t* dtt_ctfp;
  ctf_id_t dtt_type;
} dtrace_typeinfo_t;

// Probes.
typedef enum {
  DTRACE_PROBESPEC_NONE = -1,
  DTRACE_PROBESPEC_PROVIDER = 0,
  DTRACE_PROBESPEC_MOD,
  DTRACE_PROBESPEC_FUNC,
  DTRACE_PROBESPEC_NAME
} dtrace_probespec_t;
typedef struct dtrace_probeinfo {
  dtrace_attribute_t dtp_attr, dtp_arga;
  const dtrace_typeinfo_t* dtp_argv;
  int dtp_argc;
} dtrace_probeinfo_t;
typedef int dtrace_probe_f(dtrace_hdl_t*, const dtrace_probedesc_t*, void*);
int dtrace_probe_iter(dtrace_hdl_t*, const dtrace_probedesc_t*, dtrace_probe_f*, void*);
int dtrace_probe_info(dtrace_hdl_t*, const dtrace_probedesc_t*, dtrace_probeinfo_t*);
int dtrace_str2desc(dtrace_hdl_t*, dtrace_probespec_t, const char*, dtrace_probedesc_t*);
int dtrace_id2desc(dtrace_hdl_t*, dtrace_id_t, dtrace_probedesc_t*);
const char* dtrace_stability_name(dtrace_stability_t);
const char* dtrace_class_name(dtrace_class_t);

// Data.
#define DTRACE_C_EMPTY 0x0002
#define DTRACE_CONSUME_ERROR (-1)
#define DTRACE_CONSUME_THIS 0
#define DTRACE_CONSUME_NEXT 1
#define DTRACE_CONSUME_ABORT 2
typedef enum { DTRACE_WORKSTATUS_ERROR = -1, DTRACE_WORKSTATUS_OKAY, DTRACE_WORKSTATUS_DONE } dtrace_workstatus_t;
typedef enum { DTRACEFLOW_ENTRY, DTRACEFLOW_RETURN, DTRACEFLOW_NONE } dtrace_flowkind_t;
typedef struct dtrace_probedata {
  dtrace_hdl_t* dtpda_handle;
  dtrace_eprobedesc_t* dtpda_edesc;
  dtrace_probedesc_t* dtpda_pdesc;
  processorid_t dtpda_cpu;
  caddr_t dtpda_data;
  dtrace_flowkind_t dtpda_flow;
  const char* dtpda_prefix;
  int dtpda_indent;
} dtrace_probedata_t;
typedef int dtrace_consume_probe_f(const dtrace_probedata_t*, void*);
typedef int dtrace_consume_rec_f(const dtrace_probedata_t*, const dtrace_recdesc_t*, void*);
dtrace_workstatus_t dtrace_work(dtrace_hdl_t*, FILE*, dtrace_consume_probe_f*, dtrace_consume_rec_f*, void*);

// Aggregations. What libdtrace keeps beside its own differs.
#define DTRACE_AGD_PRINTED 0x1
#define DTRACE_AGGWALK_ERROR (-1)
#define DTRACE_AGGWALK_NEXT 0
#define DTRACE_AGGWALK_ABORT 1
#define DTRACE_AGGWALK_CLEAR 2
#define DTRACE_AGGWALK_NORMALIZE 3
#define DTRACE_AGGWALK_DENORMALIZE 4
#define DTRACE_AGGWALK_REMOVE 5
typedef struct dtrace_aggdata {
  dtrace_hdl_t* dtada_handle;
  dtrace_aggdesc_t* dtada_desc;
  dtrace_eprobedesc_t* dtada_edesc;
  dtrace_probedesc_t* dtada_pdesc;
  caddr_t dtada_data;
  uint64_t dtada_normal;
  size_t dtada_size;
  caddr_t dtada_delta;
  caddr_t* dtada_percpu;
  caddr_t* dtada_percpu_delta;
} dtrace_aggdata_t;
typedef int dtrace_aggregate_f(const dtrace_aggdata_t*, void*);
typedef int dtrace_aggregate_walk_joined_f(const dtrace_aggdata_t**, const int, void*);
int dtrace_aggregate_snap(dtrace_hdl_t*);
typedef int dtrace_aggregate_walk_f(dtrace_hdl_t*, dtrace_aggregate_f*, void*);
int dtrace_aggregate_print(dtrace_hdl_t*, FILE*, dtrace_aggregate_walk_f*);
int dtrace_aggregate_walk(dtrace_hdl_t*, dtrace_aggregate_f*, void*);
int dtrace_aggregate_walk_joined(dtrace_hdl_t*, dtrace_aggvarid_t*, int, dtrace_aggregate_walk_joined_f*, void*);
int dtrace_aggregate_walk_keysorted(dtrace_hdl_t*, dtrace_aggregate_f*, void*);
int dtrace_aggregate_walk_valsorted(dtrace_hdl_t*, dtrace_aggregate_f*, void*);
int dtrace_aggregate_walk_keyvarsorted(dtrace_hdl_t*, dtrace_aggregate_f*, void*);
int dtrace_aggregate_walk_valvarsorted(dtrace_hdl_t*, dtrace_aggregate_f*, void*);
int dtrace_aggregate_walk_keyrevsorted(dtrace_hdl_t*, dtrace_aggregate_f*, void*);
int dtrace_aggregate_walk_valrevsorted(dtrace_hdl_t*, dtrace_aggregate_f*, void*);
int dtrace_aggregate_walk_keyvarrevsorted(dtrace_hdl_t*, dtrace_aggregate_f*, void*);
int dtrace_aggregate_walk_valvarrevsorted(dtrace_hdl_t*, dtrace_aggregate_f*, void*);

// Handlers.
#define DTRACE_HANDLE_ABORT (-1)
#define DTRACE_HANDLE_OK 0
typedef struct dtrace_errdata {
  dtrace_hdl_t* dteda_handle;
  dtrace_eprobedesc_t* dteda_edesc;
  dtrace_probedesc_t* dteda_pdesc;
  processorid_t dteda_cpu;
  int dteda_action, dteda_offset, dteda_fault;
  uint64_t dteda_addr;
  const char* dteda_msg;
} dtrace_errdata_t;
typedef int dtrace_handle_err_f(const dtrace_errdata_t*, void*);
int dtrace_handle_err(dtrace_hdl_t*, dtrace_handle_err_f*, void*);

typedef enum {
  DTRACEDROP_PRINCIPAL,
  DTRACEDROP_AGGREGATION,
  DTRACEDROP_DYNAMIC,
  DTRACEDROP_DYNRINSE,
  DTRACEDROP_DYNDIRTY,
  DTRACEDROP_SPEC,
  DTRACEDROP_SPECBUSY,
  DTRACEDROP_SPECUNAVAIL,
  DTRACEDROP_STKSTROVERFLOW,
  DTRACEDROP_DBLERROR
} dtrace_dropkind_t;
typedef struct dtrace_dropdata {
  dtrace_hdl_t* dtdda_handle;
  processorid_t dtdda_cpu;
  dtrace_dropkind_t dtdda_kind;
  uint64_t dtdda_drops, dtdda_total;
  const char* dtdda_msg;
} dtrace_dropdata_t;
typedef int dtrace_handle_drop_f(const dtrace_dropdata_t*, void*);
int dtrace_handle_drop(dtrace_hdl_t*, dtrace_handle_drop_f*, void*);

typedef struct dtrace_setoptdata {
  dtrace_hdl_t* dtsda_handle;
  const dtrace_probedata_t* dtsda_probe;
  const char* dtsda_option;
  dtrace_optval_t dtsda_oldval, dtsda_newval;
} dtrace_setoptdata_t;
typedef int dtrace_handle_setopt_f(const dtrace_setoptdata_t*, void*);
int dtrace_handle_setopt(dtrace_hdl_t*, dtrace_handle_setopt_f*, void*);

// Processes. Starting one differs.
typedef void dtrace_handle_proc_f(struct ps_prochandle*, const char*, void*);
int dtrace_handle_proc(dtrace_hdl_t*, dtrace_handle_proc_f*, void*);
struct ps_prochandle* dtrace_proc_grab(dtrace_hdl_t*, pid_t, int);
void dtrace_proc_release(dtrace_hdl_t*, struct ps_prochandle*);
void dtrace_proc_continue(dtrace_hdl_t*, struct ps_prochandle*);

// Symbols. The kernel's differ.
typedef struct dtrace_syminfo {
  const char* dts_object;
  const char* dts_name;
  ulong_t dts_id;
} dtrace_syminfo_t;
int dtrace_uaddr2str(dtrace_hdl_t*, pid_t, uint64_t, char*, int);

#ifdef __cplusplus
}
#endif
