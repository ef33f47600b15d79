"""The words of the README's tables: rows, columns and what their figures mean."""

from __future__ import annotations

COLUMNS = {"HalfCheetah": "halfcheetah/1000000", "Humanoid": "humanoid/1000000"}
NOT_OF_A_REPLAY = ("python", "mujoco")  # versions that say nothing about it
EXPLANATION = (
    "Microseconds (median) to draw 256 transitions into torch tensors and to update their "
    "priorities, and bytes a transition; full buffers of 1,000,000, one thread; hot: back to back, "
    "swept: after 16 MB of other memory were read and written; (s): it only samples, uniformly. "
    "Bytes: td7's own count of all it holds, for the others the growth of resident memory; cpprb "
    "and stable-baselines3 have slower modes that hold less."
)
# Row of the rollout table: implementation, case. The implementations of a case stand together.
ROLLOUT_ROWS = {
    "physics alone, random actions": ("raw", "env/all"),
    "td7, random actions": ("td7", "env/all"),
    "td7, random actions, one thread": ("td7", "env/1t"),
    "mujoco.batch, random actions": ("mujoco.batch", "env/all"),
    "envpool, random actions": ("envpool", "env/all"),
    "gymnasium, random actions": ("gymnasium", "env/1t"),
    "AsyncVectorEnv(8), random actions": ("gymnasium AsyncVectorEnv(8)", "env/all"),
    "td7, policy": ("td7", "policy/all"),
    "td7, policy, one thread": ("td7", "policy/1t"),
    "td7, ten policies": ("td7", "policy/members"),
    "td7, trained policy": ("td7", "trained/all"),
    "mujoco.batch + onnxruntime, policy": ("mujoco.batch + onnxruntime", "policy/all"),
    "envpool + onnxruntime, policy": ("envpool + onnxruntime", "policy/all"),
    "gymnasium + torch, policy": ("gymnasium + torch", "policy/1t"),
}
ROLLOUT_EXPLANATION = (
    "Thousand environment steps a second (median), on all processors unless it says one thread. "
    "Physics alone is mj_step in C, which repeats the very steps that td7 took, to the bit; in "
    "brackets td7's share of that speed, run by run. td7 collects whole episodes and keeps them, "
    "eight simulations a thread; its policy explores, new networks of the paper's sizes (zs and "
    "actor); ten policies have one simulation each. The other implementations get actions drawn "
    "beforehand, or the same policy without noise. mujoco.batch leaves out the contact forces that "
    "Ant and Humanoid observe."
)
UPDATE_EXPLANATION = (
    "Member updates a second (median), in brackets the share of the chip's measured rate of matrix "
    "products (torch.mm at an update's shapes) at which an update's own products are done; batches "
    "of 256 drawn from full buffers, priorities written. TD3 is a smaller algorithm: orientation."
)
TRAIN_COLUMNS = {
    "env_steps_per_s": "env steps/s",
    "updates_per_s": "updates/s",
    "share_collect": "collect",
    "share_replay": "replay",
    "share_update": "update",
    "share_evaluate": "evaluate",
}
SAVE_COLUMNS = {"first": "first save", "next": "next save", "load": "load"}
SAVE_EXPLANATION = (
    "Seconds (median), for which training stands still: a state with a replay of 1,000,000 "
    "transitions; the next save comes after 10,000 steps and updates; a load starts with nothing "
    "in the system's cache. In brackets what is written (read), and the speed as a share of that "
    "at which the disk writes (reads) one file of that size."
)
LATENCY_EXPLANATION = (
    "Microseconds of a single call, one thread: median and 99th percentile (medians of five rounds "
    "of 100,000 calls, 10,000 in Python); networks of the paper's sizes. Runtimes without `python` "
    "in their name are in C++ (`bundle_check`), `avx2` is td7's own held to AVX2."
)
CONTROL_COLUMNS = ("missed", "late, us", "missed with priority", "late, us")
CONTROL_LOOPS = {"bare": "nothing: the timer alone"}
CONTROL_EXPLANATION = (
    "The demo's trained policy on the MuJoCo model: periods missed (their work ended late, or they "
    "were skipped) and how late they begin (median, 99th percentile, most); with priority: "
    "`--priority --cpu 0`. "
    "What the timer alone misses, the shared machine takes."
)
DATASET_EXPLANATION = (
    "1,000,000 transitions of HalfCheetah's sizes into the replay, checked: seconds (median), and "
    "memory held for each member."
)
