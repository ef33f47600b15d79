#include "replay/state_file.h"

#include <cerrno>
#include <filesystem>
#include <stdexcept>
#include <system_error>

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

namespace td7 {
namespace {

[[noreturn]] void ThrowSystem(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

StateWriter::StateWriter(const std::string& path)
    : path_(path), file_(std::fopen(path.c_str(), "wb")) {
  if (file_ == nullptr) ThrowSystem("cannot write " + path_);
}

void StateWriter::Bytes(const void* data, std::size_t bytes) {
  if (bytes == 0) return;
  checksum_.Add(data, bytes);
  if (std::fwrite(data, 1, bytes, file_.get()) != bytes) ThrowSystem("cannot write " + path_);
}

void StateWriter::Finish() {
  Value(checksum_.Value());
  if (std::fflush(file_.get()) != 0) ThrowSystem("cannot write " + path_);
#if defined(__unix__) || defined(__APPLE__)
  if (fsync(fileno(file_.get())) != 0) ThrowSystem("cannot write " + path_);
#endif
  if (std::fclose(file_.release()) != 0) ThrowSystem("cannot write " + path_);
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
