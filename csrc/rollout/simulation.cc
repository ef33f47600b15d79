#include "rollout/simulation.h"

#include <stdexcept>

namespace td7 {
namespace {

constexpr int kBadStates[] = {mjWARN_BADQPOS, mjWARN_BADQVEL, mjWARN_BADQACC};

struct ResetJob {
  const mjModel* model;
  mjData* data;
  const Task* task;
  NumpyGenerator* random;
};

struct StepJob {
  const mjModel* model;
  mjData* data;
  int steps;
  bool contact_forces;
};

void ResetPhysics(void* argument) {
  auto* job = static_cast<ResetJob*>(argument);
  mj_resetData(job->model, job->data);
  job->task->Reset(*job->model, job->data, job->random);
  mj_forward(job->model, job->data);
}

void StepPhysics(void* argument) {
  auto* job = static_cast<StepJob*>(argument);
  // a bad state resets the counters too, so only counting from 0 tells what happened in this step
  for (const int kind : kBadStates) job->data->warning[kind].number = 0;
  for (int i = 0; i < job->steps; ++i) mj_step(job->model, job->data);
  if (job->contact_forces) mj_rnePostConstraint(job->model, job->data);
}

struct StateJob {
  const mjModel* model;
  mjData* data;
  const double* qpos;
  const double* qvel;
};

void SetPhysics(void* argument) {
  auto* job = static_cast<StateJob*>(argument);
  mju_copy(job->data->qpos, job->qpos, static_cast<int>(job->model->nq));
  mju_copy(job->data->qvel, job->qvel, static_cast<int>(job->model->nv));
  mj_forward(job->model, job->data);
}

}  // namespace

Simulation::Simulation(const mjModel& model, const Task& task, std::int64_t max_episode_steps)
    : model_(model),
      task_(task),
      max_episode_steps_(max_episode_steps),
      data_(MakeData(model)),
      obs_(static_cast<std::size_t>(task.shape().obs_size)),
      memory_(static_cast<std::size_t>(task.shape().memory_size)) {}

void Simulation::Seed(const Pcg64State& state) {
  if (state.increment_low % 2 == 0) {
    throw std::invalid_argument("the state of a PCG64 must have an odd increment");
  }
  random_ = NumpyGenerator(state);
  seeded_ = true;
}

bool Simulation::Reset(double* info) {
  ++moves_;
  running_ = false;
  episode_step_ = 0;
  if (!seeded_) {
    error_ = "the simulation has no seed: seed it first";
    return false;
  }
  if (!data_) data_ = MakeData(model_);  // the last call has failed
  ResetJob job{&model_, data_.get(), &task_, &random_};
  if (!Call(&ResetPhysics, &job)) return false;
  running_ = true;
  outcome_ = Outcome{};
  divergences_ = 0;
  task_.Observe(model_, *data_, obs_.data());
  if (info != nullptr) task_.ResetInfo(model_, *data_, info);
  return true;
}

bool Simulation::Step(const Action& action, double* info) {
  ++moves_;
  task_.Remember(model_, *data_, memory_.data());
  for (int i = 0; i < model_.nu; ++i) data_->ctrl[i] = action[i];
  ++episode_step_;
  StepJob job{&model_, data_.get(), task_.shape().frame_skip, task_.shape().reads_contact_forces};
  if (!Call(&StepPhysics, &job)) return false;
  divergences_ = BadStates();
  outcome_ = task_.Score(model_, *data_, action, memory_.data(), info);
  task_.Observe(model_, *data_, obs_.data());
  running_ = !outcome_.terminated && !truncated();
  return true;
}

bool Simulation::SetState(const double* qpos, const double* qvel) {
  ++moves_;
  if (!data_) data_ = MakeData(model_);
  StateJob job{&model_, data_.get(), qpos, qvel};
  if (!Call(&SetPhysics, &job)) return false;
  task_.Observe(model_, *data_, obs_.data());
  return true;
}

bool Simulation::Call(void (*function)(void*), void* argument) {
  MujocoError error;
  if (Guarded(function, argument, &error)) return true;
  running_ = false;
  data_.reset();  // of no use after an error
  error_ = error.text;
  return false;
}

int Simulation::BadStates() const {
  int total = 0;
  for (const int kind : kBadStates) total += data_->warning[kind].number;
  return total;
}

}  // namespace td7
