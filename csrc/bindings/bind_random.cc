// Counter-based random numbers for Python: see random/philox.h.
#include <cstdint>
#include <string>

#include "bindings/numpy_args.h"
#include "bindings/register.h"
#include "random/philox.h"

namespace py = pybind11;

namespace td7 {
namespace {

constexpr std::int64_t kMostNumbers = std::int64_t{1} << 32;  // the index of a number has 32 bits

// One row of `out` a seed: row p holds the first n numbers of (seeds[p], stream, counters[p]).
template <typename T, typename Fill>
void FillRows(py::handle seeds, const std::string& stream, py::handle counters, py::handle out,
              const Fill& fill) {
  const auto* seed = InputArray<std::uint64_t>(seeds, "seeds", {"P"});
  const std::int64_t rows = SizeOf(seeds, 0);
  const auto* counter = InputArray<std::int64_t>(counters, "counters", {rows});
  auto* numbers = OutputArray<T>(out, "out", {rows, "n"});
  const std::int64_t n = SizeOf(out, 1);
  if (n > kMostNumbers) throw std::invalid_argument("out must have at most 2^32 numbers a row");
  for (std::int64_t p = 0; p < rows; ++p) {
    if (counter[p] >= 0) continue;
    throw std::invalid_argument("counters[" + std::to_string(p) + "] must not be negative, got " +
                                std::to_string(counter[p]));
  }
  const std::uint32_t id = StreamId(stream);
  const py::gil_scoped_release unlocked;
  for (std::int64_t p = 0; p < rows; ++p) {
    fill(PhiloxStream(seed[p], id, static_cast<std::uint64_t>(counter[p])),
         static_cast<std::size_t>(n), numbers + p * n);
  }
}

void FillUniform(py::handle seeds, const std::string& stream, py::handle counters, py::handle out) {
  FillRows<double>(seeds, stream, counters, out,
                   [](const PhiloxStream& random, std::size_t n, double* numbers) {
                     random.FillUniform(0, n, numbers);
                   });
}

void FillNormal(py::handle seeds, const std::string& stream, py::handle counters, py::handle out) {
  FillRows<float>(seeds, stream, counters, out,
                  [](const PhiloxStream& random, std::size_t n, float* numbers) {
                    random.FillNormal(n, numbers);
                  });
}

}  // namespace

void register_random(py::module_& module) {
  module.def("fill_uniform", &FillUniform, py::arg("seeds"), py::arg("stream"), py::arg("counters"),
             py::arg("out"),
             "Fills out [P, n] float64 with uniforms in [0, 1): row p is a pure function of "
             "(seeds[p], stream, counters[p]). seeds uint64 [P], counters int64 [P].");
  module.def("fill_normal", &FillNormal, py::arg("seeds"), py::arg("stream"), py::arg("counters"),
             py::arg("out"),
             "Fills out [P, n] float32 with standard normals; arguments as in fill_uniform.");
}

}  // namespace td7
