// The forward pass, written once over the lanes of an instruction set (simd/floats_*.h). forward.h
// includes this text once for each set, in a namespace where Floats is the set's lanes: an include
// guard would be wrong.
//
// Every output is summed in one order, whatever is computed beside it: a chain of fused
// multiply-adds for each block of 64 inputs, added to the bias one after another. So a row's bits
// do not depend on the batch that it is in, nor on the number of lanes; and the error is that of
// chains of 64, about half that of one chain over 512 inputs.

template <typename Weight>
struct Network {
  // one row's output begins `stride` floats after the one before
  struct Rows {
    float* at;
    std::ptrdiff_t stride;
  };
  struct Inputs {
    const float* at;
    std::ptrdiff_t stride;
  };
  using Reals = Floats::Reals;
  static constexpr int kHalfPanel = kPanel / 2;
  // a chunk is a register of the first half of a panel and the one 16 outputs further
  static constexpr int kPanelChunks = kHalfPanel / Floats::kCount;
  static constexpr int kBlock = 64;  // inputs
  static constexpr std::ptrdiff_t kStep = kWordsPerInput<Weight>;

  // How many chunks fit into the registers with so many rows: 1, 2 or 4.
  static constexpr int Chunks(int rows) {
    const int most = Floats::kAccumulators / (2 * rows);
    return most >= 4 ? 4 : most >= 2 ? 2 : 1;
  }

  // sum[r][i] += the products of row r's `count` inputs and pair i's weights. Pair i is chunk
  // i % chunks of panel i / chunks; weight[p] is moved on.
  template <int rows, int panels, int chunks>
  static void Accumulate(Inputs x, int count, const Weight* (&weight)[panels],
                         Reals (&sum)[rows][panels * chunks][2]) {
    for (int k = 0; k < count; ++k) {
      Reals input[rows];
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r) input[r] = Floats::All(x.at[r * x.stride + k]);
#pragma GCC unroll 8
      for (int i = 0; i < panels * chunks; ++i) {
        Reals first, second;
        Floats::LoadPair(weight[i / chunks] + i % chunks * Floats::kCount, &first, &second);
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) {
          sum[r][i][0] = Floats::Fma(input[r], first, sum[r][i][0]);
          sum[r][i][1] = Floats::Fma(input[r], second, sum[r][i][1]);
        }
      }
#pragma GCC unroll 8
      for (int p = 0; p < panels; ++p) weight[p] += kStep;
    }
  }

  // Outputs of `rows` rows in `panels` panels from `panel`, `chunks` chunks of each from `chunk`.
  template <int rows, int panels, int chunks>
  static void Tile(const PackedLayer<Weight>& layer, int panel, int chunk, Inputs x, Rows out) {
    const Weight* weight[panels];
    for (int p = 0; p < panels; ++p) {
      weight[p] = layer.weights(panel + p) + chunk * Floats::kCount;
    }
    for (int from = 0; from < layer.inputs; from += kBlock) {
      const int count = layer.inputs - from < kBlock ? layer.inputs - from : kBlock;
      Reals sum[rows][panels * chunks][2];
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 8
        for (int i = 0; i < panels * chunks; ++i) sum[r][i][0] = sum[r][i][1] = Floats::All(0.0F);
      }
      Accumulate<rows, panels, chunks>({x.at + from, x.stride}, count, weight, sum);
#pragma GCC unroll 8
      for (int i = 0; i < panels * chunks; ++i) {
        const int place = (chunk + i % chunks) * Floats::kCount;
        const float* const bias = layer.bias(panel + i / chunks) + place;
        float* to = out.at + (panel + i / chunks) * kPanel + place;
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r, to += out.stride) {
          const float* const before = from == 0 ? bias : to;
          const Reals first = Floats::Add(Floats::Load(before), sum[r][i][0]);
          const Reals second = Floats::Add(Floats::Load(before + kHalfPanel), sum[r][i][1]);
          Floats::Store(first, to);
          Floats::Store(second, to + kHalfPanel);
        }
      }
    }
  }

  template <int rows>
  static void DenseRows(const PackedLayer<Weight>& layer, Inputs x, Rows out) {
    constexpr int kChunks = Chunks(rows);
    int panel = 0;
    if constexpr (kChunks > kPanelChunks) {
      constexpr int kPanels = kChunks / kPanelChunks;
      for (; panel + kPanels <= layer.panels(); panel += kPanels) {
        Tile<rows, kPanels, kPanelChunks>(layer, panel, 0, x, out);
      }
    }
    constexpr int kRest = kChunks < kPanelChunks ? kChunks : kPanelChunks;
    for (; panel < layer.panels(); ++panel) {
      for (int chunk = 0; chunk < kPanelChunks; chunk += kRest) {
        Tile<rows, 1, kRest>(layer, panel, chunk, x, out);
      }
    }
  }

  // out [n, whole panels] = x [n, inputs] weight^T + bias; 0 < n <= most.
  template <int most = Floats::kMostRows>
  static void DenseTile(const PackedLayer<Weight>& layer, Inputs x, int n, Rows out) {
    if (n == most) return DenseRows<most>(layer, x, out);
    if constexpr (most > 1) DenseTile<most - 1>(layer, x, n, out);
  }

  static void Dense(const PackedLayer<Weight>& layer, Inputs x, int n, Rows out) {
    for (int row = 0; row < n; row += Floats::kMostRows) {
      const int rows = n - row < Floats::kMostRows ? n - row : Floats::kMostRows;
      DenseTile(layer, {x.at + row * x.stride, x.stride}, rows,
                {out.at + row * out.stride, out.stride});
    }
  }

  // exp(x) - 1 for x <= 0, within two units in the last place; garbage for x > 0. 2^n (e^r - 1)
  // + (2^n - 1) with |r| <= log(2) / 2; Taylor's sum for e^r - 1 leaves out less than 2^-25 of it.
  // Below -20 the value is -1.
  static Reals ExpMinusOne(Reals x) {
    x = Floats::Max(Floats::All(-20.0F), x);
    const Reals shift = Floats::All(12582912.0F);  // 1.5 2^23: the sum has n in its last bits
    const Reals shifted = Floats::Fma(x, Floats::All(1.44269504F), shift);
    const Reals n = Floats::Sub(shifted, shift);
    // log(2) in two parts, the first short: its products with n are exact
    Reals r = Floats::Fma(n, Floats::All(-0x1.63p-1F), x);
    r = Floats::Fma(n, Floats::All(0x1.bd0106p-13F), r);
    Reals sum = Floats::All(1.0F / 5040);
    constexpr float kTerms[] = {1.0F / 720, 1.0F / 120, 1.0F / 24, 1.0F / 6, 1.0F / 2};
#pragma GCC unroll 8
    for (int i = 0; i < 5; ++i) sum = Floats::Fma(sum, r, Floats::All(kTerms[i]));
    const Reals less_one = Floats::Fma(Floats::Mul(r, r), sum, r);
    const Reals scale = Floats::PowerOfTwo(shifted);
    return Floats::Fma(scale, less_one, Floats::Sub(scale, Floats::All(1.0F)));
  }

  static Reals Elu(Reals x) { return Floats::PositiveOr(x, ExpMinusOne(x)); }
  static Reals Relu(Reals x) { return Floats::Max(Floats::All(0.0F), x); }
  static Reals Tanh(Reals x) {
    const Reals t = ExpMinusOne(Floats::Mul(Floats::All(-2.0F), Floats::Abs(x)));
    return Floats::CopySign(Floats::Div(t, Floats::Add(t, Floats::All(2.0F))), x);
  }

  // Applies a function to `rows` rows of `size` numbers, or more up to the next whole panel.
  template <Reals (*function)(Reals)>
  static void Apply(Rows x, int rows, int size) {
    for (int row = 0; row < rows; ++row) {
      float* at = x.at + row * x.stride;
      for (int i = 0; i < size; i += Floats::kCount) {
        Floats::Store(function(Floats::Load(at + i)), at + i);
      }
    }
  }

  // Divides a row by the mean magnitude of its numbers, at least 1e-8. The sum is that of sixteen
  // partial sums, halved until one is left.
  static void NormaliseRow(float* x, int size) {
    constexpr int kParts = 16 / Floats::kCount;
    Reals part[kParts];
    for (Reals& p : part) p = Floats::All(0.0F);
    for (int i = size; i % 16 != 0; ++i) x[i] = 0.0F;
    for (int i = 0; i < size; i += 16) {
      for (int p = 0; p < kParts; ++p) {
        part[p] = Floats::Add(part[p], Floats::Abs(Floats::Load(x + i + p * Floats::kCount)));
      }
    }
    float sum[16];
    for (int p = 0; p < kParts; ++p) Floats::Store(part[p], sum + p * Floats::kCount);
    for (int half = 8; half > 0; half /= 2) {
      for (int i = 0; i < half; ++i) sum[i] += sum[i + half];
    }
    const float mean = sum[0] / static_cast<float>(size);
    const Reals divisor = Floats::All(mean < 1e-8F ? 1e-8F : mean);
    for (int i = 0; i < size; i += Floats::kCount) {
      Floats::Store(Floats::Div(Floats::Load(x + i), divisor), x + i);
    }
  }

  static void AvgL1Norm(Rows x, int rows, int size) {
    for (int row = 0; row < rows; ++row) NormaliseRow(x.at + row * x.stride, size);
  }

  static void Copy(Rows x, int rows, int size, float* to) {
    for (int row = 0; row < rows; ++row, to += size) {
      std::memcpy(to, x.at + row * x.stride, static_cast<std::size_t>(size) * sizeof(float));
    }
  }

  static void Encode(const PackedPolicy<Weight>& policy, Inputs obs, int rows, Rows first,
                     Rows second, Rows zs) {
    Dense(policy.zs1, obs, rows, first);
    Apply<Elu>(first, rows, policy.zs1.outputs);
    Dense(policy.zs2, {first.at, first.stride}, rows, second);
    Apply<Elu>(second, rows, policy.zs2.outputs);
    Dense(policy.zs3, {second.at, second.stride}, rows, zs);
    AvgL1Norm(zs, rows, policy.zs3.outputs);
  }

  // zs [rows, Z] of obs [rows, S].
  static void Zs(const PackedPolicy<Weight>& policy, const float* obs, int rows,
                 const PolicyMemory& memory, float* zs) {
    const Rows both{memory.both, memory.both_stride};
    Encode(policy, {obs, policy.zs1.inputs}, rows, {memory.first, memory.hidden_stride},
           {memory.second, memory.hidden_stride}, both);
    Copy(both, rows, policy.zs3.outputs, zs);
  }

  // action [rows, A] in [-1, 1] of obs [rows, S].
  static void Action(const PackedPolicy<Weight>& policy, const float* obs, int rows,
                     const PolicyMemory& memory, float* action) {
    const Inputs x{obs, policy.zs1.inputs};
    const Rows first{memory.first, memory.hidden_stride};
    const Rows second{memory.second, memory.hidden_stride};
    const Rows both{memory.both, memory.both_stride};
    // in this order: the last panel of l0 may reach into the place of zs
    Dense(policy.l0, x, rows, both);
    AvgL1Norm(both, rows, policy.l0.outputs);
    Encode(policy, x, rows, first, second, {both.at + policy.l0.outputs, both.stride});
    Dense(policy.l1, {both.at, both.stride}, rows, first);
    Apply<Relu>(first, rows, policy.l1.outputs);
    Dense(policy.l2, {first.at, first.stride}, rows, second);
    Apply<Relu>(second, rows, policy.l2.outputs);
    Dense(policy.l3, {second.at, second.stride}, rows, first);
    Apply<Tanh>(first, rows, policy.l3.outputs);
    Copy(first, rows, policy.l3.outputs, action);
  }
};
