// Numbers for error texts: as few digits as tell the value from its neighbours.
#ifndef TD7_REPLAY_NUMBER_TEXT_H_
#define TD7_REPLAY_NUMBER_TEXT_H_

#include <limits>
#include <locale>
#include <sstream>
#include <string>
#include <type_traits>

namespace td7 {

template <typename T>
std::string NumberText(T value) {
  const auto write = [value](int digits) {
    std::ostringstream text;
    text.imbue(std::locale::classic());
    text.precision(digits);
    text << value;
    return text.str();
  };
  if constexpr (std::is_floating_point_v<T>) {
    for (int digits = std::numeric_limits<T>::digits10;; ++digits) {
      std::istringstream text(write(digits));
      text.imbue(std::locale::classic());
      T back = 0;
      const bool same = (text >> back) && back == value;
      if (same || digits == std::numeric_limits<T>::max_digits10) return text.str();
    }
  } else {
    return write(0);
  }
}

}  // namespace td7

#endif  // TD7_REPLAY_NUMBER_TEXT_H_
