// rollout/numpy_generator.h: the numbers of numpy.random.Generator(PCG64(42)), written down from
// numpy. Exits with 0 if all claims hold.
#include <cmath>
#include <cstdint>
#include <cstring>

#include "check.h"
#include "rollout/numpy_generator.h"

namespace td7 {
namespace {

Pcg64State Seed42() {
  Pcg64State state;
  state.state_high = 0xcea44f6798798f2a;
  state.state_low = 0xacbc7c9d68860ac8;
  state.increment_high = 0xfa505436c9a8416e;
  state.increment_low = 0x66caf2e28d25abff;
  return state;
}

std::uint64_t Bits(double number) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &number, sizeof bits);
  return bits;
}

void DrawsAreThoseOfNumpy() {
  NumpyGenerator random(Seed42());
  CHECK(random.NextUint64() == 0xc621fbcd16d92688);
  CHECK(random.NextUint64() == 0x705a5661a791ffc1);
  CHECK(random.NextUint64() == 0xdbcd12c26eda1624);
  CHECK(random.NextDouble() == 0x1.650d6c1c2c011p-1);
  CHECK(random.NextDouble() == 0x1.81c01b5339380p-4);
  CHECK(random.Uniform(-0.1, 0.1) == 0x1.85a13c91af4aap-4);
  CHECK(random.Uniform(-0.1, 0.1) == 0x1.abd9edfe4f0e8p-5);
  // so many normals that each branch of the ziggurat is taken, the tail's among them
  double normals[3];
  std::uint64_t every_bit = 0;
  double largest = 0.0;
  for (int i = 0; i < 100000; ++i) {
    const double normal = random.StandardNormal();
    if (i < 3) normals[i] = normal;
    every_bit ^= Bits(normal);
    largest = std::fmax(largest, std::abs(normal));
  }
  CHECK(normals[0] == -0x1.43d5191edf2d2p-2);
  CHECK(normals[1] == -0x1.1345298103f02p-6);
  CHECK(normals[2] == -0x1.b4c22c75f5b7fp-1);
  CHECK(every_bit == 0xfed62632c4a6653c);
  CHECK(largest > 5.0);
  CHECK(random.NextUint64() == 0xe04dbf87e5399e35);
}

void HalvesAreDrawnLowFirstAndTheOtherIsKept() {
  NumpyGenerator random(Seed42());
  CHECK(random.NextUint32() == 0x16d92688);
  CHECK(random.NextUint32() == 0xc621fbcd);
  CHECK(random.NextUint32() == 0xa791ffc1);
  CHECK(random.state().has_uint32 == 1);
  CHECK(random.state().uinteger == 1884968545);
}

void AGeneratorGoesOnFromItsState() {
  NumpyGenerator random(Seed42());
  for (int i = 0; i < 100; ++i) random.StandardNormal();
  NumpyGenerator other(random.state());
  for (int i = 0; i < 100; ++i) CHECK(random.NextUint64() == other.NextUint64());
}

}  // namespace
}  // namespace td7

int main() {
  td7::DrawsAreThoseOfNumpy();
  td7::HalvesAreDrawnLowFirstAndTheOtherIsKept();
  td7::AGeneratorGoesOnFromItsState();
  return failures == 0 ? 0 : 1;
}
