#include "controller/whole_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <system_error>

namespace td7 {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void Refuse(const std::string& path, int error) {
  throw std::runtime_error(path + " cannot be written: " + std::strerror(error));
}

std::string FolderOf(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  return folder.empty() ? "." : folder.string();
}

// An open file, closed at the end.
struct OpenFile {
  OpenFile(const std::string& name, int flags)
      : path(name), number(open(path.c_str(), flags, 0666)) {
    if (number < 0) Refuse(path, errno);
  }
  ~OpenFile() { close(number); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  void Sync() const {
    if (fsync(number) != 0) Refuse(path, errno);
  }

  const std::string path;
  const int number;
};

}  // namespace

void ExpectWritable(const std::string& path) {
  std::error_code error;
  if (path.empty() || fs::is_directory(path, error)) Refuse(path, path.empty() ? ENOENT : EISDIR);
  if (access(FolderOf(path).c_str(), W_OK | X_OK) != 0) Refuse(path, errno);
}

void WriteWhole(const std::string& path, const std::string& text) {
  const std::string partial = path + ".partial";
  {
    const OpenFile file(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
    for (std::size_t at = 0; at < text.size();) {
      const ssize_t wrote = write(file.number, text.data() + at, text.size() - at);
      if (wrote < 0 && errno != EINTR) Refuse(partial, errno);
      if (wrote > 0) at += static_cast<std::size_t>(wrote);
    }
    file.Sync();
  }
  if (std::rename(partial.c_str(), path.c_str()) != 0) Refuse(path, errno);
  OpenFile(FolderOf(path), O_RDONLY | O_CLOEXEC).Sync();  // the new name, too
}

}  // namespace td7
