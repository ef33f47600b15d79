// A file without a name, for memory that is larger than the machine has: it is gone when its owner
// is, also if the process is killed. A forked process shares it.
#ifndef TD7_REPLAY_MEMORY_SCRATCH_FILE_H_
#define TD7_REPLAY_MEMORY_SCRATCH_FILE_H_

#include <cstddef>
#include <string>

namespace td7 {

// Owns the file and its mapping; movable, not copyable. Not thread-safe. Methods throw
// std::system_error that names the folder. POSIX only: elsewhere the constructor throws.
class ScratchFile {
 public:
  ScratchFile() = default;  // no file
  // Maps a new file in the folder, of `bytes` at most and none yet.
  ScratchFile(const std::string& folder, std::size_t bytes);
  ~ScratchFile();
  ScratchFile(ScratchFile&& other) noexcept;
  ScratchFile& operator=(ScratchFile&& other) noexcept;

  void* data() const { return data_; }  // aligned to a page; null if there is no file

  // Takes room on the disk for the first `bytes`, zeros: only these may be read and written.
  void Reach(std::size_t bytes);

 private:
  std::string folder_;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::size_t reached_ = 0;
  int file_ = -1;
};

}  // namespace td7

#endif  // TD7_REPLAY_MEMORY_SCRATCH_FILE_H_
