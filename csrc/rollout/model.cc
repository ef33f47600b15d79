#include "rollout/model.h"

#include <new>
#include <stdexcept>

#include "rollout/guard.h"

namespace td7 {
namespace {

struct Loading {
  const char* path;
  char error[1024];
  mjModel* model;
};

struct Making {
  const mjModel* model;
  mjData* data;
};

}  // namespace

// mj_loadXML owns things, so an error that left it by longjmp would leak them. It reports what is
// wrong with a file by its text and not so; the guard is for what it does not expect.
Model LoadModel(const std::string& path) {
  const LogHandler handler;
  MujocoError error;
  Loading loading{path.c_str(), "", nullptr};
  const auto load = [](void* argument) {
    auto* job = static_cast<Loading*>(argument);
    job->model = mj_loadXML(job->path, nullptr, job->error, sizeof(job->error));
  };
  const bool done = Guarded(load, &loading, &error);
  Model model(loading.model);
  if (done && model) return model;
  throw std::invalid_argument(path + " does not compile: " + (done ? loading.error : error.text));
}

Data MakeData(const mjModel& model) {
  const LogHandler handler;
  MujocoError error;
  Making making{&model, nullptr};
  const auto make = [](void* argument) {
    auto* job = static_cast<Making*>(argument);
    job->data = mj_makeData(job->model);
  };
  if (!Guarded(make, &making, &error)) throw std::runtime_error(error.text);
  if (making.data == nullptr) throw std::bad_alloc();
  return Data(making.data);
}

}  // namespace td7
