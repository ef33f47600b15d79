// TD7's policy for whoever acts: obs -> zs -> actor -> action in [-1, 1] -> the environment's
// action (paper, appendix A; the same function as td7.policy.saved.PolicyModule).
//
// Header-only: csrc/policy and csrc/simd are all that a controller needs. Compile with
// -ffp-contract=off for the bits that td7 itself computes.
//
//   td7::Policy policy({17, 6, 256, 256, 256}, td7::Precision::kFloat32);
//   policy.Load(weights);
//   td7::PolicyScratch scratch(policy.sizes());
//   policy.Act(obs, 1, &scratch, action);  // in the loop: no allocation, no lock, no exception
//
// compiled_policy.h is the same function of weights that are compiled in, for machines without a
// heap.
//
// A row's output has the same bits whatever batch it is in: each number is summed in one fixed
// order. AVX2 and AVX-512 give the same bits too; plain C++ has no fused multiply-add on x86-64 and
// differs by some 1e-7. NaN or infinity in an observation gives NaN in its
// row.
//
// Threads: const methods may run at the same time, each with a scratch of its own. Load must not
// run beside any other use. Errors: the constructors throw std::invalid_argument or std::bad_alloc,
// the methods nothing. Ownership: arguments are used during the call only.
#ifndef TD7_POLICY_POLICY_H_
#define TD7_POLICY_POLICY_H_

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "policy/forward.h"
#include "policy/layout.h"
#include "policy/packed_layer.h"
#include "policy/precision.h"

namespace td7 {

// As in torch: weight [outputs, inputs] row by row, bias [outputs].
struct LinearWeights {
  const float* weight;
  const float* bias;
};

struct PolicyWeights {
  LinearWeights zs1;  // [Hs, S]
  LinearWeights zs2;  // [Hs, Hs]
  LinearWeights zs3;  // [Z, Hs]
  LinearWeights l0;   // [Ha, S]
  LinearWeights l1;   // [Ha, Ha + Z]
  LinearWeights l2;   // [Ha, Ha]
  LinearWeights l3;   // [A, Ha]
  const float* low;   // [A]
  const float* high;  // [A]
};

namespace internal {

struct AlignedDelete {
  void operator()(float* words) const { ::operator delete(words, std::align_val_t{64}); }
};
using AlignedWords = std::unique_ptr<float[], AlignedDelete>;

inline AlignedWords NewAlignedWords(std::size_t n) {
  auto* words = static_cast<float*>(::operator new(n * sizeof(float), std::align_val_t{64}));
  std::memset(words, 0, n * sizeof(float));
  return AlignedWords(words);
}

inline void CheckSizes(const PolicySizes& sizes) {
  const auto check = [](const char* name, int size) {
    if (size >= 1 && size <= kMostSize) return;
    throw std::invalid_argument(std::string(name) + " must be from 1 to " +
                                std::to_string(kMostSize) + ", got " + std::to_string(size));
  };
  check("obs_size", sizes.obs);
  check("action_size", sizes.action);
  check("embedding_size", sizes.embedding);
  check("encoder_hidden", sizes.encoder_hidden);
  check("actor_hidden", sizes.actor_hidden);
}

template <typename Weight>
void PackAll(const PolicyWeights& weights, const PackedPolicy<Weight>& packed) {
  Pack(weights.zs1.weight, weights.zs1.bias, packed.zs1);
  Pack(weights.zs2.weight, weights.zs2.bias, packed.zs2);
  Pack(weights.zs3.weight, weights.zs3.bias, packed.zs3);
  Pack(weights.l0.weight, weights.l0.bias, packed.l0);
  Pack(weights.l1.weight, weights.l1.bias, packed.l1);
  Pack(weights.l2.weight, weights.l2.bias, packed.l2);
  Pack(weights.l3.weight, weights.l3.bias, packed.l3);
}

}  // namespace internal

// Working memory of one thread, for policies of the given sizes and any number of rows.
class PolicyScratch {
 public:
  static constexpr int kRows = 8;  // that are worked on at once

  explicit PolicyScratch(const PolicySizes& sizes) : sizes_(sizes) {
    internal::CheckSizes(sizes);
    words_ = internal::NewAlignedWords(internal::MemoryWords(sizes, kRows));
    memory_ = internal::LayOutMemory(sizes, kRows, words_.get());
  }

  const PolicySizes& sizes() const { return sizes_; }
  const PolicyMemory& memory() const { return memory_; }

 private:
  PolicySizes sizes_;
  PolicyMemory memory_{};
  internal::AlignedWords words_;
};

class Policy {
 public:
  // Weights are zeros until they are loaded. Throws std::invalid_argument for a size outside
  // 1 ... 2^20.
  Policy(const PolicySizes& sizes, Precision precision) : sizes_(sizes), precision_(precision) {
    internal::CheckSizes(sizes);
    bounds_.resize(static_cast<std::size_t>(sizes.action));
    words_ = internal::NewAlignedWords(LayOut(nullptr));
    LayOut(words_.get());
  }

  Policy(const Policy&) = delete;
  Policy& operator=(const Policy&) = delete;

  const PolicySizes& sizes() const { return sizes_; }
  Precision precision() const { return precision_; }

  // Takes over other weights of the same sizes; nothing is allocated.
  void Load(const PolicyWeights& weights) {
    if (precision_ == Precision::kFloat32) {
      internal::PackAll(weights, float32_);
    } else {
      internal::PackAll(weights, bfloat16_);
    }
    for (std::size_t i = 0; i < bounds_.size(); ++i) {
      bounds_[i] = internal::ActionBounds::Of(weights.low[i], weights.high[i]);
    }
  }

  // action [n, A] in [-1, 1] of obs [n, S]. REQUIRES: the scratch is for these sizes.
  void Normalised(const float* obs, int n, PolicyScratch* scratch, float* action) const {
    assert(scratch->sizes() == sizes_);
    InBlocks(obs, n, action, sizes_.action, [&](const float* rows, int count, float* out) {
      if (precision_ == Precision::kFloat32) {
        ForwardAction(float32_, rows, count, scratch->memory(), out);
      } else {
        ForwardAction(bfloat16_, rows, count, scratch->memory(), out);
      }
    });
  }

  // zs [n, Z] of obs [n, S], as the actor sees it. REQUIRES: the scratch is for these sizes.
  void Zs(const float* obs, int n, PolicyScratch* scratch, float* zs) const {
    assert(scratch->sizes() == sizes_);
    InBlocks(obs, n, zs, sizes_.embedding, [&](const float* rows, int count, float* out) {
      if (precision_ == Precision::kFloat32) {
        ForwardZs(float32_, rows, count, scratch->memory(), out);
      } else {
        ForwardZs(bfloat16_, rows, count, scratch->memory(), out);
      }
    });
  }

  // The environment's actions [n, A], within the bounds, of actions [n, A] in [-1, 1]; in place if
  // `out` is `action`.
  void ToEnv(const float* action, int n, float* out) const {
    for (int row = 0; row < n; ++row) {
      for (const internal::ActionBounds& bounds : bounds_) *out++ = bounds.ToEnv(*action++);
    }
  }

  // ToEnv after Normalised.
  void Act(const float* obs, int n, PolicyScratch* scratch, float* out) const {
    Normalised(obs, n, scratch, out);
    ToEnv(out, n, out);
  }

 private:
  std::size_t LayOut(float* words) {
    return precision_ == Precision::kFloat32 ? internal::LayOut(sizes_, words, &float32_)
                                             : internal::LayOut(sizes_, words, &bfloat16_);
  }

  template <typename Function>
  void InBlocks(const float* obs, int n, float* out, int width, const Function& function) const {
    for (int row = 0; row < n; row += PolicyScratch::kRows) {
      const std::ptrdiff_t done = row;
      function(obs + done * sizes_.obs, std::min(n - row, PolicyScratch::kRows),
               out + done * width);
    }
  }

  const PolicySizes sizes_;
  const Precision precision_;
  PackedPolicy<float> float32_;  // of the two, the one of precision_ has a place in words_
  PackedPolicy<Bfloat16Pair> bfloat16_;
  internal::AlignedWords words_;
  std::vector<internal::ActionBounds> bounds_;
};

}  // namespace td7

#endif  // TD7_POLICY_POLICY_H_
