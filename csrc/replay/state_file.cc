#include "replay/state_file.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <system_error>

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

// The same for a renaming in the folder of `path`, where the system can do it.
void SettleFolder(const std::string& path) {
#if defined(TD7_POSIX)
  const std::string parent = std::filesystem::path(path).parent_path().string();
  const int folder = open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_CLOEXEC);
  if (folder < 0) return;
  const bool failed = fsync(folder) != 0 && errno == EIO;
  close(folder);
  if (failed) {
    errno = EIO;
    ThrowSystem("cannot write the folder of " + path);
  }
#else
  (void)path;
#endif
}

}  // namespace

StateWriter::StateWriter(const std::string& path)
    : path_(path), partial_(path + ".partial"), file_(std::fopen(partial_.c_str(), "wb")) {
  if (file_ == nullptr) ThrowSystem("cannot write " + partial_);
}

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
  const std::string what = "cannot write " + partial_;
  if (std::fflush(file_.get()) != 0) ThrowSystem(what);
  Settle(file_.get(), what);
  if (std::fclose(file_.release()) != 0) ThrowSystem(what);
  std::filesystem::rename(partial_, path_);
  finished_ = true;
  SettleFolder(path_);
}

StateReader::StateReader(const std::string& path)
    : path_(path), file_(std::fopen(path.c_str(), "rb")) {
  if (file_ == nullptr) ThrowSystem("cannot read " + path_);
  file_bytes_ = std::filesystem::file_size(path_);
  left_ = file_bytes_;
}

void StateReader::Bytes(void* data, std::size_t bytes) {
  if (bytes > left_) Refuse("is torn or altered");
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
