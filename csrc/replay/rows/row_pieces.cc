#include "replay/rows/row_pieces.h"

#include <array>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "replay/files/checksum.h"
#include "replay/files/state_file.h"

namespace td7 {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{2} << 20;

std::uint64_t SumOf(const void* data, std::size_t bytes) {
  Checksum checksum;
  checksum.Add(data, bytes);
  return checksum.Value();
}

std::string NameOf(std::uint64_t sum) {
  std::array<char, 17> name{};
  std::snprintf(name.data(), name.size(), "%016llx", static_cast<unsigned long long>(sum));
  return name.data();
}

}  // namespace

std::int64_t PieceRows(std::size_t row_bytes) {
  std::int64_t rows = 1;
  while (2 * static_cast<std::size_t>(rows) * row_bytes <= kPieceBytes) rows *= 2;
  return rows;
}

std::int64_t PieceCount(std::int64_t rows, std::int64_t piece_rows) {
  return (rows + piece_rows - 1) / piece_rows;
}

PieceSums::PieceSums(std::int64_t max_rows, std::size_t row_bytes) : row_bytes_(row_bytes) {
  const std::int64_t piece_rows = PieceRows(row_bytes);
  while ((std::int64_t{1} << shift_) < piece_rows) ++shift_;
  const auto pieces = static_cast<std::size_t>(PieceCount(max_rows, piece_rows));
  sums_.resize(pieces);
  rows_.resize(pieces);
}

std::uint64_t PieceSums::Of(std::int64_t piece, const void* data, std::int64_t rows) {
  const auto at = static_cast<std::size_t>(piece);
  if (rows_[at] != rows) {
    sums_[at] = SumOf(data, static_cast<std::size_t>(rows) * row_bytes_);
    rows_[at] = rows;
  }
  return sums_[at];
}

PieceWriter::PieceWriter(std::string folder, std::string earlier)
    : folder_(std::move(folder)), earlier_(std::move(earlier)) {
  if (!std::filesystem::create_directory(folder_)) {
    throw std::invalid_argument("path must be new, with its rows: " + folder_ + " exists");
  }
}

PieceWriter::~PieceWriter() {
  std::error_code ignored;
  if (!keep_) std::filesystem::remove_all(folder_, ignored);
}

bool PieceWriter::Link(const std::string& name, std::size_t bytes) const {
  if (earlier_.empty()) return false;
  std::error_code error;
  const std::string from = earlier_ + "/" + name;
  if (std::filesystem::file_size(from, error) != bytes || error) return false;
  std::filesystem::create_hard_link(from, folder_ + "/" + name, error);
  return !error;  // where there are no links, or no more of them, the piece is written
}

void PieceWriter::Put(std::uint64_t sum, const void* data, std::size_t bytes) {
  const std::string name = NameOf(sum);
  if (std::filesystem::exists(folder_ + "/" + name) || Link(name, bytes)) return;
  WriteFile(folder_ + "/" + name, data, bytes);
}

void PieceWriter::Finish() { SettleFolder(folder_); }

void ReadPiece(const std::string& folder, std::uint64_t sum, void* data, std::size_t bytes,
               const StateReader& reader) {
  const std::string path = folder + "/" + NameOf(sum);
  std::error_code error;
  if (std::filesystem::file_size(path, error) != bytes || error) {
    reader.Refuse("lacks rows: " + path + " is missing, torn or altered");
  }
  ReadFile(path, data, bytes);
  if (SumOf(data, bytes) != sum) reader.Refuse("lacks rows: " + path + " is altered");
}

}  // namespace td7
