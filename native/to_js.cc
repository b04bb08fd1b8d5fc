#include "to_js.h"

#include <cstring>

namespace dtc {
namespace {

Napi::Object Of(Napi::Env env, const char* type) {
  Napi::Object object = Napi::Object::New(env);
  object["type"] = type;
  return object;
}

Napi::Object ToJs(Napi::Env env, const ProbeName& probe) {
  Napi::Object object = Napi::Object::New(env);
  object["id"] = probe.id;
  object["provider"] = probe.provider;
  object["module"] = probe.module;
  object["function"] = probe.function;
  object["name"] = probe.name;
  return object;
}

Napi::Object ToJs(Napi::Env env, const Failure& failure) {
  Napi::Object object = Napi::Object::New(env);
  object["code"] = failure.code;
  object["reason"] = failure.reason;
  object["errno"] = failure.error;
  return object;
}

Napi::Object ToJs(Napi::Env env, const Statement& statement) {
  Napi::Array fields = Napi::Array::New(env, statement.fields.size());
  for (uint32_t i = 0; i < statement.fields.size(); i++) {
    const FieldSource& source = statement.sources[i];
    Napi::Object field = Napi::Object::New(env);
    field["kind"] = static_cast<uint32_t>(statement.fields[i].kind);
    field["action"] = source.action;
    field["size"] = source.size;
    field["offset"] = statement.fields[i].wire_offset;
    field["argument"] = static_cast<double>(source.argument);
    if (source.has_format) field["format"] = source.format;
    fields[i] = field;
  }
  Napi::Object object = Napi::Object::New(env);
  object["size"] = statement.wire_size;
  object["fields"] = fields;
  return object;
}

struct Convert {
  Napi::Env env;

  Napi::Value operator()(const Reply& reply) const {
    Napi::Object object = Of(env, "reply");
    object["id"] = reply.id;
    if (const auto* failure = std::get_if<Failure>(&reply.result)) {
      object["failure"] = ToJs(env, *failure);
    } else if (const auto* text = std::get_if<std::string>(&reply.result)) {
      object["value"] = *text;
    } else if (const auto* number = std::get_if<int64_t>(&reply.result)) {
      object["value"] = static_cast<double>(*number);
    } else if (const auto* info = std::get_if<ProgramInfo>(&reply.result)) {
      Napi::Object value = Napi::Object::New(env);
      value["matches"] = info->matches;
      value["aggregations"] = info->aggregations;
      value["recordGenerators"] = info->record_generators;
      value["speculations"] = info->speculations;
      object["value"] = value;
    }
    return object;
  }

  Napi::Value operator()(const NewSource& source) const {
    Napi::Object object = Of(env, "source");
    object["source"] = source.source;
    object["statement"] = source.statement;
    object["probe"] = ToJs(env, source.probe);
    if (source.layout) object["layout"] = ToJs(env, *source.layout);
    return object;
  }

  // The commonest message by far goes bare: an object around it would cost as much again as its memory.
  Napi::Value operator()(const Batch& batch) const {
    // A copy into memory that the JavaScript heap owns: 0.01 µs a record, and nothing to release later.
    Napi::ArrayBuffer data = Napi::ArrayBuffer::New(env, batch.data.size());
    if (data.IsEmpty()) return {};  // no memory, or the environment is being terminated
    std::memcpy(data.Data(), batch.data.data(), batch.data.size());
    return data;
  }

  Napi::Value operator()(const Drop& drop) const {
    Napi::Object object = Of(env, "drop");
    object["kind"] = drop.kind;
    object["cpu"] = drop.cpu;
    object["count"] = static_cast<double>(drop.count);
    object["total"] = static_cast<double>(drop.total);
    object["message"] = drop.message;
    return object;
  }

  Napi::Value operator()(const Fault& fault) const {
    Napi::Object object = Of(env, "fault");
    object["probe"] = ToJs(env, fault.probe);
    object["count"] = fault.count;
    object["cpu"] = fault.cpu;
    object["fault"] = fault.fault;
    object["name"] = fault.name;
    object["address"] = Napi::BigInt::New(env, fault.address);
    object["message"] = fault.message;
    return object;
  }

  Napi::Value operator()(const Exit& exit) const {
    Napi::Object object = Of(env, "exit");
    object["status"] = exit.status;
    return object;
  }

  Napi::Value operator()(const Died& died) const {
    Napi::Object object = Of(env, "died");
    object["failure"] = ToJs(env, died.failure);
    return object;
  }
};

}  // namespace

Napi::Value ToJs(Napi::Env env, const Message& message) { return std::visit(Convert{env}, message); }

}  // namespace dtc
