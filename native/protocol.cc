#include "protocol.h"

#include <cstring>
#include <utility>

#include "json.h"

namespace dtc {
namespace {

std::string ToJson(const Failure& failure) {
  return json::Object().Put("code", failure.code).Put("reason", failure.reason).Put("errno", failure.error).Done();
}

json::Object Of(const char* type) {
  json::Object object;
  object.Put("type", type);
  return object;
}

struct Encoder {
  Packet operator()(Reply&& reply) const {
    json::Object object = Of("reply");
    object.Put("id", reply.id);
    if (const auto* failure = std::get_if<Failure>(&reply.result)) {
      return {PacketKind::kControl, object.PutJson("failure", ToJson(*failure)).Done(), {}};
    }
    auto& success = std::get<Success>(reply.result);
    if (!success.json.empty()) object.PutJson("value", success.json);
    return {PacketKind::kControl, object.Done(), std::move(success.data)};
  }

  Packet operator()(NewSource&& source) const {
    json::Object object = Of("source");
    object.Put("source", source.source).Put("statement", source.statement).PutJson("probe", ToJson(source.probe));
    if (source.program) object.Put("program", *source.program);
    if (source.layout) object.PutJson("layout", ToJson(*source.layout));
    return Control(object);
  }

  Packet operator()(Batch&& batch) const { return {PacketKind::kBatch, {}, std::move(batch.data), batch.place}; }

  Packet operator()(Drop&& drop) const {
    json::Object object = Of("drop");
    object.Put("kind", drop.kind).Put("count", drop.count).Put("total", drop.total).Put("message", drop.message);
    if (drop.cpu) object.Put("cpu", *drop.cpu);
    return Control(object);
  }

  Packet operator()(Fault&& fault) const {
    json::Object object = Of("fault");
    object.PutJson("probe", ToJson(fault.probe))
        .Put("count", fault.count)
        .Put("cpu", fault.cpu)
        .Put("fault", fault.fault)
        .Put("name", fault.name)
        .PutJson("address", json::Big(fault.address))
        .Put("message", fault.message);
    return {PacketKind::kFault, object.Done(), {}};
  }

  Packet operator()(OptionSet&& option) const {
    return Control(Of("option")
                       .PutJson("probe", ToJson(option.probe))
                       .Put("name", option.name)
                       .Put("value", option.value)
                       .Put("previous", option.previous));
  }

  Packet operator()(Exit&& exit) const { return Control(Of("exit").Put("status", exit.status)); }

  Packet operator()(ProcessExited&& process) const {
    json::Object object = Of("process");
    object.Put("pid", process.pid);
    if (process.status) object.Put("status", *process.status);
    if (process.signal) object.Put("signal", *process.signal);
    return Control(object);
  }

  Packet operator()(Died&& died) const { return Control(Of("died").PutJson("failure", ToJson(died.failure))); }

  Packet operator()(Ended&& /*ended*/) const { return {PacketKind::kEnd, Of("ended").Done(), {}}; }

  static Packet Control(const json::Object& object) { return {PacketKind::kControl, object.Done(), {}}; }
};

}  // namespace

Packet Encode(Message message) { return std::visit(Encoder{}, std::move(message)); }

std::string ToJson(const ProbeName& probe) {
  return json::Object()
      .Put("id", probe.id)
      .Put("provider", probe.provider)
      .Put("module", probe.module)
      .Put("function", probe.function)
      .Put("name", probe.name)
      .Done();
}

std::string ToJson(const Statement& statement) {
  json::Array fields;
  for (size_t i = 0; i < statement.fields.size(); i++) {
    const FieldSource& source = statement.sources[i];
    json::Object field;
    field.Put("kind", static_cast<unsigned>(statement.fields[i].kind))
        .Put("action", source.action)
        .Put("size", source.size)
        .Put("offset", statement.fields[i].wire_offset)
        // Sizes and flags; the only large ones are of no use to the reader.
        .Put("argument", static_cast<double>(source.argument));
    if (source.has_format) field.Put("format", source.format);
    fields.AddJson(field.Done());
  }
  json::Object layout;
  layout.Put("size", statement.wire_size).PutJson("fields", fields.Done());
  if (statement.text_offset != 0) layout.Put("text", statement.text_offset);
  if (statement.flow_offset != 0) layout.Put("flow", statement.flow_offset);
  return layout.Done();
}

template <typename Value>
Value CommandReader::Number() {
  Value value = 0;
  return Take(&value, sizeof value) ? value : Value{0};
}

template uint8_t CommandReader::Number<uint8_t>();
template uint32_t CommandReader::Number<uint32_t>();
template uint64_t CommandReader::Number<uint64_t>();

bool CommandReader::Take(void* to, size_t size) {
  good_ = good_ && size <= left_;
  if (!good_) return false;
  std::memcpy(to, data_, size);
  data_ += size;
  left_ -= size;
  return true;
}

std::string CommandReader::Text() {
  const uint32_t length = Word();
  good_ = good_ && length <= left_;
  if (!good_) return {};
  std::string text(length, '\0');
  Take(text.data(), length);
  return text;
}

std::optional<std::string> CommandReader::OptionalText() {
  if (!Flag()) return std::nullopt;
  return Text();
}

std::vector<std::string> CommandReader::Texts() {
  std::vector<std::string> texts;
  const uint32_t count = Word();
  // Each has a length of its own, so there can't be more of them than that.
  good_ = good_ && count <= left_ / sizeof count;
  for (uint32_t i = 0; i < count && good_; i++) texts.push_back(Text());
  return texts;
}

}  // namespace dtc
