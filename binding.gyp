{
  "variables": {
    # Where dtrace.h is: a private copy (set by scripts/setup), else the system's own.
    "dtrace_include%": "<!(node -p \"process.env.DTRACE_INCLUDE || '/usr/include'\")"
  },
  "target_defaults": {
    "cflags_cc": ["-std=c++17", "-Wall", "-Wextra", "-fvisibility=hidden", "-idirafter", "<(dtrace_include)"],
    "xcode_settings": {
      "CLANG_CXX_LANGUAGE_STANDARD": "c++17",
      "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
      "OTHER_CPLUSPLUSFLAGS": ["-idirafter", "<(dtrace_include)"]
    }
  },
  "targets": [
    {
      # A session and its thread, for whatever process it runs in.
      "target_name": "dtrace_session",
      "type": "static_library",
      "sources": [
        "native/aggregation_rows.cc",
        "native/aggregations.cc",
        "native/code_name.cc",
        "native/commands.cc",
        "native/descriptor_watch.cc",
        "native/drops.cc",
        "native/firings.cc",
        "native/flow.cc",
        "native/json.cc",
        "native/libdtrace.cc",
        "native/probes.cc",
        "native/processes.cc",
        "native/protocol.cc",
        "native/record_batch.cc",
        "native/recorder.cc",
        "native/session.cc",
        "native/sources.cc",
        "native/statement.cc",
        "native/symbols.cc",
        "native/text_output.cc",
        "native/tracing.cc"
      ],
      "conditions": [
        ["OS=='linux'", {
          # What libdtrace 2 needs beside it. For the other systems everything is in native/platform's headers.
          "sources": [
            "native/platform/linux/buffers.cc",
            "native/platform/linux/cpus.cc",
            "native/platform/linux/descriptors.cc",
            "native/platform/linux/kallsyms.cc",
            "native/platform/linux/keeper.cc",
            "native/platform/linux/leave.cc",
            "native/platform/linux/loader_breakpoint.cc",
            "native/platform/linux/misses.cc",
            "native/platform/linux/priority.cc",
            "native/platform/linux/process_status.cc",
            "native/platform/linux/procfs_view.cc",
            "native/platform/linux/ring.cc",
            "native/platform/linux/types.cc",
            "native/platform/linux/wakeup.cc"
          ],
          "link_settings": { "libraries": ["-ldl"] }
        }]
      ]
    },
    {
      "target_name": "dtrace_consumer",
      "dependencies": ["dtrace_session"],
      "sources": ["native/addon.cc", "native/host_channel.cc", "native/children_usage.cc", "native/consumer.cc",
                  "native/kernel_symbol.cc", "native/packet_stream.cc", "native/reaper.cc", "native/signal_probe.cc",
                  "native/sockets.cc"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_DISABLE_DEPRECATED", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS",
                  # A worker that is being terminated can't be thrown at; without this, trying to ends the whole process.
                  "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"]
    },
    {
      # The same session in a process of its own.
      "target_name": "dtrace-consumer-host",
      "type": "executable",
      "dependencies": ["dtrace_session"],
      "sources": ["native/host/channel.cc", "native/host/main.cc", "native/host/pid.cc", "native/host/policy.cc"],
      "conditions": [["OS=='linux'", { "ldflags": ["-rdynamic"], "libraries": ["-pthread"] }]]
    }
  ],
  "conditions": [
    ["OS=='linux'", {
      "targets": [
        {
          # The parent of a process that a session starts.
          "target_name": "dtrace-consumer-keeper",
          "type": "executable",
          "sources": ["native/keeper/main.cc"],
          "cflags_cc": ["-std=c++17", "-Wall", "-Wextra"]
        }
      ]
    }]
  ]
}
