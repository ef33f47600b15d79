#include "bundle/whole_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <stdexcept>

namespace td7 {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void Refuse(const std::string& path, const char* why) {
  throw std::runtime_error(path + " cannot be written: " + why);
}

[[noreturn]] void Refuse(const std::string& path, int error) { Refuse(path, std::strerror(error)); }

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
  // Some file systems have no fsync of folders.
  void SyncFolder() const {
    if (fsync(number) != 0 && errno != EINVAL) Refuse(path, errno);
  }

  const std::string path;
  const int number;
};

// What renaming would replace must be a file, too: not /dev/null, a pipe or a link.
void ExpectPlain(const std::string& path) {
  struct stat status{};
  if (path.empty()) Refuse(path, ENOENT);
  if (lstat(path.c_str(), &status) != 0) return;  // nothing there, or told as it is written
  if (S_ISDIR(status.st_mode)) Refuse(path, EISDIR);
  if (!S_ISREG(status.st_mode)) Refuse(path, "it is no plain file");
}

// A file that was not there before: whatever had the name, a link too, is removed.
constexpr int kNew = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

std::string PartialOf(const std::string& path) {
  ExpectPlain(path);
  const std::string partial = path + ".partial";
  unlink(partial.c_str());  // what stays nevertheless is told by open
  return partial;
}

}  // namespace

void ExpectWritable(const std::string& path) {
  const std::string partial = PartialOf(path);
  {
    const OpenFile file(partial, kNew);
  }
  unlink(partial.c_str());
}

void WriteWhole(const std::string& path, const std::string& text) {
  const std::string partial = PartialOf(path);
  {
    const OpenFile file(partial, kNew);
    for (std::size_t at = 0; at < text.size();) {
      const ssize_t wrote = write(file.number, text.data() + at, text.size() - at);
      if (wrote < 0 && errno != EINTR) Refuse(partial, errno);
      if (wrote > 0) at += static_cast<std::size_t>(wrote);
    }
    file.Sync();
  }
  if (std::rename(partial.c_str(), path.c_str()) != 0) Refuse(path, errno);
  OpenFile(FolderOf(path), O_RDONLY | O_CLOEXEC).SyncFolder();  // the new name, too
}

}  // namespace td7
