#include "bundle/safetensors.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "bundle/json.h"
#include "bundle/json_object.h"
#include "bundle/terminal_text.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensors are little-endian and read as they are"
#endif

#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error "NaN would pass for a number: compile without -ffinite-math-only and -ffast-math"
#endif

namespace td7 {
namespace {

constexpr std::uint64_t kMostHeader = std::uint64_t{1} << 20;
constexpr std::size_t kMostDimensions = 8;

// A tensor as the header tells it: bytes [begin, end) of the data.
struct Place {
  std::string name;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

Place ReadPlace(const JsonObject& header, const std::string& name, std::uint64_t data_bytes) {
  const JsonObject entry = header.Object(name);
  if (entry.String("dtype") != "F32") entry.Refuse("dtype", "'F32'");
  Place place;
  place.name = name;
  std::uint64_t bytes = sizeof(float);
  for (const double size : entry.Numbers("shape")) {
    const std::int64_t count = JsonCount(size, 1);
    if (count < 1 || place.shape.size() == kMostDimensions) {
      entry.Refuse("shape", "at most 8 counts from 1 on");
    }
    // bytes <= data_bytes holds: the product cannot pass 2^64
    if (static_cast<std::uint64_t>(count) > data_bytes / bytes) {
      entry.Refuse("shape", "within the file");
    }
    bytes *= static_cast<std::uint64_t>(count);
    place.shape.push_back(count);
  }
  const std::vector<double> offsets = entry.Numbers("data_offsets");
  const std::int64_t begin = offsets.size() == 2 ? JsonCount(offsets[0], 0) : -1;
  const std::int64_t end = offsets.size() == 2 ? JsonCount(offsets[1], 0) : -1;
  if (begin < 0 || end < begin || static_cast<std::uint64_t>(end) > data_bytes ||
      static_cast<std::uint64_t>(end - begin) != bytes) {
    entry.Refuse("data_offsets", "the " + std::to_string(bytes) + " bytes of its shape");
  }
  place.begin = static_cast<std::uint64_t>(begin);
  place.end = static_cast<std::uint64_t>(end);
  return place;
}

}  // namespace

Safetensors::Safetensors(std::string_view content, std::string file) : file_(std::move(file)) {
  std::uint64_t header_bytes = 0;
  if (content.size() < sizeof header_bytes) Refuse("is shorter than its header");
  std::memcpy(&header_bytes, content.data(), sizeof header_bytes);
  content.remove_prefix(sizeof header_bytes);
  if (header_bytes > kMostHeader || header_bytes > content.size()) {
    Refuse("has a header of " + std::to_string(header_bytes) + " bytes, more than it can have");
  }
  const JsonValue json = ReadJson(content.substr(0, static_cast<std::size_t>(header_bytes)), file_);
  content.remove_prefix(static_cast<std::size_t>(header_bytes));
  const JsonObject header(json, file_);

  std::vector<Place> places;
  for (const JsonMember& member : header.members()) {
    if (member.name != "__metadata__") {
      places.push_back(ReadPlace(header, member.name, content.size()));
    }
  }
  std::sort(places.begin(), places.end(),
            [](const Place& a, const Place& b) { return a.begin < b.begin; });
  std::uint64_t used = 0;
  for (const Place& place : places) {
    if (place.begin != used)
      Refuse("has a gap or an overlap before tensor " + ShortText(place.name));
    used = place.end;
  }
  if (used != content.size()) Refuse("has bytes that belong to no tensor");

  data_.resize(content.size() / sizeof(float));
  if (!content.empty()) std::memcpy(data_.data(), content.data(), content.size());
  for (Place& place : places) {
    tensors_[place.name] = {std::move(place.shape), data_.data() + place.begin / sizeof(float),
                            static_cast<std::size_t>((place.end - place.begin) / sizeof(float))};
  }
}

void Safetensors::Refuse(const std::string& why) const {
  throw std::runtime_error(file_ + " " + why);
}

const Safetensors::Tensor& Safetensors::Find(const std::string& name) const {
  const auto at = tensors_.find(name);
  if (at == tensors_.end()) Refuse("lacks the tensor " + name);
  return at->second;
}

const Safetensors::Tensor& Safetensors::At(const std::string& name, std::size_t dimensions) const {
  const Tensor& tensor = Find(name);
  if (tensor.shape.size() != dimensions) {
    Refuse("must hold " + name + " with " + std::to_string(dimensions) + " dimensions, got " +
           ShapeText(tensor.shape));
  }
  return tensor;
}

const float* Safetensors::Floats(const std::string& name,
                                 const std::vector<std::int64_t>& shape) const {
  const Tensor& tensor = Find(name);
  if (tensor.shape != shape) {
    Refuse("must hold " + name + " " + ShapeText(shape) + ", got " + ShapeText(tensor.shape));
  }
  const auto finite = [](float number) { return std::isfinite(number); };
  if (!std::all_of(tensor.data, tensor.data + tensor.size, finite)) {
    Refuse("must hold finite numbers in " + name + ", got NaN or infinity");
  }
  return tensor.data;
}

std::string ShapeText(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const std::int64_t size : shape) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "[" + text + "]";
}

}  // namespace td7
