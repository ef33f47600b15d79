// Texts of others on their way to a terminal, where control characters would act.
#ifndef TD7_BUNDLE_TERMINAL_TEXT_H_
#define TD7_BUNDLE_TERMINAL_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace td7 {

// The text with "\x1b" for such a character, those of UTF-8 (U+0080 to U+009F) included; ends of
// lines stay where `lines` says so.
inline std::string TerminalText(std::string_view text, bool lines = false) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string out;
  std::size_t left = 0;  // of a character that is escaped
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0U;
    if (byte < 0x20 || byte == 0x7F) left = lines && text[i] == '\n' ? 0 : 1;
    if (byte == 0xC2 && next >= 0x80 && next < 0xA0) left = 2;
    if (left == 0) {
      out += text[i];
    } else {
      out += std::string("\\x") + kDigits[byte >> 4] + kDigits[byte & 15U];
      --left;
    }
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

#endif  // TD7_BUNDLE_TERMINAL_TEXT_H_
