// Files of saved state: bytes in order, a checksum at the end, and errors that name the file; and
// files written or read at once.
//
// Not here: what the bytes mean (lap_state.h). Not thread-safe.
#ifndef TD7_REPLAY_FILES_STATE_FILE_H_
#define TD7_REPLAY_FILES_STATE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "replay/files/checksum.h"

namespace td7 {

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, FileCloser>;

// Writes a whole file, to the device; reads one, REQUIRES: of that size. Throw std::system_error.
void WriteFile(const std::string& path, const void* data, std::size_t bytes);
void ReadFile(const std::string& path, void* data, std::size_t bytes);

// Waits until the names in a folder lie on the device, where the system can tell.
void SettleFolder(const std::string& folder);

// Appends to path + ".partial" and to its checksum. Methods throw std::system_error; a writer that
// goes without having finished removes its file.
class StateWriter {
 public:
  explicit StateWriter(const std::string& path);
  ~StateWriter();
  StateWriter(const StateWriter&) = delete;
  StateWriter& operator=(const StateWriter&) = delete;
  void Bytes(const void* data, std::size_t bytes);
  void Finish();  // the checksum, then to the device under the name `path`

  template <typename T>
  void Value(const T& value) {
    Bytes(&value, sizeof value);
  }
  template <typename T>
  void Values(const std::vector<T>& values) {
    Bytes(values.data(), values.size() * sizeof(T));
  }

 private:
  std::string path_;
  std::string partial_;
  File file_;
  Checksum checksum_;
  bool finished_ = false;
};

// Reads a file in order. Methods throw std::system_error, and std::invalid_argument at the file's
// end.
class StateReader {
 public:
  explicit StateReader(const std::string& path);
  std::uint64_t file_bytes() const { return file_bytes_; }
  void Expect(std::uint64_t bytes) const;  // that so many are left: ask before making room for them
  void Bytes(void* data, std::size_t bytes);
  void Finish();  // REQUIRES: all read but the checksum
  [[noreturn]] void Refuse(const std::string& why) const;

  template <typename T>
  T Value() {
    T value;
    Bytes(&value, sizeof value);
    return value;
  }
  template <typename T>
  std::vector<T> Values(std::size_t count) {
    if (count > left_ / sizeof(T)) Refuse("is torn or altered");
    std::vector<T> values(count);
    Bytes(values.data(), count * sizeof(T));
    return values;
  }

 private:
  std::string path_;
  File file_;
  Checksum checksum_;
  std::uint64_t file_bytes_;
  std::uint64_t left_;
};

}  // namespace td7

#endif  // TD7_REPLAY_FILES_STATE_FILE_H_
