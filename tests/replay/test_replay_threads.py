"""Python threads may share one replay: calls do not tear each other's work."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event

import numpy as np

from td7.replay import LapReplay


def test_threads_add_sample_and_update_one_replay():
    replay = LapReplay(500, 64, 1, seeds=(0, 1), streams=2)
    steps = 4000

    def write(member, stream):
        for number in range(steps):
            obs = np.full(64, number, np.float32)
            replay.add(
                obs,
                obs[:1],
                float(number),
                obs + 1,
                number % 50 == 49,
                member=member,
                stream=stream,
            )

    def read(_):
        while min(replay.size(member) for member in range(2)) == 0:
            pass
        for _ in range(300):
            batch = replay.sample(64)
            assert np.all(batch.obs == batch.reward[..., None])
            assert np.all(batch.next_obs == batch.reward[..., None] + 1)

    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(write, member, stream) for member in range(2) for stream in range(2)]
        jobs += [pool.submit(read, i) for i in range(2)]
        for job in jobs:
            job.result()
    assert [replay.size(member) for member in range(2)] == [500, 500]
    assert [replay.draw_counter(member) for member in range(2)] == [600, 600]


def test_indices_and_members_may_change_during_an_update():
    replay = LapReplay(100, 2, 1, seeds=(0, 1))
    obs = np.zeros((101, 2), np.float32)
    for member in range(2):
        replay.add_episode(obs, obs[1:, :1].copy(), obs[1:, 0].copy(), False, member=member)
    good = replay.sample(4096).index
    index, error = good.copy(), np.ones(good.shape, np.float32)
    members, stop = np.arange(2), Event()

    def scribble():
        while not stop.is_set():
            index[:] = 2**40
            members[:] = 2**20
            error[:] = np.nan
            index[:], members[:], error[:] = good, (0, 1), 1

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(scribble)
        for _ in range(1000):
            with suppress(IndexError, ValueError):
                replay.update_priorities(index, error, members=members)
        stop.set()
        writer.result()
    assert {replay.priority(int(i), m) for m in range(2) for i in good[m]} == {1.0}
