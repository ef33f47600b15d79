// The loops of kernels.h, written once over the lanes of an instruction set (simd/lanes_*.h).
//
// Lanes are draws, or nodes, or errors: each lane does by itself what the scalar code would do, so
// the number of lanes cannot change a bit. Included by the kernels_*.cc, for the vector sets
// between TD7_BEGIN_TARGET and TD7_END_TARGET.
#ifndef TD7_REPLAY_TREE_KERNELS_LANES_H_
#define TD7_REPLAY_TREE_KERNELS_LANES_H_

#ifdef __FAST_MATH__
#error "td7 promises results to the bit: compile without -ffast-math"
#endif

namespace td7 {
namespace {

template <typename Lanes>
struct LaneKernels {
  using Reals = typename Lanes::Reals;
  using Words = typename Lanes::Words;
  static constexpr std::size_t kLanes = Lanes::kCount;

  // The keys of the ten rounds, the same in every lane.
  struct RoundKeys {
    explicit RoundKeys(PhiloxKey key) {
      for (int round = 0; round < 10; ++round) {
        word[round][0] = Lanes::AllWords(key[0]);
        word[round][1] = Lanes::AllWords(key[1]);
        key[0] += 0x9E3779B9U;
        key[1] += 0xBB67AE85U;
      }
    }
    Words word[10][2];
  };

  // A lane holds a 32-bit word of a Philox counter in its low half; what is in the high half does
  // not matter.
  struct Counter {
    Words word[4];
  };

  static Counter Philox(Counter c, const RoundKeys& keys) {
    const Words first = Lanes::AllWords(0xD2511F53U);
    const Words second = Lanes::AllWords(0xCD9E8D57U);
    for (int round = 0; round < 10; ++round) {
      const Words a = Lanes::MulLow(c.word[0], first);
      const Words b = Lanes::MulLow(c.word[2], second);
      const Words left = Lanes::Xor(c.word[1], keys.word[round][0]);
      const Words right = Lanes::Xor(c.word[3], keys.word[round][1]);
      c.word[0] = Lanes::Xor(Lanes::template ShiftRight<32>(b), left);
      c.word[1] = b;
      c.word[2] = Lanes::Xor(Lanes::template ShiftRight<32>(a), right);
      c.word[3] = a;
    }
    return c;
  }

  // Uniform53 of philox.h. A 53-bit number is put together from two halves that are placed under
  // the exponents of 2^84 and 2^52; both operations are exact.
  static Reals Uniform53(Words low, Words high) {
    const Words low_half = Lanes::AllWords(0xFFFFFFFFU);
    const Words word = Lanes::Or(Lanes::template ShiftLeft<32>(high), Lanes::And(low, low_half));
    const Words bits = Lanes::template ShiftRight<11>(word);
    const Words above =
        Lanes::Or(Lanes::template ShiftRight<32>(bits), Lanes::AllWords(0x4530000000000000U));
    const Words below = Lanes::Or(Lanes::And(bits, low_half), Lanes::AllWords(0x4330000000000000U));
    const Reals sum = Lanes::Add(Lanes::Sub(Lanes::OfBits(above), Lanes::All(0x1.00000001p+84)),
                                 Lanes::OfBits(below));
    return Lanes::Mul(sum, Lanes::All(0x1.0p-53));
  }

  static void FillUniforms(const PhiloxStream& random, std::uint32_t first, std::size_t n,
                           double* uniforms) {
    const RoundKeys keys(random.key());
    const PhiloxBlock words = random.Words(first / 2);
    Words block = Lanes::AddWords(Lanes::AllWords(words[0]), Lanes::Iota());
    for (std::size_t i = 0; i < n; i += 2 * kLanes) {
      const Counter c = Philox({{block, Lanes::AllWords(words[1]), Lanes::AllWords(words[2]),
                                 Lanes::AllWords(words[3])}},
                               keys);
      Lanes::StoreInterleaved(Uniform53(c.word[0], c.word[1]), Uniform53(c.word[2], c.word[3]),
                              uniforms + i);
      block = Lanes::AddWords(block, Lanes::AllWords(kLanes));
    }
  }

  // The prefix sums p0 .. p15 of as many nodes as there are lanes, in the order of sum_tree.h.
  static void PrefixSums(const float* level, const std::int64_t* nodes, Reals (&p)[16]) {
    Reals before = Lanes::All(0.0);
    for (int quad = 0; quad < 4; ++quad) {
      Reals x[4];
      Lanes::LoadColumns(level + 4 * quad, nodes, x);
      Reals sum = x[0];
      p[4 * quad] = Lanes::Add(before, sum);
      for (int i = 1; i < 4; ++i) {
        sum = Lanes::Add(sum, x[i]);
        p[4 * quad + i] = Lanes::Add(before, sum);
      }
      before = p[4 * quad + 3];
    }
  }

  static void PickChildren(const float* level, const double* uniforms, std::size_t n,
                           std::int64_t* nodes, const float* below, bool root) {
    Reals p[16];
    PrefixSums(level, nodes, p);
    for (std::size_t i = 0; i < n; i += kLanes) {
      if (i > 0 && !root) PrefixSums(level, nodes + i, p);
      const Reals target = Lanes::Mul(Lanes::Load(uniforms + i), p[15]);
      // the sixteenth sum is above every target
      Words child = Lanes::template ShiftLeft<4>(Lanes::LoadWords(nodes + i));
      for (int j = 0; j < 15; ++j) child = Lanes::CountNotAbove(child, p[j], target);
      Lanes::StoreWords(child, nodes + i);
      if (below == nullptr) continue;
      for (std::size_t k = 0; k < kLanes; ++k) Prefetch(below + 16 * nodes[i + k], 64);
    }
  }

  static void SumNodes(const float* level, const std::int64_t* nodes, std::size_t n,
                       float* parents) {
    for (std::size_t i = 0; i < n; i += kLanes) {
      Reals p[16];
      PrefixSums(level, nodes + i, p);
      float sums[kLanes];
      Lanes::StoreFloats(p[15], sums);
      for (std::size_t k = 0; k < kLanes; ++k) parents[nodes[i + k]] = sums[k];
    }
  }

  // x^alpha as 2^(alpha log2 x), x positive and normal: see priority_power.h.
  static Reals Power(Reals x, Reals alpha) {
    const Words one = Lanes::AllWords(0x3FF0000000000000U);
    const Words bits = Lanes::BitsOf(x);
    // the exponent e for which x / 2^e lies in [sqrt(1/2), sqrt(2))
    const Words biased = Lanes::template ShiftRight<52>(
        Lanes::AddWords(bits, Lanes::AllWords(0x3FF0000000000000U - 0x3FE6A09E667F3BCDU)));
    const Words scaled =
        Lanes::AddWords(Lanes::SubWords(bits, Lanes::template ShiftLeft<52>(biased)), one);
    const Reals exponent =
        Lanes::Sub(Lanes::OfBits(Lanes::Or(biased, Lanes::AllWords(0x4330000000000000U))),
                   Lanes::All(0x1.0p+52 + 1023.0));
    const Reals m = Lanes::OfBits(scaled);
    const Reals s = Lanes::Div(Lanes::Sub(m, Lanes::All(1.0)), Lanes::Add(m, Lanes::All(1.0)));
    const Reals z = Lanes::Mul(s, s);
    Reals series = Lanes::All(kLog2Series[0]);
    for (std::size_t i = 1; i < kLog2Terms; ++i) {
      series = Lanes::Add(Lanes::Mul(series, z), Lanes::All(kLog2Series[i]));
    }
    const Reals power = Lanes::Mul(alpha, Lanes::Add(exponent, Lanes::Mul(s, series)));

    // adding 1.5 * 2^52 rounds to a whole number, whose two's complement are the low bits
    const Reals shifted = Lanes::Add(power, Lanes::All(0x1.8p+52));
    const Reals rest = Lanes::Sub(power, Lanes::Sub(shifted, Lanes::All(0x1.8p+52)));
    Reals value = Lanes::All(kExp2Series[0]);
    for (std::size_t i = 1; i < kExp2Terms; ++i) {
      value = Lanes::Add(Lanes::Mul(value, rest), Lanes::All(kExp2Series[i]));
    }
    const Words scale = Lanes::template ShiftLeft<52>(
        Lanes::AddWords(Lanes::BitsOf(shifted), Lanes::AllWords(1023)));
    return Lanes::Mul(value, Lanes::OfBits(scale));
  }

  static void Raise(const float* error, std::size_t n, double least, double alpha,
                    float* priority) {
    const Reals floor = Lanes::All(least);
    const Reals exponent = Lanes::All(alpha);
    for (std::size_t i = 0; i < n; i += kLanes) {
      const Reals x = Lanes::Max(Lanes::LoadFloats(error + i), floor);
      Lanes::StoreFloats(Power(x, exponent), priority + i);
    }
  }

  static constexpr ReplayKernels kTable{&FillUniforms, &PickChildren, &SumNodes, &Raise};
};

}  // namespace
}  // namespace td7

#endif  // TD7_REPLAY_TREE_KERNELS_LANES_H_
