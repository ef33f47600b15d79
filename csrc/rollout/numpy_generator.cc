#include "rollout/numpy_generator.h"

#include <numpy/random/bitgen.h>

// numpy's distributions.h declares it too, but needs Python.
extern "C" double random_standard_normal(bitgen_t* bitgen_state);

namespace td7 {
namespace {

__extension__ using Uint128 = unsigned __int128;

constexpr Uint128 Join(std::uint64_t high, std::uint64_t low) {
  return static_cast<Uint128>(high) << 64 | low;
}

constexpr Uint128 kMultiplier = Join(0x2360ed051fc65da4, 0x4385df649fccf645);

std::uint64_t RotateRight(std::uint64_t x, unsigned count) {
  return x >> count | x << (-count & 63U);
}

std::uint64_t Uint64Of(void* generator) {
  return static_cast<NumpyGenerator*>(generator)->NextUint64();
}

std::uint32_t Uint32Of(void* generator) {
  return static_cast<NumpyGenerator*>(generator)->NextUint32();
}

double DoubleOf(void* generator) { return static_cast<NumpyGenerator*>(generator)->NextDouble(); }

}  // namespace

std::uint64_t NumpyGenerator::NextUint64() {
  const Uint128 increment = Join(state_.increment_high, state_.increment_low);
  const Uint128 state = Join(state_.state_high, state_.state_low) * kMultiplier + increment;
  state_.state_high = static_cast<std::uint64_t>(state >> 64);
  state_.state_low = static_cast<std::uint64_t>(state);
  return RotateRight(state_.state_high ^ state_.state_low,
                     static_cast<unsigned>(state_.state_high >> 58));
}

std::uint32_t NumpyGenerator::NextUint32() {
  if (state_.has_uint32 != 0) {
    state_.has_uint32 = 0;
    return state_.uinteger;
  }
  const std::uint64_t both = NextUint64();
  state_.has_uint32 = 1;
  state_.uinteger = static_cast<std::uint32_t>(both >> 32);
  return static_cast<std::uint32_t>(both);
}

double NumpyGenerator::NextDouble() { return static_cast<double>(NextUint64() >> 11) * 0x1.0p-53; }

double NumpyGenerator::StandardNormal() {
  bitgen_t source{this, &Uint64Of, &Uint32Of, &DoubleOf, &Uint64Of};
  return random_standard_normal(&source);
}

}  // namespace td7
