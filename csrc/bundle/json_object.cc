#include "bundle/json_object.h"

#include <cmath>
#include <locale>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "bundle/terminal_text.h"

namespace td7 {
namespace {

const char* KindName(JsonValue::Kind kind) {
  switch (kind) {
    case JsonValue::Kind::kNull:
      return "null";
    case JsonValue::Kind::kBoolean:
      return "a boolean";
    case JsonValue::Kind::kNumber:
      return "a number";
    case JsonValue::Kind::kString:
      return "a string";
    case JsonValue::Kind::kArray:
      return "an array";
    default:
      return "an object";
  }
}

// the value as an error tells it, never long, and safe to print
std::string Shown(const JsonValue* value) {
  if (value == nullptr) return "nothing";
  if (value->kind == JsonValue::Kind::kBoolean) return value->boolean ? "true" : "false";
  if (value->kind == JsonValue::Kind::kString) return "'" + ShortText(value->string) + "'";
  if (value->kind == JsonValue::Kind::kNumber) {
    std::ostringstream text;
    text.imbue(std::locale::classic());
    text << value->number;
    return text.str();
  }
  return KindName(value->kind);
}

}  // namespace

JsonObject::JsonObject(const JsonValue& value, std::string file, std::string path)
    : value_(&value), file_(std::move(file)), path_(std::move(path)) {
  if (value.kind == JsonValue::Kind::kObject) return;
  const std::string what = path_.empty() ? "the content" : path_.substr(0, path_.size() - 1);
  throw std::runtime_error(file_ + ": " + what + " must be an object, got " + Shown(value_));
}

void JsonObject::Refuse(std::string_view name, const std::string& wanted) const {
  throw std::runtime_error(file_ + ": " + path_ + ShortText(name) + " must be " + wanted +
                           ", got " + Shown(value_->Find(name)));
}

const JsonValue& JsonObject::Member(std::string_view name, JsonValue::Kind kind,
                                    const char* wanted) const {
  const JsonValue* const value = value_->Find(name);
  if (value == nullptr || value->kind != kind) Refuse(name, wanted);
  return *value;
}

const std::string& JsonObject::String(std::string_view name) const {
  return Member(name, JsonValue::Kind::kString, "a string").string;
}

double JsonObject::Number(std::string_view name) const {
  return Member(name, JsonValue::Kind::kNumber, "a number").number;
}

std::vector<double> JsonObject::Numbers(std::string_view name) const {
  constexpr const char* kWanted = "an array of numbers";
  std::vector<double> numbers;
  for (const JsonValue& item : Member(name, JsonValue::Kind::kArray, kWanted).items) {
    if (item.kind != JsonValue::Kind::kNumber) Refuse(name, kWanted);
    numbers.push_back(item.number);
  }
  return numbers;
}

void JsonObject::ExpectTrue(std::string_view name) const {
  if (!Member(name, JsonValue::Kind::kBoolean, "true").boolean) Refuse(name, "true");
}

JsonObject JsonObject::Object(std::string_view name) const {
  const JsonValue& value = Member(name, JsonValue::Kind::kObject, "an object");
  return {value, file_, path_ + ShortText(name) + "."};
}

std::int64_t JsonCount(double number, std::int64_t least) {
  constexpr double kMost = 9007199254740992.0;  // 2^53
  const bool whole = number == std::floor(number);
  if (!whole || number < static_cast<double>(least) || number > kMost) return -1;
  return static_cast<std::int64_t>(number);
}

}  // namespace td7
