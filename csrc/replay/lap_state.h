// Replay on disk: one file for all members, written and read in one pass.
//
//   file    magic and version, file bytes, config, members one by one, checksum
//   member  seed, counters, sizes; streams; segments, queue, free list; weights; rows
//
// In place of the rows there may be the checksums of their pieces, which then lie in the folder
// FILE.rows (row_pieces.h): so a save writes only the rows that have changed since an earlier one.
//
// The checksum is of all bytes before it. The magic, in a hex dump, begins with TD7LAP.
// Numbers are as the machine has them; a file from a machine of the other byte order is refused.
// Inner sums of the tree are not stored: they follow from the weights.
#ifndef TD7_REPLAY_LAP_STATE_H_
#define TD7_REPLAY_LAP_STATE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "replay/lap_buffer.h"
#include "replay/rows/row_pieces.h"
#include "replay/slots/slot_ledger.h"

namespace td7 {

// The state of one member, wherever it lies.
struct MemberState {
  const SlotLedger* ledger;
  std::uint64_t seed;
  std::uint64_t draw_counter;
  float max_priority;
  const float* weights;  // [ledger->used_slots()]
  const float* rows;     // [ledger->made_slots(), S + A + 2], as in row_store.h
  PieceSums* sums;       // of these rows, or null
};

// Where a save puts the rows.
struct RowsPlace {
  bool in_pieces = false;  // else in the file itself
  std::string earlier;     // path of an earlier save, whose pieces need not be written again
};

// Writes the members, which share one config but for the seed, to path + ".partial", flushes it to
// the device and renames it to path, so that an older file there is whole until the new one is;
// with pieces the path must be a new one.
// Throws std::system_error, and std::invalid_argument if the folder of the pieces is there already.
void SaveMembers(const std::string& path, const RowsPlace& place, std::vector<LapBuffer>* members);
void SaveMembers(const std::string& path, const RowsPlace& place, const LapConfig& config,
                 const std::vector<MemberState>& members);

// Reads what SaveMembers wrote, as new buffers. `configs` is what the caller expects, one a member.
// Throws std::system_error if the file cannot be read and std::invalid_argument, with the path, if
// it is torn, altered, no replay file, or of another config.
std::vector<LapBuffer> LoadMembers(const std::string& path, const std::vector<LapConfig>& configs);

}  // namespace td7

#endif  // TD7_REPLAY_LAP_STATE_H_
