// Reads float32 tensors of a safetensors file that may be hostile.
//
//   u64 header size, little-endian | header, JSON | data, one tensor right after the other
//
// Refused: another type than F32, more than 8 dimensions, sizes that do not multiply to the bytes
// given, gaps, overlaps or bytes left over, a header over 1 MiB. Nothing is allocated on the word
// of the file: all is bounded by its own size.
//
// Threads: const methods at any time. Errors: std::runtime_error that begins with the file's name.
#ifndef TD7_BUNDLE_SAFETENSORS_H_
#define TD7_BUNDLE_SAFETENSORS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace td7 {

class Safetensors {
 public:
  struct Tensor {
    std::vector<std::int64_t> shape;
    const float* data;  // of the Safetensors, row by row
    std::size_t size;   // how many numbers
  };

  // `content` is the whole file, `file` how errors call it.
  Safetensors(std::string_view content, std::string file);

  Safetensors(const Safetensors&) = delete;
  Safetensors& operator=(const Safetensors&) = delete;

  bool Holds(const std::string& name) const { return tensors_.count(name) != 0; }

  // The tensor of that name, which must have `dimensions` dimensions.
  const Tensor& At(const std::string& name, std::size_t dimensions) const;

  // The numbers of the tensor of that name, which must have this shape and be finite.
  const float* Floats(const std::string& name, const std::vector<std::int64_t>& shape) const;

  const std::string& file() const { return file_; }

 private:
  [[noreturn]] void Refuse(const std::string& why) const;
  const Tensor& Find(const std::string& name) const;

  std::string file_;
  std::vector<float> data_;
  std::map<std::string, Tensor> tensors_;
};

// "[2, 3]"
std::string ShapeText(const std::vector<std::int64_t>& shape);

}  // namespace td7

#endif  // TD7_BUNDLE_SAFETENSORS_H_
