#include "rollout/tasks/defaults.h"

#include <limits>
#include <map>
#include <stdexcept>

namespace td7 {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

const std::map<std::string, TaskDefaults>& Defaults() {
  static const std::map<std::string, TaskDefaults> defaults = {
      {"Ant-v5",
       {"ant.xml",
        1000,
        {{"frame_skip", std::int64_t{5}},
         {"forward_reward_weight", std::int64_t{1}},
         {"ctrl_cost_weight", 0.5},
         {"contact_cost_weight", 0.0005},
         {"healthy_reward", 1.0},
         {"main_body", std::int64_t{1}},
         {"terminate_when_unhealthy", true},
         {"healthy_z_range", Range{0.2, 1.0}},
         {"contact_force_range", Range{-1.0, 1.0}},
         {"reset_noise_scale", 0.1},
         {"exclude_current_positions_from_observation", true},
         {"include_cfrc_ext_in_observation", true}}}},
      {"HalfCheetah-v5",
       {"half_cheetah.xml",
        1000,
        {{"frame_skip", std::int64_t{5}},
         {"forward_reward_weight", 1.0},
         {"ctrl_cost_weight", 0.1},
         {"reset_noise_scale", 0.1},
         {"exclude_current_positions_from_observation", true}}}},
      {"Hopper-v5",
       {"hopper.xml",
        1000,
        {{"frame_skip", std::int64_t{4}},
         {"forward_reward_weight", 1.0},
         {"ctrl_cost_weight", 0.001},
         {"healthy_reward", 1.0},
         {"terminate_when_unhealthy", true},
         {"healthy_state_range", Range{-100.0, 100.0}},
         {"healthy_z_range", Range{0.7, kInfinity}},
         {"healthy_angle_range", Range{-0.2, 0.2}},
         {"reset_noise_scale", 0.005},
         {"exclude_current_positions_from_observation", true}}}},
      {"Humanoid-v5",
       {"humanoid.xml",
        1000,
        {{"frame_skip", std::int64_t{5}},
         {"forward_reward_weight", 1.25},
         {"ctrl_cost_weight", 0.1},
         {"contact_cost_weight", 5e-07},
         {"contact_cost_range", Range{-kInfinity, 10.0}},
         {"healthy_reward", 5.0},
         {"terminate_when_unhealthy", true},
         {"healthy_z_range", Range{1.0, 2.0}},
         {"reset_noise_scale", 0.01},
         {"exclude_current_positions_from_observation", true},
         {"include_cinert_in_observation", true},
         {"include_cvel_in_observation", true},
         {"include_qfrc_actuator_in_observation", true},
         {"include_cfrc_ext_in_observation", true}}}},
      {"HumanoidStandup-v5",
       {"humanoidstandup.xml",
        1000,
        {{"frame_skip", std::int64_t{5}},
         {"uph_cost_weight", std::int64_t{1}},
         {"ctrl_cost_weight", 0.1},
         {"impact_cost_weight", 5e-07},
         {"impact_cost_range", Range{-kInfinity, 10.0}},
         {"reset_noise_scale", 0.01},
         {"exclude_current_positions_from_observation", true},
         {"include_cinert_in_observation", true},
         {"include_cvel_in_observation", true},
         {"include_qfrc_actuator_in_observation", true},
         {"include_cfrc_ext_in_observation", true}}}},
      {"InvertedDoublePendulum-v5",
       {"inverted_double_pendulum.xml",
        1000,
        {{"frame_skip", std::int64_t{5}}, {"healthy_reward", 10.0}, {"reset_noise_scale", 0.1}}}},
      {"InvertedPendulum-v5",
       {"inverted_pendulum.xml",
        1000,
        {{"frame_skip", std::int64_t{2}}, {"reset_noise_scale", 0.01}}}},
      {"Pusher-v5",
       {"pusher_v5.xml",
        100,
        {{"frame_skip", std::int64_t{5}},
         {"reward_near_weight", 0.5},
         {"reward_dist_weight", std::int64_t{1}},
         {"reward_control_weight", 0.1}}}},
      {"Reacher-v5",
       {"reacher.xml",
        50,
        {{"frame_skip", std::int64_t{2}},
         {"reward_dist_weight", std::int64_t{1}},
         {"reward_control_weight", std::int64_t{1}}}}},
      {"Swimmer-v5",
       {"swimmer.xml",
        1000,
        {{"frame_skip", std::int64_t{4}},
         {"forward_reward_weight", 1.0},
         {"ctrl_cost_weight", 0.0001},
         {"reset_noise_scale", 0.1},
         {"exclude_current_positions_from_observation", true}}}},
      {"Walker2d-v5",
       {"walker2d_v5.xml",
        1000,
        {{"frame_skip", std::int64_t{4}},
         {"forward_reward_weight", 1.0},
         {"ctrl_cost_weight", 0.001},
         {"healthy_reward", 1.0},
         {"terminate_when_unhealthy", true},
         {"healthy_z_range", Range{0.8, 2.0}},
         {"healthy_angle_range", Range{-1.0, 1.0}},
         {"reset_noise_scale", 0.005},
         {"exclude_current_positions_from_observation", true}}}},
  };
  return defaults;
}

}  // namespace

TaskDefaults DefaultsOf(const std::string& id) {
  const auto found = Defaults().find(id);
  if (found != Defaults().end()) return found->second;
  std::string text = "env must be one of";
  for (const auto& [known, defaults] : Defaults()) text += " " + known;
  throw std::invalid_argument(text + ", got " + id);
}

}  // namespace td7
