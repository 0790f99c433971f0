"""A task whose answer is known: straight lines with one slope and each site's own height, by least squares."""

import numpy as np

from actinic.learn.federated import Recipe


class Points:
    def __init__(self, x, y):
        self.x, self.y = np.asarray(x, float), np.asarray(y, float)

    def __len__(self):
        return len(self.x)


class Heights:
    """y = slope x + height, the slope shared."""

    name, unit = "lines", "1"
    recipe = Recipe(rounds=30, steps=2, rate=0.4, momentum=0.0, batch=1.0, clip=5.0)

    def __init__(self, **recipe):
        self.recipe = Recipe(**({k: getattr(self.recipe, k) for k in self.recipe.__dataclass_fields__} | recipe))

    def start(self):
        return {"slope": np.zeros(1)}, {"height": np.zeros(1)}

    def site(self, number, seed):
        random = np.random.default_rng([seed, number])
        # x about 0, so that height and slope are told apart and a site's own minimum is that of the pooled data.
        x = np.repeat([-1.0, 1.0], 20) * (1.0 + 0.1 * number)
        y = 2.0 * x + 3.0 * number + 0.1 * random.standard_normal(len(x))
        far = 5.0 * x
        return Points(x, y), Points(far, 2.0 * far + 3.0 * number)

    def gradients(self, shared, head, examples, rows):
        x = examples.x[rows]
        miss = shared["slope"] * x + head["height"] - examples.y[rows]
        return np.stack([miss, miss * x], 1)[:, ::-1]  # slope, height

    def error(self, shared, head, examples):
        miss = shared["slope"] * examples.x + head["height"] - examples.y
        return float(np.sqrt(np.mean(miss**2)))
