#include "replay/memory/scratch_file.h"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>
#define TD7_POSIX 1
#endif

namespace td7 {
namespace {

[[noreturn]] void Throw(int number, const char* what, const std::string& folder) {
  throw std::system_error(number, std::generic_category(), what + folder);
}

#ifdef TD7_POSIX
constexpr std::size_t kStep = std::size_t{64} << 20;  // room is taken in pieces of this size

// Returns -1 and sets errno if it cannot.
int OpenUnnamed(const std::string& folder) {
#ifdef O_TMPFILE
  const int unnamed = open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (unnamed >= 0) return unnamed;
#endif
  std::string name = folder + "/td7-replay-XXXXXX";
  const int file = mkstemp(name.data());
  if (file >= 0) {
    fcntl(file, F_SETFD, FD_CLOEXEC);
    unlink(name.c_str());
  }
  return file;
}

// Returns 0 or an error number.
int TakeRoom(int file, std::size_t from, std::size_t bytes) {
#if defined(__linux__)
  int number = EINTR;
  while (number == EINTR) {
    number = posix_fallocate(file, static_cast<off_t>(from), static_cast<off_t>(bytes));
  }
  return number;
#else
  const std::vector<char> zeros(std::size_t{1} << 20);
  for (std::size_t done = 0; done < bytes;) {
    const std::size_t piece = std::min(zeros.size(), bytes - done);
    const ssize_t written = pwrite(file, zeros.data(), piece, static_cast<off_t>(from + done));
    if (written < 0) return errno;
    done += static_cast<std::size_t>(written);
  }
  return 0;
#endif
}
#endif

}  // namespace

#ifdef TD7_POSIX
ScratchFile::ScratchFile(const std::string& folder, std::size_t bytes)
    : folder_(folder), bytes_(bytes) {
  file_ = OpenUnnamed(folder);
  if (file_ < 0) Throw(errno, "cannot make the replay's file in ", folder);
  void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
  if (mapped == MAP_FAILED) {
    const int number = errno;
    close(file_);
    Throw(number, "cannot map the replay's file in ", folder);
  }
  data_ = mapped;
  // rows are drawn in no order: what stands around one need not be read
  madvise(data_, bytes_, MADV_RANDOM);
}

ScratchFile::~ScratchFile() {
  if (data_ == nullptr) return;
  munmap(data_, bytes_);
  close(file_);
}

void ScratchFile::Reach(std::size_t bytes) {
  if (data_ == nullptr || bytes <= reached_) return;
  const std::size_t goal = std::min(bytes_, (bytes + kStep - 1) / kStep * kStep);
  const int number = TakeRoom(file_, reached_, goal - reached_);
  if (number != 0) Throw(number, "cannot extend the replay's file in ", folder_);
  reached_ = goal;
}
#else
ScratchFile::ScratchFile(const std::string& folder, std::size_t) {
  Throw(ENOTSUP, "cannot map files on this system: the replay's rows cannot be kept in ", folder);
}
ScratchFile::~ScratchFile() = default;
void ScratchFile::Reach(std::size_t) {}
#endif

ScratchFile::ScratchFile(ScratchFile&& other) noexcept { *this = std::move(other); }

ScratchFile& ScratchFile::operator=(ScratchFile&& other) noexcept {
  std::swap(folder_, other.folder_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(reached_, other.reached_);
  std::swap(file_, other.file_);
  return *this;
}

}  // namespace td7
