#include "bundle/json.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <locale>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace td7 {
namespace {

constexpr int kMostLevels = 32;

class Reader {
 public:
  Reader(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  JsonValue Text() {
    JsonValue value = Value(0);
    SkipSpace();
    if (at_ != text_.size()) Refuse("something follows the value");
    return value;
  }

 private:
  [[noreturn]] void Refuse(const std::string& why) const {
    throw std::runtime_error(file_ + ": no JSON at byte " + std::to_string(at_) + ": " + why);
  }

  // the next byte, or 0 at the end: no value begins or goes on with 0
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  static bool IsDigit(char c) { return c >= '0' && c <= '9'; }

  bool Take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void SkipSpace() {
    while (Peek() == ' ' || Peek() == '\n' || Peek() == '\r' || Peek() == '\t') ++at_;
  }

  JsonValue Value(int level) {
    if (level > kMostLevels) Refuse("more than 32 levels");
    SkipSpace();
    JsonValue value;
    value.begin = at_;
    const char c = Peek();
    if (c == '{') {
      Object(level, &value);
    } else if (c == '[') {
      Array(level, &value);
    } else if (c == '"') {
      value.kind = JsonValue::Kind::kString;
      value.string = String();
    } else if (c == '-' || IsDigit(c)) {
      Number(&value);
    } else {
      Word(&value);
    }
    return value;
  }

  void Word(JsonValue* value) {
    const auto take = [&](std::string_view word) {
      if (text_.substr(at_, word.size()) != word) return false;
      at_ += word.size();
      return true;
    };
    if (take("null")) return;
    value->kind = JsonValue::Kind::kBoolean;
    if (take("true")) {
      value->boolean = true;
    } else if (!take("false")) {
      Refuse("a value was expected");
    }
  }

  void Digits() {
    if (!IsDigit(Peek())) Refuse("a digit was expected");
    while (IsDigit(Peek())) ++at_;
  }

  void Number(JsonValue* value) {
    const std::size_t from = at_;
    Take('-');
    if (!Take('0')) Digits();
    if (Take('.')) Digits();
    if (Take('e') || Take('E')) {
      if (!Take('+')) Take('-');
      Digits();
    }
    // strtod would follow the program's locale
    std::istringstream number(std::string(text_.substr(from, at_ - from)));
    number.imbue(std::locale::classic());
    value->kind = JsonValue::Kind::kNumber;
    if (!(number >> value->number) || !std::isfinite(value->number)) {
      Refuse("the number before is beyond double");
    }
  }

  void Array(int level, JsonValue* value) {
    value->kind = JsonValue::Kind::kArray;
    Take('[');
    SkipSpace();
    if (Take(']')) return;
    do {
      value->items.push_back(Value(level + 1));
      SkipSpace();
    } while (Take(','));
    if (!Take(']')) Refuse("a comma or ] was expected");
  }

  void Object(int level, JsonValue* value) {
    value->kind = JsonValue::Kind::kObject;
    std::vector<JsonMember>& members = value->members;
    Take('{');
    SkipSpace();
    if (Take('}')) return;
    do {
      SkipSpace();
      std::string name = String();
      SkipSpace();
      if (!Take(':')) Refuse("a colon was expected");
      members.push_back({std::move(name), Value(level + 1)});
      SkipSpace();
    } while (Take(','));
    if (!Take('}')) Refuse("a comma or } was expected");
    std::sort(members.begin(), members.end(),
              [](const JsonMember& a, const JsonMember& b) { return a.name < b.name; });
    const auto twice = std::adjacent_find(
        members.begin(), members.end(),
        [](const JsonMember& a, const JsonMember& b) { return a.name == b.name; });
    if (twice != members.end()) Refuse("a name stands twice in the object before");
  }

  std::string String() {
    if (!Take('"')) Refuse("a string was expected");
    std::string out;
    while (!Take('"')) {
      if (at_ == text_.size()) Refuse("a string has no end");
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c < 0x20) Refuse("a control character in a string");
      if (c == '\\') {
        ++at_;
        Escape(&out);
      } else if (c < 0x80) {
        out += text_[at_++];
      } else {
        Utf8(&out);
      }
    }
    return out;
  }

  void Escape(std::string* out) {
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (Take('u')) return AppendCodePoint(CodePoint(), out);
    const std::size_t which = at_ < text_.size() ? kNames.find(text_[at_]) : kNames.npos;
    if (which == kNames.npos) Refuse("an unknown escape in a string");
    ++at_;
    *out += kMeanings[which];
  }

  std::uint32_t FourDigits() {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = Peek();
      const char letter = static_cast<char>(c | 0x20);
      if (IsDigit(c)) {
        value = value << 4 | static_cast<std::uint32_t>(c - '0');
      } else if (letter >= 'a' && letter <= 'f') {
        value = value << 4 | static_cast<std::uint32_t>(letter - 'a' + 10);
      } else {
        Refuse("four hexadecimal digits were expected");
      }
    }
    return value;
  }

  std::uint32_t CodePoint() {
    const std::uint32_t first = FourDigits();
    if (first < 0xD800 || first > 0xDFFF) return first;
    if (first > 0xDBFF || !Take('\\') || !Take('u')) Refuse("half a surrogate pair in a string");
    const std::uint32_t second = FourDigits();
    if (second < 0xDC00 || second > 0xDFFF) Refuse("half a surrogate pair in a string");
    return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
  }

  static void AppendCodePoint(std::uint32_t point, std::string* out) {
    const auto rest = [&](int shift) {
      *out += static_cast<char>(0x80 | (point >> shift & 0x3FU));
    };
    if (point < 0x80) {
      *out += static_cast<char>(point);
    } else if (point < 0x800) {
      *out += static_cast<char>(0xC0 | point >> 6);
      rest(0);
    } else if (point < 0x10000) {
      *out += static_cast<char>(0xE0 | point >> 12);
      rest(6);
      rest(0);
    } else {
      *out += static_cast<char>(0xF0 | point >> 18);
      rest(12);
      rest(6);
      rest(0);
    }
  }

  // copies one code point of two to four bytes
  void Utf8(std::string* out) {
    const auto lead = static_cast<unsigned char>(text_[at_]);
    const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    if (lead < 0xC2 || lead > 0xF4) Refuse("broken UTF-8 in a string");
    std::uint32_t point = lead & (0x3FU >> more);
    for (int i = 1; i <= more; ++i) {
      const std::size_t place = at_ + static_cast<std::size_t>(i);
      const auto next = place < text_.size() ? static_cast<unsigned char>(text_[place]) : 0U;
      if ((next & 0xC0U) != 0x80U) Refuse("broken UTF-8 in a string");
      point = point << 6 | (next & 0x3FU);
    }
    const std::uint32_t least = more == 1 ? 0x80 : more == 2 ? 0x800 : 0x10000;
    if (point < least || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) {
      Refuse("broken UTF-8 in a string");
    }
    AppendCodePoint(point, out);
    at_ += static_cast<std::size_t>(more) + 1;
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0;
};

}  // namespace

const JsonValue* JsonValue::Find(std::string_view name) const {
  const auto at =
      std::lower_bound(members.begin(), members.end(), name,
                       [](const JsonMember& a, std::string_view b) { return a.name < b; });
  return at != members.end() && at->name == name ? &at->value : nullptr;
}

JsonValue ReadJson(std::string_view text, const std::string& file) {
  return Reader(text, file).Text();
}

}  // namespace td7
