// Texts of others on their way to a terminal, where control characters would act.
#ifndef TD7_CONTROLLER_TERMINAL_TEXT_H_
#define TD7_CONTROLLER_TERMINAL_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace td7 {

// The text with "\x1b" for such a character, those of UTF-8 (U+0080 to U+009F) included; ends of
// lines stay where `lines` says so.
inline std::string TerminalText(std::string_view text, bool lines = false) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string out;
  unsigned char before = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool control = byte < 0x20 || byte == 0x7F || (before == 0xC2 && byte < 0xA0);
    if (control && !(lines && c == '\n')) {
      out += std::string("\\x") + kDigits[byte >> 4] + kDigits[byte & 15U];
    } else {
      out += c;
    }
    before = byte;
  }
  return out;
}

// The same of a name or a value, cut after about 80 bytes.
inline std::string ShortText(std::string_view text) {
  std::size_t most = 80;
  if (text.size() <= most) return TerminalText(text);
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0U) == 0x80U) --most;
  return TerminalText(text.substr(0, most)) + "...";
}

}  // namespace td7

#endif  // TD7_CONTROLLER_TERMINAL_TEXT_H_
