#include "replay/files/state_file.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <utility>

#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <unistd.h>
#define TD7_POSIX 1
#endif

namespace td7 {
namespace {

[[noreturn]] void ThrowSystem(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// Waits until what was written to the file lies on the device.
void Settle(std::FILE* file, const std::string& what) {
#if defined(F_FULLFSYNC)
  if (fcntl(fileno(file), F_FULLFSYNC) == 0) return;  // fsync alone stops at the drive's cache
#endif
#if defined(TD7_POSIX)
  if (fsync(fileno(file)) != 0) ThrowSystem(what);
#else
  (void)file;
  (void)what;
#endif
}

File Open(const std::string& path, const char* mode, const char* doing) {
  File file(std::fopen(path.c_str(), mode));
  if (file == nullptr) ThrowSystem(doing + path);
  return file;
}

void Close(File file, const std::string& what) {
  if (std::fflush(file.get()) != 0) ThrowSystem(what);
  Settle(file.get(), what);
  if (std::fclose(file.release()) != 0) ThrowSystem(what);
}

}  // namespace

void WriteFile(const std::string& path, const void* data, std::size_t bytes) {
  const std::string what = "cannot write " + path;
  File file = Open(path, "wb", "cannot write ");
  if (std::fwrite(data, 1, bytes, file.get()) != bytes) ThrowSystem(what);
  Close(std::move(file), what);
}

void ReadFile(const std::string& path, void* data, std::size_t bytes) {
  const File file = Open(path, "rb", "cannot read ");
  errno = 0;
  if (std::fread(data, 1, bytes, file.get()) != bytes) ThrowSystem("cannot read " + path);
}

void SettleFolder(const std::string& path) {
#if defined(TD7_POSIX)
  const int folder = open(path.empty() ? "." : path.c_str(), O_RDONLY | O_CLOEXEC);
  if (folder < 0) return;
  const bool failed = fsync(folder) != 0 && errno == EIO;
  close(folder);
  if (failed) {
    errno = EIO;
    ThrowSystem("cannot write the folder " + path);
  }
#else
  (void)path;
#endif
}

StateWriter::StateWriter(const std::string& path)
    : path_(path), partial_(path + ".partial"), file_(Open(partial_, "wb", "cannot write ")) {}

StateWriter::~StateWriter() {
  if (finished_) return;
  file_.reset();
  std::remove(partial_.c_str());
}

void StateWriter::Bytes(const void* data, std::size_t bytes) {
  if (bytes == 0) return;
  checksum_.Add(data, bytes);
  if (std::fwrite(data, 1, bytes, file_.get()) != bytes) ThrowSystem("cannot write " + partial_);
}

void StateWriter::Finish() {
  Value(checksum_.Value());
  Close(std::move(file_), "cannot write " + partial_);
  std::filesystem::rename(partial_, path_);
  finished_ = true;
  SettleFolder(std::filesystem::path(path_).parent_path().string());
}

StateReader::StateReader(const std::string& path) : path_(path) {
  std::error_code missing;
  // to open a pipe might wait for ever
  if (std::filesystem::is_other(path, missing) && !missing) Refuse("is no file");
  file_ = Open(path, "rb", "cannot read ");
  file_bytes_ = std::filesystem::file_size(path_);
  left_ = file_bytes_;
}

void StateReader::Expect(std::uint64_t bytes) const {
  if (bytes > left_) Refuse("is torn or altered");
}

void StateReader::Bytes(void* data, std::size_t bytes) {
  Expect(bytes);
  if (bytes == 0) return;
  errno = 0;
  if (std::fread(data, 1, bytes, file_.get()) != bytes) ThrowSystem("cannot read " + path_);
  checksum_.Add(data, bytes);
  left_ -= bytes;
}

void StateReader::Finish() {
  const std::uint64_t sum = checksum_.Value();
  if (left_ != sizeof sum || Value<std::uint64_t>() != sum) {
    Refuse("is torn or altered: its checksum does not match");
  }
}

void StateReader::Refuse(const std::string& why) const {
  throw std::invalid_argument("replay file " + path_ + " " + why);
}

}  // namespace td7
