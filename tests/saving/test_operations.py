"""Operations called on symbolic tensors: a graph that was saved with them is the same graph when it is loaded."""

from __future__ import annotations

import numpy as np
import pytest

import kerasish
from tests.oracle import keras

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras warns where we do not
rng = np.random.default_rng(0)
DIRECTIONS = {
    "to keras": (kerasish, keras),
    "from keras": (keras, kerasish),
    "ours": (kerasish, kerasish),
}
OPERATIONS = {
    "bounds that are tensors": lambda o, x: o.clip(x, -o.abs(x), 0.5),
    "an option between tensors": lambda o, x: o.average(x, axis=1, weights=np.arange(4, dtype="float32")),
    "an option before tensors": lambda o, x: o.einsum("bi,ij,bj->b", x, np.eye(4, dtype="float32"), x),
    "a value after an absent option": lambda o, x: o.pad(x, [[0, 0], [1, 1]], constant_values=2.0),
    "segments": lambda o, x: o.segment_sum(x, np.array([0, 0, 1]), num_segments=2),
    "ends that are tensors": lambda o, x: o.linspace(x, x + 1, 3),
    "no gradient": lambda o, x: o.stop_gradient(x) * x,
    "choices": lambda o, x: o.select([x > 0, x < -0.5], [x, -x]),
    "resized": lambda o, x: o.image.resize(o.reshape(x, (3, 2, 2, 1)), (4, 4)),
    "greyscale": lambda o, x: o.image.rgb_to_grayscale(
        o.stack([o.expand_dims(v, 0) for v in (x, x * 2, x - 1)], axis=-1)
    ),
}


#: Keras itself cannot save a graph whose `clip` has tensors for bounds.
CASES = [(n, d) for n in OPERATIONS for d in DIRECTIONS if n != "bounds that are tensors" or d == "ours"]


@pytest.mark.parametrize(("name", "direction"), CASES)
def test_operations_of_a_graph_come_back(tmp_path, name, direction):
    source, target = DIRECTIONS[direction]
    x = source.Input((4,), batch_size=3)
    model = source.Model(x, OPERATIONS[name](source.ops, x))
    model.save(tmp_path / "m.keras")
    loaded = target.models.load_model(tmp_path / "m.keras")
    given = rng.normal(size=(3, 4)).astype("float32")
    results = [np.asarray(m.predict(given, batch_size=3, verbose=0)) for m in (model, loaded)]
    np.testing.assert_allclose(*results, rtol=1e-5, atol=1e-6)
