#include "replay/lap_state.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "replay/files/state_file.h"
#include "replay/number_text.h"

namespace td7 {
namespace {

constexpr std::uint64_t kMagic = 0x02'00'50'41'4C'37'44'54;  // "TD7LAP", 0, version 2; reversed on
                                                             // a machine of the other byte order

struct DiskHeader {
  std::uint64_t magic;
  std::uint64_t file_bytes;
  std::int64_t members;
  std::int64_t capacity;
  std::int64_t obs_size;
  std::int64_t action_size;
  std::int64_t streams;
  double alpha;
  double min_priority;
  std::int64_t piece_rows;  // 0: the rows are in the file
};

// No padding, so that equal states give equal files.
struct DiskMember {
  std::uint64_t seed;
  std::uint64_t draw_counter;
  std::int64_t live;
  std::int64_t weights;
  std::uint32_t segments;
  std::uint32_t queued;
  std::uint32_t free;
  float max_priority;
};
static_assert(sizeof(DiskMember) == 48);

DiskHeader HeaderOf(const LapConfig& config, std::size_t members, std::uint64_t file_bytes,
                    std::int64_t piece_rows) {
  return {kMagic,          file_bytes,      static_cast<std::int64_t>(members),
          config.capacity, config.obs_size, config.action_size,
          config.streams,  config.alpha,    config.min_priority,
          piece_rows};
}

template <typename T>
void CheckSame(const StateReader& reader, const char* name, T in_file, T wanted) {
  if (in_file == wanted) return;
  reader.Refuse(std::string("has ") + name + " " + NumberText(in_file) + ", this replay has " +
                NumberText(wanted));
}

void CheckHeader(const StateReader& reader, const DiskHeader& header, const DiskHeader& wanted) {
  if (header.magic != kMagic) reader.Refuse("is not a replay file of this version");
  if (header.file_bytes != reader.file_bytes()) {
    reader.Refuse("is torn: it has " + std::to_string(reader.file_bytes()) + " bytes of " +
                  std::to_string(header.file_bytes));
  }
  CheckSame(reader, "members", header.members, wanted.members);
  CheckSame(reader, "capacity", header.capacity, wanted.capacity);
  CheckSame(reader, "obs_size", header.obs_size, wanted.obs_size);
  CheckSame(reader, "action_size", header.action_size, wanted.action_size);
  CheckSame(reader, "streams", header.streams, wanted.streams);
  CheckSame(reader, "alpha", header.alpha, wanted.alpha);
  CheckSame(reader, "min_priority", header.min_priority, wanted.min_priority);
  if (header.piece_rows != 0) {
    CheckSame(reader, "piece_rows", header.piece_rows, wanted.piece_rows);
  }
}

std::size_t RowBytes(const LapConfig& config) {
  return static_cast<std::size_t>(RowFloats(config)) * sizeof(float);
}

std::string PiecesOf(const std::string& path) { return path.empty() ? path : path + ".rows"; }

// Bytes of the file for `made` rows, or for the checksums of their pieces.
std::size_t RowsBytes(const LapConfig& config, std::int64_t made, bool in_pieces) {
  const std::size_t row_bytes = RowBytes(config);
  if (!in_pieces) return static_cast<std::size_t>(made) * row_bytes;
  return static_cast<std::size_t>(PieceCount(made, PieceRows(row_bytes))) * sizeof(std::uint64_t);
}

std::size_t MemberBytes(const LapConfig& config, const SlotLedger& ledger, bool in_pieces) {
  return sizeof(DiskMember) + ledger.StateBytes() +
         static_cast<std::size_t>(ledger.used_slots()) * sizeof(float) +
         RowsBytes(config, ledger.made_slots(), in_pieces);
}

// Calls each(piece, its first float, its rows) for the pieces of `made` rows.
template <typename Floats, typename Each>
void ForEachPiece(const LapConfig& config, std::int64_t made, Floats* rows, const Each& each) {
  const std::int64_t piece_rows = PieceRows(RowBytes(config));
  for (std::int64_t piece = 0; piece * piece_rows < made; ++piece) {
    const std::int64_t first = piece * piece_rows;
    each(piece, rows + first * RowFloats(config), std::min(piece_rows, made - first));
  }
}

void WritePieces(const LapConfig& config, const MemberState& member, PieceWriter* pieces,
                 StateWriter* writer) {
  const std::size_t row_bytes = RowBytes(config);
  PieceSums none(member.ledger->made_slots(), row_bytes);
  PieceSums* sums = member.sums == nullptr ? &none : member.sums;
  ForEachPiece(config, member.ledger->made_slots(), member.rows,
               [&](std::int64_t piece, const float* data, std::int64_t rows) {
                 const std::uint64_t sum = sums->Of(piece, data, rows);
                 pieces->Put(sum, data, static_cast<std::size_t>(rows) * row_bytes);
                 writer->Value(sum);
               });
}

void WriteMember(const LapConfig& config, const MemberState& member, PieceWriter* pieces,
                 StateWriter* writer) {
  const SlotLedger::Sizes sizes = member.ledger->StateSizes();
  writer->Value(DiskMember{member.seed, member.draw_counter, sizes.live, sizes.used, sizes.segments,
                           sizes.queued, sizes.free, member.max_priority});
  member.ledger->WriteState(writer);
  writer->Bytes(member.weights, static_cast<std::size_t>(sizes.used) * sizeof(float));
  if (pieces != nullptr) {
    WritePieces(config, member, pieces, writer);
  } else {
    writer->Bytes(member.rows,
                  static_cast<std::size_t>(member.ledger->made_slots()) * RowBytes(config));
  }
}

}  // namespace

MemberState LapBuffer::State() const {
  return {&ledger_,        config_.seed, draw_counter_, max_priority_,
          tree_.weights(), rows_.row(0), nullptr};
}

void LapBuffer::ReadState(const std::string& pieces, StateReader* reader) {
  const auto member = reader->Value<DiskMember>();
  if (member.seed != config_.seed) {
    reader->Refuse("has seed " + std::to_string(member.seed) + ", this replay has " +
                   std::to_string(config_.seed));
  }
  ledger_.ReadState({member.live, member.weights, member.segments, member.queued, member.free},
                    reader);
  reader->Bytes(tree_.BeginRestore(member.weights),
                static_cast<std::size_t>(member.weights) * sizeof(float));
  tree_.Rebuild();
  ledger_.RestoreLiveness([this](std::int64_t slot) { return tree_.weight(slot) > 0.0F; });
  const std::int64_t made = ledger_.made_slots();
  reader->Expect(RowsBytes(config_, made, !pieces.empty()));
  rows_.Reach([made] { return made; });
  float* rows = rows_.BeginRestore();
  if (pieces.empty()) {
    reader->Bytes(rows, static_cast<std::size_t>(made) * rows_.row_bytes());
  } else {
    ForEachPiece(config_, made, rows, [&](std::int64_t, float* data, std::int64_t count) {
      const auto sum = reader->Value<std::uint64_t>();
      ReadPiece(pieces, sum, data, static_cast<std::size_t>(count) * rows_.row_bytes(), *reader);
    });
  }
  max_priority_ = member.max_priority;
  draw_counter_ = member.draw_counter;
}

void SaveMembers(const std::string& path, const RowsPlace& place, const LapConfig& config,
                 const std::vector<MemberState>& members) {
  std::uint64_t bytes = sizeof(DiskHeader) + sizeof(std::uint64_t);
  for (const MemberState& member : members) {
    bytes += MemberBytes(config, *member.ledger, place.in_pieces);
  }
  std::optional<PieceWriter> pieces;
  if (place.in_pieces) pieces.emplace(PiecesOf(path), PiecesOf(place.earlier));
  StateWriter writer(path);
  writer.Value(HeaderOf(config, members.size(), bytes, pieces ? PieceRows(RowBytes(config)) : 0));
  for (const MemberState& member : members) {
    WriteMember(config, member, pieces ? &*pieces : nullptr, &writer);
  }
  if (pieces) pieces->Finish();
  writer.Finish();
  if (pieces) pieces->Keep();
}

void SaveMembers(const std::string& path, const RowsPlace& place, std::vector<LapBuffer>* members) {
  std::vector<MemberState> states;
  for (LapBuffer& member : *members) {
    states.push_back(member.State());
    states.back().sums = member.sums();
  }
  SaveMembers(path, place, members->front().config(), states);
}

std::vector<LapBuffer> LoadMembers(const std::string& path, const std::vector<LapConfig>& configs) {
  StateReader reader(path);
  const auto header = reader.Value<DiskHeader>();
  CheckHeader(reader, header,
              HeaderOf(configs.front(), configs.size(), 0, PieceRows(RowBytes(configs.front()))));
  const std::string pieces = header.piece_rows == 0 ? "" : PiecesOf(path);
  std::vector<LapBuffer> members;
  members.reserve(configs.size());
  for (const LapConfig& config : configs) {
    members.emplace_back(config);
    members.back().ReadState(pieces, &reader);
  }
  reader.Finish();
  for (const LapBuffer& member : members) {
    if (!member.StateIsSound()) reader.Refuse("contradicts itself");
  }
  return members;
}

}  // namespace td7
