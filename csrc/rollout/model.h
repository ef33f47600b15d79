// An mjModel with an owner, and an mjData with one.
#ifndef TD7_ROLLOUT_MODEL_H_
#define TD7_ROLLOUT_MODEL_H_

#include <mujoco/mujoco.h>

#include <memory>
#include <string>

namespace td7 {

struct DeleteModel {
  void operator()(mjModel* model) const { mj_deleteModel(model); }
};
using Model = std::unique_ptr<mjModel, DeleteModel>;

struct DeleteData {
  void operator()(mjData* data) const { mj_deleteData(data); }
};
using Data = std::unique_ptr<mjData, DeleteData>;

// Compiles an MJCF file. Throws std::invalid_argument with MuJoCo's text.
Model LoadModel(const std::string& path);

// Throws std::runtime_error with MuJoCo's text, std::bad_alloc.
Data MakeData(const mjModel& model);

}  // namespace td7

#endif  // TD7_ROLLOUT_MODEL_H_
