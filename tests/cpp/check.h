// CHECK for the test programs: says what failed and where, and lets the program end with 1.
#ifndef TD7_TESTS_CPP_CHECK_H_
#define TD7_TESTS_CPP_CHECK_H_

#include <atomic>
#include <cstdio>
#include <string>

inline std::atomic<int> failures{0};

inline void Check(bool holds, const char* claim, const char* file, int line) {
  if (holds) return;
  ++failures;
  std::fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, claim);
}

#define CHECK(claim) Check((claim), #claim, __FILE__, __LINE__)

// The statement throws Error with a message that contains `text`.
#define CHECK_THROWS(statement, Error, text)                                          \
  do {                                                                                \
    std::string message = "nothing was thrown";                                       \
    try {                                                                             \
      statement;                                                                      \
    } catch (const Error& thrown) {                                                   \
      message = thrown.what();                                                        \
    }                                                                                 \
    if (message.find(text) == std::string::npos) {                                    \
      ++failures;                                                                     \
      std::fprintf(stderr, "%s:%d: %s gave \"%s\"\n", __FILE__, __LINE__, #statement, \
                   message.c_str());                                                  \
    }                                                                                 \
  } while (false)

#endif  // TD7_TESTS_CPP_CHECK_H_
