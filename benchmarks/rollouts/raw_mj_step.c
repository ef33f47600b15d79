// Replays recorded episodes with mj_step alone: what the physics of the same steps costs, without
// observations, rewards, draws, policy or rows. Compiled and driven by benchmarks/rollouts/raw.py.
//
// A thread has one mjData, which stays in its cache, and takes the next episode as soon as it has
// finished one: nothing that steps simulations in turn, or waits for others, can be quicker. The
// profiling timers that MuJoCo's Python package turns on are off, as in a C program. An error of
// MuJoCo ends the process, as MuJoCo does without a handler.
#include <mujoco/mujoco.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

// Episode e begins at qpos[e], qvel[e], takes the actions first_action[e] <= a < first_action[e +
// 1] and leaves where it ends in final_qpos[e].
typedef struct {
  int64_t count;
  const int64_t* first_action;  // [count + 1]
  const double* qpos;           // [count, nq]
  const double* qvel;           // [count, nv]
  const float* action;          // [actions, nu]
  double* final_qpos;           // [count, nq]
} Episodes;

typedef struct {
  const mjModel* model;
  int frame_skip;
  int num_threads;
  mjData** data;  // [num_threads]
  const Episodes* episodes;
  atomic_llong next;
} Raw;

typedef struct {
  Raw* raw;
  mjData* data;
} Worker;

void raw_close(Raw* raw) {
  if (raw == NULL) return;
  for (int i = 0; raw->data != NULL && i < raw->num_threads; ++i) mj_deleteData(raw->data[i]);
  free(raw->data);
  free(raw);
}

// NULL where memory is short. The model must outlive what is returned.
Raw* raw_open(const mjModel* model, int frame_skip, int num_threads) {
  Raw* raw = calloc(1, sizeof(Raw));
  if (raw == NULL) return NULL;
  raw->model = model;
  raw->frame_skip = frame_skip;
  raw->num_threads = num_threads;
  raw->data = calloc((size_t)num_threads, sizeof(mjData*));
  for (int i = 0; raw->data != NULL && i < num_threads; ++i) {
    raw->data[i] = mj_makeData(model);
    if (raw->data[i] == NULL) break;
  }
  if (raw->data != NULL && raw->data[num_threads - 1] != NULL) return raw;
  raw_close(raw);
  return NULL;
}

static void replay_episode(const Raw* raw, int64_t e, mjData* d) {
  const mjModel* m = raw->model;
  const Episodes* episodes = raw->episodes;
  mj_resetData(m, d);
  mju_copy(d->qpos, episodes->qpos + e * m->nq, (int)m->nq);
  mju_copy(d->qvel, episodes->qvel + e * m->nv, (int)m->nv);
  mj_forward(m, d);
  for (int64_t a = episodes->first_action[e]; a < episodes->first_action[e + 1]; ++a) {
    const float* action = episodes->action + a * m->nu;
    for (int i = 0; i < m->nu; ++i) d->ctrl[i] = action[i];
    for (int i = 0; i < raw->frame_skip; ++i) mj_step(m, d);
  }
  mju_copy(episodes->final_qpos + e * m->nq, d->qpos, (int)m->nq);
}

static void* replay_episodes(void* argument) {
  const Worker* worker = argument;
  Raw* raw = worker->raw;
  int64_t e;
  while ((e = atomic_fetch_add(&raw->next, 1)) < raw->episodes->count) {
    replay_episode(raw, e, worker->data);
  }
  return NULL;
}

// 0, or what kept a thread from being started: an error number, -1 where memory is short.
int raw_replay(Raw* raw, const Episodes* episodes) {
  pthread_t* threads = malloc((size_t)raw->num_threads * sizeof(pthread_t));
  Worker* workers = malloc((size_t)raw->num_threads * sizeof(Worker));
  int failure = threads == NULL || workers == NULL ? -1 : 0;
  int started = 0;
  const mjfTime timer = mjcb_time;
  mjcb_time = NULL;
  raw->episodes = episodes;
  atomic_store(&raw->next, 0);
  while (failure == 0 && started < raw->num_threads) {
    workers[started] = (Worker){raw, raw->data[started]};
    failure = pthread_create(&threads[started], NULL, replay_episodes, &workers[started]);
    if (failure == 0) ++started;
  }
  for (int i = 0; i < started; ++i) pthread_join(threads[i], NULL);
  mjcb_time = timer;
  free(threads);
  free(workers);
  return failure;
}
