// A strict JSON reader (RFC 8259) for files that may be hostile.
//
// Refused: anything after the value, a comma too many, comments, NaN and infinity, numbers beyond
// double, control characters and broken UTF-8 or surrogates in strings, a name twice in an object,
// more than 32 levels. Memory: at most about 160 times the text, so limit the text.
//
// Threads: values are constant once read. Errors: std::runtime_error that begins with the name
// given and says where ("manifest.json: no JSON at byte 17: ..."), or which member is not as it
// should be.
#ifndef TD7_BUNDLE_JSON_H_
#define TD7_BUNDLE_JSON_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace td7 {

struct JsonMember;

struct JsonValue {
  enum class Kind { kNull, kBoolean, kNumber, kString, kArray, kObject };

  Kind kind = Kind::kNull;
  bool boolean = false;
  double number = 0.0;
  std::string string;               // UTF-8
  std::vector<JsonValue> items;     // of an array
  std::vector<JsonMember> members;  // of an object, sorted by name
  std::size_t begin = 0;            // the value's first byte in the text

  // The object's member of that name, or nullptr if there is none or this is no object.
  const JsonValue* Find(std::string_view name) const;
};

struct JsonMember {
  std::string name;
  JsonValue value;
};

// Reads a text that holds one value; `file` is how errors call it.
JsonValue ReadJson(std::string_view text, const std::string& file);

}  // namespace td7

#endif  // TD7_BUNDLE_JSON_H_
