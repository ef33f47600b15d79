// What the bindings of the rollout engine share. All functions need the GIL.
#ifndef TD7_BINDINGS_ENGINE_ARGS_H_
#define TD7_BINDINGS_ENGINE_ARGS_H_

#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <string>

#include "rollout/engine.h"

namespace td7 {

// One call at a time on an engine.
inline std::unique_lock<std::mutex> Alone(Engine& engine) {
  std::unique_lock<std::mutex> lock(engine.mutex(), std::try_to_lock);
  if (!lock) throw std::runtime_error("the simulations are in use by another thread");
  return lock;
}

// Throws std::out_of_range (IndexError).
inline std::int64_t CheckedSim(const Engine& engine, std::int64_t sim) {
  if (sim >= 0 && sim < engine.num_sims()) return sim;
  throw std::out_of_range("sim must be in [0, " + std::to_string(engine.num_sims()) + "), got " +
                          std::to_string(sim));
}

}  // namespace td7

#endif  // TD7_BINDINGS_ENGINE_ARGS_H_
