#include "rollout/tasks/humanoid_obs.h"

#include <cstdint>

#include "rollout/tasks/model_checks.h"
#include "rollout/tasks/row_writer.h"

namespace td7 {
namespace {

constexpr int kRootVelocities = 6;  // no actuator acts on the root

}  // namespace

HumanoidObs::HumanoidObs(const mjModel& model, TaskArgReader* args)
    : skipped_(args->Flag("exclude_current_positions_from_observation") ? 2 : 0),
      inertias_(args->Flag("include_cinert_in_observation")),
      velocities_(args->Flag("include_cvel_in_observation")),
      actuator_forces_(args->Flag("include_qfrc_actuator_in_observation")),
      contact_forces_(args->Flag("include_cfrc_ext_in_observation")),
      size_(model.nq + model.nv - skipped_) {
  NeedAtLeast(args->task_id(), 3, kPositions, model.nq);
  NeedAtLeast(args->task_id(), kRootVelocities, kVelocities, model.nv);
  const std::int64_t bodies = model.nbody - 1;  // without the world
  if (inertias_) size_ += 10 * bodies;
  if (velocities_) size_ += 6 * bodies;
  if (actuator_forces_) size_ += model.nv - kRootVelocities;
  if (contact_forces_) size_ += 6 * bodies;
}

void HumanoidObs::Write(const mjModel& model, const mjData& data, double* obs) const {
  RowWriter row(obs);
  row.AddFrom(skipped_, data.qpos, model.nq);
  row.AddFrom(0, data.qvel, model.nv);
  if (inertias_) row.AddFrom(10, data.cinert, 10 * model.nbody);
  if (velocities_) row.AddFrom(6, data.cvel, 6 * model.nbody);
  if (actuator_forces_) row.AddFrom(kRootVelocities, data.qfrc_actuator, model.nv);
  if (contact_forces_) row.AddFrom(6, data.cfrc_ext, 6 * model.nbody);
}

}  // namespace td7
