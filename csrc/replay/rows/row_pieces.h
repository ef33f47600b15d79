// Rows on disk in pieces: a folder of files, each named by the checksum of what it holds. A save
// that knows the folder of an earlier one links the pieces that both have and writes the others, so
// it takes the time of what has changed. A piece never changes once it is written.
//
// Not here: which rows there are (lap_state.h). Not thread-safe.
#ifndef TD7_REPLAY_ROWS_ROW_PIECES_H_
#define TD7_REPLAY_ROWS_ROW_PIECES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace td7 {

class StateReader;

// Rows of a piece: as many as fit two megabytes, a power of two and at least one. A save writes at
// least one piece for each place where rows were added.
std::int64_t PieceRows(std::size_t row_bytes);

// Pieces that hold `rows` rows; the last one may be shorter.
std::int64_t PieceCount(std::int64_t rows, std::int64_t piece_rows);

// The checksums of rows in memory by piece, kept from one save to the next: whoever writes a row
// says so.
class PieceSums {
 public:
  PieceSums(std::int64_t max_rows, std::size_t row_bytes);

  void Changed(std::int64_t row) { rows_[static_cast<std::size_t>(row) >> shift_] = 0; }

  // The checksum of the first `rows` rows of a piece, which lie at `data`.
  std::uint64_t Of(std::int64_t piece, const void* data, std::int64_t rows);

 private:
  std::size_t row_bytes_;
  int shift_ = 0;
  std::vector<std::uint64_t> sums_;
  std::vector<std::int64_t> rows_;  // how many of them sums_ is of; 0 when they have changed
};

// Makes a folder of pieces, and removes it again unless it is told to keep it. Throws
// std::system_error, and std::invalid_argument if the folder is there already.
class PieceWriter {
 public:
  // `earlier` is the folder of an earlier save, or empty.
  PieceWriter(std::string folder, std::string earlier);
  ~PieceWriter();
  PieceWriter(const PieceWriter&) = delete;
  PieceWriter& operator=(const PieceWriter&) = delete;
  void Put(std::uint64_t sum, const void* data, std::size_t bytes);
  void Finish();  // all to the device
  void Keep() { keep_ = true; }

 private:
  bool Link(const std::string& name, std::size_t bytes) const;

  std::string folder_;
  std::string earlier_;
  bool keep_ = false;
};

// Reads the piece with this checksum. Throws std::system_error, and what `reader` refuses with if
// the piece is torn or altered.
void ReadPiece(const std::string& folder, std::uint64_t sum, void* data, std::size_t bytes,
               const StateReader& reader);

}  // namespace td7

#endif  // TD7_REPLAY_ROWS_ROW_PIECES_H_
