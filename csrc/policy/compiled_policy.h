// TD7's policy with its weights compiled in: the function of policy.h, to the bit, for one
// observation, without heap, exceptions or RTTI. Builds with -fno-exceptions -fno-rtti; compile
// with -ffp-contract=off. On arm it needs no operating system, nor any library but memcpy. On
// x86-64, where the instruction set is chosen as it runs, it also needs the compiler's own
// libraries:
// __cpu_model, and __cxa_guard_acquire and _release unless -fno-threadsafe-statics is given.
//
// `td7 export --format cpp` writes the weights as a header that includes nothing but <cstdint>:
//
//   namespace td7_policy {
//   struct Weights {
//     static constexpr int kObs = 17, kAction = 6, kEmbedding = 256, kEncoderHidden = 256,
//                          kActorHidden = 256;
//     static constexpr int kWeightBits = 32;         // 16: bfloat16
//     static constexpr float kLow[kAction] = {...};  // the environment's bounds
//     static constexpr float kHigh[kAction] = {...};
//     alignas(64) static constexpr float kWords[...] = {...};  // std::uint32_t for bfloat16
//   };
//   }
//
// kWords are the layers as packed_layer.h lays them out, in the order l0, zs1, zs2, zs3, l1, l2,
// l3; they are used where they lie, so they may stay in read-only memory.
//
//   static td7::CompiledPolicy<td7_policy::Weights> policy;  // some kilobytes of working memory
//   policy.Act(obs, action);                                 // in the loop
//
// Threads: one at a time for each object. Errors: none; NaN or infinity in the observation gives
// NaN in the action. Ownership: arguments are used during the call only.
#ifndef TD7_POLICY_COMPILED_POLICY_H_
#define TD7_POLICY_COMPILED_POLICY_H_

#include <cstddef>

#include "policy/layout.h"

namespace td7 {

namespace internal {

template <int bits>
struct WeightOfBits;
template <>
struct WeightOfBits<32> {
  using Type = float;
};
template <>
struct WeightOfBits<16> {
  using Type = Bfloat16Pair;
};

}  // namespace internal

template <typename Weights>
class CompiledPolicy {
 public:
  static constexpr PolicySizes kSizes{Weights::kObs, Weights::kAction, Weights::kEmbedding,
                                      Weights::kEncoderHidden, Weights::kActorHidden};

  CompiledPolicy() noexcept {
    // the forward pass only reads words; a layer has them writable for those who pack it
    const void* const words = Weights::kWords;
    internal::LayOut(kSizes, static_cast<float*>(const_cast<void*>(words)), &packed_);
    memory_ = internal::LayOutMemory(kSizes, 1, scratch_);
    for (int i = 0; i < kSizes.action; ++i) {
      bounds_[i] = internal::ActionBounds::Of(Weights::kLow[i], Weights::kHigh[i]);
    }
  }

  CompiledPolicy(const CompiledPolicy&) = delete;
  CompiledPolicy& operator=(const CompiledPolicy&) = delete;

  // The environment's action [A], within its bounds, for obs [S].
  void Act(const float* obs, float* action) noexcept {
    ForwardAction(packed_, obs, 1, memory_, action);
    for (int i = 0; i < kSizes.action; ++i) action[i] = bounds_[i].ToEnv(action[i]);
  }

 private:
  using Weight = typename internal::WeightOfBits<Weights::kWeightBits>::Type;
  static_assert(sizeof(Weights::kWords) / 4 == internal::PackedWords<Weight>(kSizes),
                "the weights are not those of these sizes");
  static_assert(sizeof(Weights::kWords[0]) == 4, "a word has four bytes");

  PackedPolicy<Weight> packed_;
  PolicyMemory memory_{};
  internal::ActionBounds bounds_[kSizes.action];
  alignas(64) float scratch_[internal::MemoryWords(kSizes, 1)];
};

}  // namespace td7

#endif  // TD7_POLICY_COMPILED_POLICY_H_
