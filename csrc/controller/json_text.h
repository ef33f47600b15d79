// Strings and numbers as JSON has them.
#ifndef TD7_CONTROLLER_JSON_TEXT_H_
#define TD7_CONTROLLER_JSON_TEXT_H_

#include <cmath>
#include <cstdio>
#include <string>

namespace td7 {

inline std::string JsonString(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += std::string("\\") + c;
    } else if (byte < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(byte));
      out += escape;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// With `digits` significant ones; null for NaN and infinity, which JSON has not.
inline std::string JsonNumber(double value, int digits = 9) {
  if (!std::isfinite(value)) return "null";
  char text[64];
  std::snprintf(text, sizeof text, "%.*g", digits, value);
  return text;
}

}  // namespace td7

#endif  // TD7_CONTROLLER_JSON_TEXT_H_
