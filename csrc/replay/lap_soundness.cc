// The half of LapBuffer that looks for contradictions in a state that was read from a file: what
// passes can be used without reading or writing outside the buffer's memory.
#include <cstdint>

#include "replay/lap_buffer.h"
#include "replay/lap_checks.h"

namespace td7 {

// A live transition holds what AddStep would have accepted. REQUIRES: a slot after it.
bool LapBuffer::RowIsSound(std::int64_t slot) const {
  const float* row = rows_.row(slot);
  const std::size_t numbers = rows_.obs_size() + rows_.action_size() + 1;
  const float flag = row[numbers];
  if (!AllFinite(row, numbers) || !(flag == 0.0F || flag == 1.0F)) return false;
  // a live one after it is looked at by itself
  return ledger_.IsLive(slot + 1) || AllFinite(rows_.row(slot + 1), rows_.obs_size());
}

bool LapBuffer::StateIsSound() const {
  if (!(max_priority_ >= SumTree::kMinWeight && max_priority_ <= SumTree::kMaxWeight)) return false;
  if (!ledger_.IsSound()) return false;
  for (std::int64_t slot = 0; slot < ledger_.used_slots(); ++slot) {
    const float weight = tree_.weight(slot);
    if (weight == 0.0F) continue;
    const bool fits = weight >= SumTree::kMinWeight && weight <= max_priority_;
    if (!fits || !RowIsSound(slot)) return false;
  }
  return true;
}

}  // namespace td7
