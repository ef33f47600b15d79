#include "replay/slots/segment_queue.h"

#include <cassert>
#include <utility>

namespace td7 {

std::uint32_t SegmentQueue::Take() {
  if (free_ == kNone) {
    segments_.emplace_back();
    free_ = count() - 1;
    segments_[free_].next = kNone;
  }
  const std::uint32_t id = free_;
  free_ = segments_[id].next;
  segments_[id] = Segment{kNone, 0, 0, true, ++taken_};
  return id;
}

void SegmentQueue::CountFrom(std::int64_t taken) {
  taken_ = taken + 1;
  for (Segment& segment : segments_) segment.number = taken_;
}

void SegmentQueue::Release(std::uint32_t id) {
  assert(segments_[id].written);
  segments_[id].written = false;
  if (segments_[id].live == 0) PushFree(id);
}

void SegmentQueue::AddLive(std::uint32_t id, std::int64_t count) {
  assert(count >= 1 && segments_[id].written);
  Segment& segment = segments_[id];
  if (segment.live == 0) {
    segment.next = kNone;
    if (newest_ == kNone) {
      oldest_ = id;
    } else {
      segments_[newest_].next = id;
    }
    newest_ = id;
  }
  segment.live = static_cast<std::uint16_t>(segment.live + count);
}

void SegmentQueue::EvictOldest(std::int64_t count, std::int64_t first) {
  assert(oldest_ != kNone && count >= 1 && count <= segments_[oldest_].live);
  const std::uint32_t id = oldest_;
  Segment& segment = segments_[id];
  segment.first = static_cast<std::uint16_t>(first);
  segment.live = static_cast<std::uint16_t>(segment.live - count);
  if (segment.live > 0) return;
  oldest_ = segment.next;
  if (oldest_ == kNone) newest_ = kNone;
  if (!segment.written) PushFree(id);
}

void SegmentQueue::PushFree(std::uint32_t id) {
  segments_[id].next = free_;
  free_ = id;
}

std::vector<std::uint32_t> SegmentQueue::Chain(std::uint32_t id) const {
  std::vector<std::uint32_t> chain;
  for (; id != kNone; id = segments_[id].next) chain.push_back(id);
  return chain;
}

bool SegmentQueue::Restore(std::vector<Segment> segments, const std::vector<std::uint32_t>& queue,
                           const std::vector<std::uint32_t>& free) {
  std::vector<int> listed(segments.size(), 0);
  for (const std::vector<std::uint32_t>* list : {&queue, &free}) {
    for (std::size_t i = 0; i < list->size(); ++i) {
      const std::uint32_t id = (*list)[i];
      if (id >= segments.size() || listed[id]++ != 0) return false;
      if ((segments[id].live > 0) != (list == &queue)) return false;
      if (list == &free && segments[id].written) return false;
      segments[id].next = i + 1 < list->size() ? (*list)[i + 1] : kNone;
    }
  }
  for (std::size_t id = 0; id < segments.size(); ++id) {
    const bool written_and_empty = segments[id].written && segments[id].live == 0;
    if (listed[id] == 0 && !written_and_empty) return false;
  }
  segments_ = std::move(segments);
  oldest_ = queue.empty() ? kNone : queue.front();
  newest_ = queue.empty() ? kNone : queue.back();
  free_ = free.empty() ? kNone : free.front();
  return true;
}

}  // namespace td7
