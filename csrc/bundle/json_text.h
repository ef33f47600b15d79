// Strings and numbers as JSON has them, whatever the locale of the program.
#ifndef TD7_BUNDLE_JSON_TEXT_H_
#define TD7_BUNDLE_JSON_TEXT_H_

#include <cmath>
#include <locale>
#include <sstream>
#include <string>

namespace td7 {

// A stream that neither groups digits nor writes a comma in a number.
inline std::ostringstream PlainStream(int digits = 6) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out.precision(digits);
  return out;
}

inline std::string JsonString(const std::string& text) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += std::string("\\") + c;
    } else if (byte < 0x20) {
      out += std::string("\\u00") + kDigits[byte >> 4] + kDigits[byte & 15U];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// With `digits` significant ones; null for NaN and infinity, which JSON has not.
inline std::string JsonNumber(double value, int digits = 9) {
  if (!std::isfinite(value)) return "null";
  std::ostringstream out = PlainStream(digits);
  out << value;
  return out.str();
}

}  // namespace td7

#endif  // TD7_BUNDLE_JSON_TEXT_H_
