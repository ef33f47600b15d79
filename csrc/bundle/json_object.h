// An object of JSON that was read, asked for what it should hold.
//
// Threads: const methods at any time. Errors: std::runtime_error that names file and member:
// "F: obs.shape must be an array of numbers, got a string". Names and values of the file are cut
// and their control characters escaped there. Ownership: refers to the value, which
// must live longer.
#ifndef TD7_BUNDLE_JSON_OBJECT_H_
#define TD7_BUNDLE_JSON_OBJECT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bundle/json.h"

namespace td7 {

class JsonObject {
 public:
  // Throws unless the value is an object; `path` is "" or ends with a dot.
  JsonObject(const JsonValue& value, std::string file, std::string path = "");

  bool Holds(std::string_view name) const { return value_->Find(name) != nullptr; }
  const std::string& String(std::string_view name) const;
  double Number(std::string_view name) const;
  std::vector<double> Numbers(std::string_view name) const;
  JsonObject Object(std::string_view name) const;
  void ExpectTrue(std::string_view name) const;
  const std::vector<JsonMember>& members() const { return value_->members; }

  // "F: PATH.NAME must be WANTED, got ..."
  [[noreturn]] void Refuse(std::string_view name, const std::string& wanted) const;

 private:
  const JsonValue& Member(std::string_view name, JsonValue::Kind kind, const char* wanted) const;

  const JsonValue* value_;
  std::string file_;
  std::string path_;
};

// The number as a count from `least` to 2^53, or -1 if it is none.
std::int64_t JsonCount(double number, std::int64_t least);

}  // namespace td7

#endif  // TD7_BUNDLE_JSON_OBJECT_H_
