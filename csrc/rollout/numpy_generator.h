// numpy's Generator(PCG64), as far as Gymnasium's resets draw from it: the same bits.
//
// PCG64 is M. E. O'Neill's "PCG: a family of simple fast space-efficient statistically good
// algorithms for random number generation" (2014), the XSL-RR 128/64 variant; the normals are
// numpy's own ziggurat, from the library that numpy ships. Seeding (SeedSequence) is Python's:
// the state comes from `numpy.random.PCG64(seed).state`.
//
// Threads: one thread at a time an object.
#ifndef TD7_ROLLOUT_NUMPY_GENERATOR_H_
#define TD7_ROLLOUT_NUMPY_GENERATOR_H_

#include <cstddef>
#include <cstdint>

namespace td7 {

// The four words and the half-used one of PCG64's state dict in numpy.
struct Pcg64State {
  std::uint64_t state_high = 0, state_low = 0;
  std::uint64_t increment_high = 0, increment_low = 0;
  std::uint32_t has_uint32 = 0, uinteger = 0;
};

class NumpyGenerator {
 public:
  explicit NumpyGenerator(const Pcg64State& state) : state_(state) {}

  const Pcg64State& state() const { return state_; }

  std::uint64_t NextUint64();
  std::uint32_t NextUint32();  // the halves of one NextUint64 in turn
  double NextDouble();         // [0, 1), 53 bits

  // Generator.uniform(low, high): low + (high - low) * NextDouble().
  double Uniform(double low, double high) { return low + (high - low) * NextDouble(); }

  // Generator.standard_normal().
  double StandardNormal();

 private:
  Pcg64State state_;
};

}  // namespace td7

#endif  // TD7_ROLLOUT_NUMPY_GENERATOR_H_
