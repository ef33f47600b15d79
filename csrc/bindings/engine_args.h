// What the bindings of the rollout engine share. All functions need the GIL.
#ifndef TD7_BINDINGS_ENGINE_ARGS_H_
#define TD7_BINDINGS_ENGINE_ARGS_H_

#include <pybind11/numpy.h>

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "rollout/engine.h"

namespace td7 {

// One call at a time on an engine, for as long as the object lives. Throws std::runtime_error where
// another call is under way, on another thread or around this one.
class Alone {
 public:
  explicit Alone(Engine& engine) : in_use_(engine.in_use()) {
    engine.ExpectOwnProcess();
    if (in_use_.exchange(true))
      throw std::runtime_error("the simulations are in use by another call");
  }
  ~Alone() { in_use_ = false; }
  Alone(const Alone&) = delete;
  Alone& operator=(const Alone&) = delete;

 private:
  std::atomic<bool>& in_use_;
};

// Throws std::out_of_range (IndexError).
inline std::int64_t CheckedSim(const Engine& engine, std::int64_t sim) {
  if (sim >= 0 && sim < engine.num_sims()) return sim;
  throw std::out_of_range("sim must be in [0, " + std::to_string(engine.num_sims()) + "), got " +
                          std::to_string(sim));
}

// The words of numpy's PCG64: state high and low, inc high and low, has_uint32, uinteger.
inline pybind11::array_t<std::uint64_t> Pcg64Words(const Pcg64State& state) {
  const std::uint64_t words[] = {state.state_high,    state.state_low,  state.increment_high,
                                 state.increment_low, state.has_uint32, state.uinteger};
  return pybind11::array_t<std::uint64_t>(6, words);
}

}  // namespace td7

#endif  // TD7_BINDINGS_ENGINE_ARGS_H_
