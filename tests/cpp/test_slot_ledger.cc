// replay/slot_ledger.h: which slots are live, under random use, for sanitizers to see. Exits with 0
// if all claims hold. That a buffer follows its word is tested from Python against a slow twin.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

#include "check.h"
#include "random/philox.h"
#include "replay/slots/slot_ledger.h"

namespace td7 {
namespace {

// Uniform numbers in order.
class Dice {
 public:
  std::int64_t Below(std::int64_t end) {
    return static_cast<std::int64_t>(stream_.Uniform(next_++) * static_cast<double>(end));
  }

 private:
  PhiloxStream stream_{11, StreamId("test"), 0};
  std::uint32_t next_ = 0;
};

// Places `steps` transitions of a stream; keeps a list of what is live.
void Place(SlotLedger* ledger, std::int64_t stream, std::int64_t steps, bool continues,
           std::set<std::int64_t>* live) {
  const std::int64_t bound = ledger->SlotsAfter(stream, steps);
  ledger->MakeRoom(steps, [&](std::int64_t first, std::int64_t count) {
    for (std::int64_t slot = first; slot < first + count; ++slot) CHECK(live->erase(slot) == 1);
  });
  for (std::int64_t left = steps; left > 0;) {
    const SlotLedger::Run run = ledger->Open(stream, left, continues);
    CHECK(run.count >= 1 && run.count <= left);
    const std::int64_t segment = run.slot / ledger->segment_slots();
    CHECK((run.slot + run.count) / ledger->segment_slots() == segment);
    for (std::int64_t i = 0; i < run.count; ++i) CHECK(live->insert(run.slot + i).second);
    CHECK(live->count(run.slot + run.count) == 0);
    ledger->Publish(stream, run.count);
    CHECK(ledger->OpenSlot(stream) == run.slot + run.count);
    left -= run.count;
    continues = true;
  }
  CHECK(steps > 1 || bound <= ledger->SlotsAfterRows(stream, 1));
  CHECK(ledger->made_slots() <= bound && bound <= ledger->max_slots());
}

void LiveSlotsAreThoseThatWerePlacedAndNotEvicted(std::int64_t capacity, int streams) {
  SlotLedger ledger(capacity, streams);
  std::set<std::int64_t> live;
  Dice dice;
  for (int round = 0; round < 3000; ++round) {
    const std::int64_t stream = dice.Below(streams);
    const std::int64_t most = dice.Below(20) == 0 ? capacity : std::min<std::int64_t>(capacity, 3);
    Place(&ledger, stream, 1 + dice.Below(most), dice.Below(4) > 0, &live);
    if (dice.Below(3) == 0) ledger.EndEpisode(stream);
    CHECK(ledger.size() == static_cast<std::int64_t>(live.size()));
    if (round % 100 != 0) continue;
    for (std::int64_t slot = -2; slot < ledger.max_slots() + 2; ++slot) {
      CHECK(ledger.IsLive(slot) == (live.count(slot) == 1));
    }
    CHECK(ledger.IsSound());
  }
  CHECK(ledger.size() == capacity);
}

// A slot holds what it held at an earlier moment just if nothing has been placed there since.
void StaleSlotsAreKnownFromTheCountOfSegments(std::int64_t capacity, int streams) {
  SlotLedger ledger(capacity, streams);
  std::vector<int> placed(static_cast<std::size_t>(ledger.max_slots()), -1);  // in which round
  struct Moment {
    std::int64_t begun;
    std::vector<int> placed;  // -1 where nothing is live
  };
  std::vector<Moment> moments;
  Dice dice;
  for (int round = 0; round < 1000; ++round) {
    const std::int64_t stream = dice.Below(streams);
    const std::int64_t steps = 1 + dice.Below(std::min<std::int64_t>(capacity, 5));
    ledger.MakeRoom(steps, [&](std::int64_t first, std::int64_t count) {
      std::fill_n(placed.begin() + first, count, -1);
    });
    for (std::int64_t left = steps; left > 0;) {
      const SlotLedger::Run run = ledger.Open(stream, left, dice.Below(4) > 0);
      ledger.Publish(stream, run.count);
      std::fill_n(placed.begin() + run.slot, run.count, round);
      left -= run.count;
    }
    if (dice.Below(3) == 0) ledger.EndEpisode(stream);
    if (dice.Below(20) == 0) moments.push_back({ledger.segments_begun(), placed});
    for (const Moment& moment : moments) {
      const std::int64_t slot = dice.Below(ledger.max_slots());
      const auto place = static_cast<std::size_t>(slot);
      if (moment.placed[place] < 0) continue;
      CHECK(ledger.HoldsSince(slot, moment.begun) == (moment.placed[place] == placed[place]));
    }
  }
  const std::int64_t begun = ledger.segments_begun();
  ledger.Replaces(begun);
  CHECK(ledger.segments_begun() > begun);
  for (std::int64_t slot = 0; slot < ledger.max_slots(); ++slot) {
    CHECK(!ledger.HoldsSince(slot, begun));
    CHECK(ledger.HoldsSince(slot, ledger.segments_begun()) == ledger.IsLive(slot));
  }
  CHECK(!ledger.HoldsSince(-1, begun) && !ledger.HoldsSince(ledger.max_slots(), begun));
}

void AnyNumberMayBeAskedFor() {
  SlotLedger ledger(100, 1);
  CHECK(!ledger.IsLive(std::numeric_limits<std::int64_t>::min()));
  CHECK(!ledger.IsLive(std::numeric_limits<std::int64_t>::max()));
  CHECK(ledger.OpenSlot(0) == SlotLedger::kNoSlot);
  CHECK_THROWS(ledger.CheckStream(1), std::out_of_range, "stream must be from 0 to 0, got 1");
  CHECK_THROWS(SlotLedger(std::int64_t{1} << 31, 1), std::invalid_argument, "slots, more than");
}

void LongEpisodesTakeFewSlots() {
  SlotLedger ledger(2000, 1);
  std::set<std::int64_t> live;
  for (int episode = 0; episode < 50; ++episode) {
    Place(&ledger, 0, 510, false, &live);
    ledger.EndEpisode(0);
  }
  CHECK(ledger.SlotsAfter(0, 510) <= ledger.made_slots() + ledger.segment_slots());
  CHECK(ledger.made_slots() < 2000 + 4 * 256);
}

}  // namespace
}  // namespace td7

int main() {
  for (const std::int64_t capacity : {1, 15, 100, 2000}) {
    for (const int streams : {1, 4}) {
      td7::LiveSlotsAreThoseThatWerePlacedAndNotEvicted(capacity, streams);
      td7::StaleSlotsAreKnownFromTheCountOfSegments(capacity, streams);
    }
  }
  td7::AnyNumberMayBeAskedFor();
  td7::LongEpisodesTakeFewSlots();
  return failures == 0 ? 0 : 1;
}
