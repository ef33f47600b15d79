// Drives a MuJoCo model by a bundle: BUNDLE MODEL PLUGINS STEPS FRAME_SKIP NAME...
//
// NAME... are the action names of the bundle, in its order. Each action is written to the control
// of that name, which is found here by MuJoCo alone: "ACTUATOR" or "ACTUATOR.INPUT". Prints the
// positions after every action. The observation is qpos, qvel and the last action.
#include <mujoco/mujoco.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "bundle/bundle.h"
#include "runtimes/native_backend.h"

namespace {

// The control of a name; throws if the model has none.
int ControlOf(const mjModel* model, const std::string& name) {
  const int whole = mj_name2id(model, mjOBJ_ACTUATOR, name.c_str());
  if (whole >= 0) return model->actuator_ctrladr[whole];
  const std::size_t dot = name.find('.');
  const int actuator = mj_name2id(model, mjOBJ_ACTUATOR, name.substr(0, dot).c_str());
  for (int i = 0; actuator >= 0 && i < model->actuator_ctrlnum[actuator]; ++i) {
    if (name.substr(dot + 1) == mj_actuatorInputName(model, actuator, i)) {
      return model->actuator_ctrladr[actuator] + i;
    }
  }
  throw std::runtime_error("no control is called " + name);
}

}  // namespace

int main(int, char** argv) {
  const td7::Bundle bundle(argv[1]);
  const auto policy = td7::MakeNativePolicy(bundle, td7::Precision::kFloat32);
  mj_loadAllPluginLibraries(argv[3], nullptr);
  char error[1000] = "";
  mjModel* const model = mj_loadXML(argv[2], nullptr, error, sizeof(error));
  if (model == nullptr) throw std::runtime_error(error);
  mjData* const data = mj_makeData(model);
  std::vector<int> controls;
  for (int i = 0; i < bundle.action_size(); ++i) {
    controls.push_back(ControlOf(model, argv[6 + i]));
    const mjtNum* const range = model->actuator_ctrlrange + std::ptrdiff_t{2} * controls.back();
    const auto entry = static_cast<std::size_t>(i);
    if (static_cast<float>(range[0]) != bundle.low()[entry] ||
        static_cast<float>(range[1]) != bundle.high()[entry]) {
      throw std::runtime_error(std::string("another range than that of ") + argv[6 + i]);
    }
  }
  std::vector<float> action(controls.size(), 0.0F);
  for (int step = 0; step < std::atoi(argv[4]); ++step) {
    std::vector<float> obs;
    for (int i = 0; i < model->nq; ++i) obs.push_back(static_cast<float>(data->qpos[i]));
    for (int i = 0; i < model->nv; ++i) obs.push_back(static_cast<float>(data->qvel[i]));
    obs.insert(obs.end(), action.begin(), action.end());
    if (!policy->Act(obs.data(), action.data())) return 1;
    for (std::size_t i = 0; i < controls.size(); ++i) {
      data->ctrl[controls[i]] = static_cast<mjtNum>(action[i]);
    }
    for (int i = 0; i < std::atoi(argv[5]); ++i) mj_step(model, data);
    for (int i = 0; i < model->nq; ++i) std::printf("%.17g ", data->qpos[i]);
    std::printf("\n");
  }
  mj_deleteData(data);
  mj_deleteModel(model);
}
