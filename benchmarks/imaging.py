"""What an image costs: three corners of a contest clip, the loss with its gradient, beside a plain full-grid code."""

from common import cpu_seconds, data_folder, many, report  # noqa: I001 sets the environment before JAX starts

import dataclasses
import os

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import second_opinion

from actinic.design import block_mean, ilt
from actinic.jobs import load_setup
from actinic.jobs.contest import CORNER_NM, SIZE, Judge
from actinic.metrology import gauges
from actinic.types import Grid

TIMES = 20
# JAX keeps a thread a core that burns time waiting; on one core there is one.
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def main() -> None:
    folder = data_folder()
    if folder is None:
        return
    judge, setup = Judge("O"), load_setup("iccad13")
    mask = jnp.asarray(judge.target(1), jnp.float32)

    @eqx.filter_jit
    def corners(imaging, mask):
        return imaging.pixels(imaging.latent(mask)) >= imaging.process.resist.threshold

    ours = cpu_seconds(many(lambda: jax.block_until_ready(corners(judge.imaging, mask)), TIMES), 5)

    with np.load(folder / "iccad13" / "iccad13_kernels.npz") as file:
        sets = [(jnp.asarray(file[name]), jnp.asarray(file[f"scale_{name}"])) for name in ("focus", "defocus")]

    def plain():
        images = [second_opinion.socs_jax(mask, *kernels) for kernels in sets]
        return jax.block_until_ready([dose**2 * images[f] >= 0.225 for dose, f in ((1, 0), (1.02, 0), (0.98, 1))])

    theirs = cpu_seconds(plain, 3)
    report(
        "three corners at 2048 x 2048",
        cpu_s=ours[0] / TIMES,
        wall_s=ours[1] / TIMES,
        plain_cpu_s=theirs[0],
        plain_wall_s=theirs[1],
        cpu_ratio=theirs[0] * TIMES / ours[0],
    )

    grid = Grid((256, 256), 8.0)
    found = gauges(judge.drawn(1), (0, 0, SIZE, SIZE), setup.recipe.edge_step_nm, corner_nm=CORNER_NM)
    target = block_mean(judge.target(1), grid)
    goal = ilt.first_goal(
        dataclasses.replace(judge.imaging, grid=grid),
        target,
        np.stack([found.x_nm, found.y_nm, found.nx, found.ny], 1),
        setup.recipe,
        np.ones(grid.shape, bool),
    )
    theta = jnp.asarray(target, jnp.float32) - 0.1
    value_and_grad = eqx.filter_jit(jax.value_and_grad(ilt.loss))
    step = cpu_seconds(many(lambda: jax.block_until_ready(value_and_grad(theta, goal)), 100), 5)
    report("loss and gradient at 256 x 256", cpu_s=step[0] / 100, wall_s=step[1] / 100)


if __name__ == "__main__":
    main()
