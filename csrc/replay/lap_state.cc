#include "replay/lap_state.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "replay/number_text.h"
#include "replay/state_file.h"

namespace td7 {
namespace {

constexpr std::uint64_t kMagic = 0x01'00'50'41'4C'37'44'54;  // "TD7LAP", 0, version 1; reversed on
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
};

// What a stream and a segment look like on disk: no padding, so that equal states give equal files.
struct DiskStream {
  std::uint32_t segment;
  std::int32_t next;
  std::uint32_t open;
};
struct DiskSegment {
  std::uint16_t first;
  std::uint16_t live;
};
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
static_assert(sizeof(DiskStream) == 12 && sizeof(DiskSegment) == 4 && sizeof(DiskMember) == 48);

DiskHeader HeaderOf(const LapConfig& config, std::size_t members, std::uint64_t file_bytes) {
  return {kMagic,          file_bytes,      static_cast<std::int64_t>(members),
          config.capacity, config.obs_size, config.action_size,
          config.streams,  config.alpha,    config.min_priority};
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
}

}  // namespace

std::size_t LapBuffer::StateBytes() const {
  const std::size_t lists = segments_.QueueOrder().size() + segments_.FreeOrder().size();
  const std::size_t rows =
      std::size_t{segments_.count()} * static_cast<std::size_t>(segment_slots_);
  return sizeof(DiskMember) + streams_.size() * sizeof(DiskStream) +
         segments_.count() * sizeof(DiskSegment) + lists * sizeof(std::uint32_t) +
         static_cast<std::size_t>(tree_.used_slots()) * sizeof(float) + rows * rows_.row_bytes();
}

void LapBuffer::WriteState(StateWriter* writer) const {
  const std::vector<std::uint32_t> queue = segments_.QueueOrder();
  const std::vector<std::uint32_t> free = segments_.FreeOrder();
  writer->Value(DiskMember{config_.seed, draw_counter_, live_, tree_.used_slots(),
                           segments_.count(), static_cast<std::uint32_t>(queue.size()),
                           static_cast<std::uint32_t>(free.size()), max_priority_});
  for (const Stream& stream : streams_) {
    writer->Value(DiskStream{stream.segment, stream.next, stream.open ? 1U : 0U});
  }
  for (std::uint32_t id = 0; id < segments_.count(); ++id) {
    writer->Value(DiskSegment{segments_[id].first, segments_[id].live});
  }
  writer->Values(queue);
  writer->Values(free);
  writer->Bytes(tree_.weights(), static_cast<std::size_t>(tree_.used_slots()) * sizeof(float));
  const std::size_t rows =
      std::size_t{segments_.count()} * static_cast<std::size_t>(segment_slots_);
  writer->Bytes(rows_.row(0), rows * rows_.row_bytes());
}

void LapBuffer::ReadState(StateReader* reader) {
  const auto member = reader->Value<DiskMember>();
  if (member.seed != config_.seed) {
    reader->Refuse("has seed " + std::to_string(member.seed) + ", this replay has " +
                   std::to_string(config_.seed));
  }
  const std::int64_t rows = std::int64_t{member.segments} * segment_slots_;
  if (rows > tree_.max_slots() || member.weights < 0 || member.weights > rows) {
    reader->Refuse("is torn or altered");
  }
  std::vector<Segment> segments(member.segments);
  for (Stream& stream : streams_) {
    const auto disk = reader->Value<DiskStream>();
    if (disk.open > 1) reader->Refuse("is torn or altered");
    stream = Stream{disk.segment, disk.next, disk.open != 0};
    if (stream.segment < member.segments) segments[stream.segment].written = true;
  }
  for (Segment& segment : segments) {
    const auto disk = reader->Value<DiskSegment>();
    segment.first = disk.first;
    segment.live = disk.live;
  }
  const auto queue = reader->Values<std::uint32_t>(member.queued);
  const auto free = reader->Values<std::uint32_t>(member.free);
  if (!segments_.Restore(std::move(segments), queue, free)) reader->Refuse("is torn or altered");
  reader->Bytes(tree_.BeginRestore(member.weights),
                static_cast<std::size_t>(member.weights) * sizeof(float));
  tree_.Rebuild();
  reader->Bytes(rows_.row(0), static_cast<std::size_t>(rows) * rows_.row_bytes());
  live_ = member.live;
  max_priority_ = member.max_priority;
  draw_counter_ = member.draw_counter;
}

void SaveMembers(const std::string& path, const std::vector<LapBuffer>& members) {
  std::uint64_t bytes = sizeof(DiskHeader) + sizeof(std::uint64_t);
  for (const LapBuffer& member : members) bytes += member.StateBytes();
  StateWriter writer(path);
  writer.Value(HeaderOf(members.front().config(), members.size(), bytes));
  for (const LapBuffer& member : members) member.WriteState(&writer);
  writer.Finish();
}

std::vector<LapBuffer> LoadMembers(const std::string& path, const std::vector<LapConfig>& configs) {
  StateReader reader(path);
  const auto header = reader.Value<DiskHeader>();
  CheckHeader(reader, header, HeaderOf(configs.front(), configs.size(), 0));
  std::vector<LapBuffer> members;
  members.reserve(configs.size());
  for (const LapConfig& config : configs) {
    members.emplace_back(config);
    members.back().ReadState(&reader);
  }
  reader.Finish();
  for (const LapBuffer& member : members) {
    if (!member.StateIsSound()) reader.Refuse("contradicts itself");
  }
  return members;
}

}  // namespace td7
