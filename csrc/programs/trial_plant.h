// A plant whose observations go bad, for trials of what a controller does then.
#ifndef TD7_PROGRAMS_TRIAL_PLANT_H_
#define TD7_PROGRAMS_TRIAL_PLANT_H_

#include <cstdint>
#include <limits>

#include "controller/plant.h"

namespace td7 {

struct Trial {
  enum class Kind { kNone, kNan, kStale };

  Kind kind = Kind::kNone;
  std::int64_t first = 0;  // observation, counted from 0
  std::int64_t count = 1;  // how many
};

class TrialPlant : public Plant {
 public:
  // `plant`, which must live longer, is what the rest is left to.
  TrialPlant(Plant* plant, const Trial& trial) : plant_(plant), trial_(trial) {}

  bool Observe(float* obs, std::int64_t* age_ns) noexcept override {
    if (!plant_->Observe(obs, age_ns)) return false;
    const std::int64_t since = observed_++ - trial_.first;
    if (since < 0 || since >= trial_.count) return true;
    if (trial_.kind == Trial::Kind::kNan) obs[0] = std::numeric_limits<float>::quiet_NaN();
    if (trial_.kind == Trial::Kind::kStale) *age_ns = std::numeric_limits<std::int64_t>::max();
    return true;
  }
  bool Apply(const float* action) noexcept override { return plant_->Apply(action); }
  bool Finish(const float* action) noexcept override { return plant_->Finish(action); }

 private:
  Plant* plant_;
  Trial trial_;
  std::int64_t observed_ = 0;
};

}  // namespace td7

#endif  // TD7_PROGRAMS_TRIAL_PLANT_H_
