"""Data in every form that users hold it in trains the same model."""

from __future__ import annotations

import numpy as np
import pytest

import kerasish
from kerasish import layers
from kerasish.core.errors import ArgumentError, DataError, NumericError
from kerasish.training.checks import no_nan
from kerasish.utils import PyDataset
from tests.libraries import library

rng = np.random.default_rng(0)
X = rng.normal(size=(23, 4)).astype("float32")
Y = rng.normal(size=(23, 2)).astype("float32")
W = rng.uniform(0.5, 2, (23,)).astype("float32")
SLICES = [slice(i, i + 5) for i in range(0, 23, 5)]


class Dataset(PyDataset):
    """Batches of five."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.ended = 0

    def __len__(self):
        return len(SLICES)

    def __getitem__(self, index):
        return X[SLICES[index]], Y[SLICES[index]]

    def on_epoch_end(self):
        self.ended += 1


class Samples:
    """Indexable samples, as torch's map-style data sets are."""

    def __len__(self):
        return len(X)

    def __getitem__(self, index):
        return X[index], Y[index]


def _torch_loader():
    torch_data = library("torch.utils.data")
    torch = library("torch")
    return torch_data.DataLoader(torch_data.TensorDataset(torch.tensor(X), torch.tensor(Y)), batch_size=5)


def _torch_dataset():
    torch_data = library("torch.utils.data")
    torch = library("torch")
    return torch_data.TensorDataset(torch.tensor(X), torch.tensor(Y))


class Unsized:
    """Has a length only by name, as torch's loader of an iterable data set."""

    def __len__(self):
        raise TypeError("no length")

    def __iter__(self):
        return ((X[s], Y[s]) for s in SLICES)


def _tf_dataset():
    tf = library("tensorflow")
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(5)


def _frame():
    pandas = library("pandas")
    return pandas.DataFrame(X, columns=list("abcd")), pandas.DataFrame(Y)


def _missing():
    pandas = library("pandas")
    column = pandas.array([None, *X[1:, 1]], dtype="Float64")
    return _frame()[0].assign(b=column, d=pandas.array([True] * len(X), dtype="boolean"))


def endless():
    while True:
        for s in SLICES:
            yield X[s], Y[s]


FORMS = {
    "float64 arrays": lambda: ((X.astype("float64"), Y.astype("float64")), {"batch_size": 5}),
    "plain lists": lambda: ((X.tolist(), Y.tolist()), {"batch_size": 5}),
    "data frame": lambda: (_frame(), {"batch_size": 5}),
    "engine tensors": lambda: (
        (kerasish.ops.convert_to_tensor(X), kerasish.ops.convert_to_tensor(Y)),
        {"batch_size": 5},
    ),
    "endless generator": lambda: ((endless(),), {"steps_per_epoch": 5}),
    "list of lists' loader": lambda: ((Dataset(),), {}),
    "threads": lambda: ((Dataset(workers=3, max_queue_size=2),), {}),
    "samples": lambda: ((Samples(),), {"batch_size": 5}),
    "loader that cannot tell its length": lambda: ((Unsized(),), {}),
    "torch loader": lambda: ((_torch_loader(),), {}),
    "torch data set": lambda: ((_torch_dataset(),), {"batch_size": 5}),
    "tensorflow data set": lambda: ((_tf_dataset(),), {}),
}


def compiled():
    kerasish.utils.set_random_seed(0)
    model = kerasish.Sequential([kerasish.Input((4,)), layers.Dense(3, activation="tanh"), layers.Dense(2)])
    model.compile("adam", "mse", metrics=["mae"])
    return model


def history_of(data, options):
    return compiled().fit(*data, shuffle=False, epochs=2, verbose=0, **options).history


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_data_gives_the_same_history(engine, form):
    data, options = FORMS[form]()
    expected = history_of((X, Y), {"batch_size": 5})
    found = history_of(data, options)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    "form", ["float64 arrays", "list of lists' loader", "torch loader", "tensorflow data set"]
)
def test_predict_takes_it_too(form):
    model = compiled()
    (x, *_), options = FORMS[form]()
    size = options.get("batch_size")
    found = model.predict(x, batch_size=size, verbose=0)
    np.testing.assert_allclose(found, model.predict(X, verbose=0), rtol=1e-4, atol=1e-6)


def test_worker_processes(tmp_path, monkeypatch):
    (tmp_path / "held_dataset.py").write_text(
        "import numpy as np\nfrom kerasish.utils import PyDataset\n"
        "class Held(PyDataset):\n"
        "    def __len__(self): return 4\n"
        "    def __getitem__(self, i): return np.full((2, 4), i, 'float32'), np.zeros((2, 2), 'float32')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import held_dataset

    found = compiled().predict(held_dataset.Held(workers=2, use_multiprocessing=True), verbose=0)
    expected = compiled().predict(np.repeat(np.arange(4), 2)[:, None] * np.ones(4), verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_pydataset_epochs_end_and_shuffle_by_batch():
    dataset, order = Dataset(), []
    original = dataset.__class__.__getitem__

    class Noted(Dataset):
        def __getitem__(self, index):
            order.append(index)
            return original(self, index)

    dataset = Noted()
    compiled().fit(dataset, epochs=3, verbose=0)
    assert dataset.ended == 3
    epochs = [tuple(order[i : i + 5]) for i in range(0, 15, 5)]
    assert all(sorted(e) == list(range(5)) for e in epochs)
    assert len(set(epochs)) > 1


def test_nests_of_inputs_by_name():
    a, b = kerasish.Input((4,), name="a"), kerasish.Input((2,), name="b")
    model = kerasish.Model({"a": a, "b": b}, layers.Dense(1)(layers.Concatenate()([a, b])))
    model.compile("sgd", "mse")
    data = {"a": X, "b": Y}
    model.fit(data, W, batch_size=5, verbose=0)
    model.fit((({"a": X[s], "b": Y[s]}, W[s]) for s in SLICES), verbose=0)
    assert model.predict(data, batch_size=7, verbose=0).shape == (23, 1)


@pytest.mark.parametrize("as_generator", [False, True])
def test_class_weight_equals_the_sample_weights_it_stands_for(as_generator):
    labels = (W > 1).astype("int32")
    table = {0: 3.0, 1: 0.5}
    weights = np.where(labels == 1, 0.5, 3.0)

    def run(data, **options):
        kerasish.utils.set_random_seed(0)
        model = kerasish.Sequential([kerasish.Input((4,)), layers.Dense(1, activation="sigmoid")])
        model.compile("sgd", "binary_crossentropy")
        return model.fit(*data, shuffle=False, verbose=0, **options).history["loss"]

    expected = run((X, labels), sample_weight=weights, batch_size=5)
    data = (((X[s], labels[s]) for s in SLICES),) if as_generator else (X, labels)
    options = {} if as_generator else {"batch_size": 5}
    np.testing.assert_allclose(run(data, class_weight=table, **options), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("data", "kind", "match"),
    [
        (lambda: (iter([(X, Y, W, W)]),), DataError, "tuple of 4"),
        (lambda: (iter([(X, Y[:4])]),), DataError, "different numbers of samples"),
        (lambda: (PyDataset(),), ArgumentError, "__len__"),
        (lambda: ({"a": X, "b": Y[:3]}, Y), DataError, "different numbers"),
        (lambda: (X.astype("complex64"), Y), DataError, "x: .* complex numbers .* complex64"),
        (lambda: (X, Y.astype("datetime64[s]")), DataError, r"y: .* times.* datetime64\[s\]"),
        (lambda: (iter(zip(X, Y[:, 0], strict=True)),), DataError, r"dataset.batch\(32\)"),
        (
            lambda: (_frame()[0].assign(b=["u"] * len(X)).astype({"b": "category"}), Y),
            DataError,
            r"Received: b \(category\)",
        ),
        (lambda: (_missing(), Y), NumericError, "holds NaN.* 1 NaN, the first at index .0, 1."),
    ],
)
def test_wrong_data_is_explained(data, kind, match):
    with pytest.raises(kind, match=match):
        compiled().fit(*data(), verbose=0)


def test_a_used_up_generator_is_told():
    batches = iter([(X, Y)])
    model = compiled()
    model.fit(batches, verbose=0)
    with pytest.raises(DataError, match="yielded nothing"):
        model.fit(batches, verbose=0)


@pytest.mark.parametrize("options", [{}, {"steps_per_epoch": 2}])
def test_a_generator_that_lasts_for_one_epoch_is_told(options):
    model = compiled()
    with pytest.raises(DataError, match=r"used up.* 2 batches in all.* steps_per_epoch"):
        model.fit(iter([(X, Y), (X, Y)]), epochs=2, verbose=0, **options)


def test_users_arrays_are_not_changed():
    x, y = X.copy(), Y.copy()
    compiled().fit(x, y, epochs=2, verbose=0)
    assert np.array_equal(x, X)
    assert np.array_equal(y, Y)


@pytest.mark.parametrize("steps", [3, 8])
def test_steps_per_epoch_reads_on_where_the_last_epoch_stopped(steps):
    model = kerasish.Sequential([kerasish.Input((1,)), layers.Dense(1)])
    batches = []
    model.compile("sgd", lambda y, p: y + 0 * p)
    show = kerasish.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(batch))
    x = np.arange(20, dtype="float32")[:, None]
    losses = model.fit(x, x, batch_size=4, epochs=4, steps_per_epoch=steps, shuffle=False, verbose=0,
        callbacks=[show]).history["loss"]  # fmt: skip
    means = np.tile(x.reshape(5, 4).mean(axis=1), 7)[: 4 * steps].reshape(4, steps).mean(axis=1)
    assert batches == list(range(steps)) * 4
    np.testing.assert_allclose(losses, means, rtol=1e-5)
    # A training that begins later begins at the same samples.
    later = model.fit(
        x, x, batch_size=4, initial_epoch=2, epochs=4, steps_per_epoch=steps, shuffle=False, verbose=0
    )
    np.testing.assert_allclose(later.history["loss"], means[2:], rtol=1e-5)


# -- NaN in the data ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("step", [1, 2])
def test_nan_is_found_and_infinities_are_not_taken_for_it(dtype, step):
    good = np.ones((6, 4), dtype)
    good[0], good[2] = np.inf, -np.inf
    no_nan(good[::step], "x")
    bad = good.copy()
    bad[4, 1] = np.nan
    with pytest.raises(NumericError, match=r"1 NaN, the first at index"):
        no_nan(bad[::step], "x")
    no_nan(bad[:0], "x")
