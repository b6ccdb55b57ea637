"""Files: both ways with Keras, from any engine to any other, atomic, and read with distrust."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
import zipfile

os.environ["KERAS_BACKEND"] = "jax"

import h5py
import numpy as np
import pytest

import kerasish
from kerasish.core.convert import to_numpy
from kerasish.core.errors import ArgumentError, NotBuiltError, SavingError, WriteError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import keras

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras warns where we do not
rng = np.random.default_rng(0)
X = rng.normal(size=(20, 6, 6, 1)).astype("float32")
Y = rng.integers(0, 3, (20,))
ENGINES = ("native", "torch", "jax", "tensorflow")


# -- models of either library ------------------------------------------------------------------------------------------
def sequential(k):
    la = k.layers
    return k.Sequential(
        [
            k.Input((6, 6, 1)),
            la.Conv2D(2, 3, activation="relu"),
            la.BatchNormalization(),
            la.Flatten(),
            la.Dropout(0.1),
            la.Dense(3, activation="softmax", kernel_regularizer=k.regularizers.L2(1e-3)),
        ]
    )


def functional(k):
    la = k.layers
    x = k.Input((6, 6, 1), name="image")
    tower = la.Conv2D(2, 3, padding="same", name="tower")
    h = la.Add()([tower(x), tower(x * 2.0)])
    h = la.Flatten()(k.ops.relu(h)[:, 1:])
    return k.Model(
        x,
        la.Dense(3, activation="softmax", name="kind")(
            la.Concatenate()([h, k.ops.einsum("bi,bi->bi", h, k.ops.tanh(h))])
        ),
    )


def nested(k):
    la = k.layers
    inner = k.Sequential([k.Input((36,)), la.Dense(4, activation="tanh"), la.Dense(4)], name="inner")
    x = k.Input((6, 6, 1))
    h = la.Flatten()(x)
    return k.Model(x, la.Dense(3, activation="softmax")(la.Add()([inner(h), inner(h * 0.5)])))


def branches(k):
    la = k.layers
    x = k.Input((6, 6, 1))
    h = la.Dense(4)(la.Flatten()(x))
    paths = [h, h, h]
    for length in range(3):  # the shortest is made first; all kernels are of one shape
        for _ in range(length + 1):
            paths[length] = la.Dense(4, activation="tanh")(paths[length])
    return k.Model(x, la.Dense(3, activation="softmax")(la.Add()(paths)))


def subclassed(k):
    @k.saving.register_keras_serializable("tests", name="Own")
    class Own(k.Model):
        def __init__(self, units=4, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.flat = k.layers.Flatten()
            self.blocks = [k.layers.Dense(units, activation="tanh") for _ in range(2)]
            self.head = k.layers.Dense(3, activation="softmax")

        def call(self, x):
            x = self.flat(x)
            for block in self.blocks:
                x = block(x)
            return self.head(x)

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    return Own()


MODELS = {f.__name__: f for f in (sequential, functional, nested, branches, subclassed)}
OPTIMIZERS = {
    "adam": lambda k: k.optimizers.Adam(0.01),
    "sgd": lambda k: k.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "adamw": lambda k: k.optimizers.AdamW(k.optimizers.schedules.CosineDecay(0.01, 50), clipnorm=1.0),
    "rmsprop": lambda k: k.optimizers.RMSprop(0.01, centered=True, momentum=0.5),
}


def trained(library, model, optimizer="adam"):
    kerasish.utils.set_random_seed(0)
    made = MODELS[model](library)
    made.compile(OPTIMIZERS[optimizer](library), "sparse_categorical_crossentropy", metrics=["accuracy"])
    made.fit(X, Y, batch_size=10, epochs=2, shuffle=False, verbose=0)
    return made


def assert_equal_models(a, b, **tolerance):
    tolerance = {"rtol": 1e-4, "atol": 1e-5, **tolerance}
    np.testing.assert_allclose(to_numpy(a(X)) if a.__module__.startswith("kerasish") else np.asarray(a(X)),
        np.asarray(b(X)) if not b.__module__.startswith("kerasish") else to_numpy(b(X)), **tolerance)  # fmt: skip
    for left, right in zip(a.optimizer.variables, b.optimizer.variables, strict=True):
        np.testing.assert_allclose(np.asarray(left), np.asarray(right), rtol=1e-6, atol=1e-7)


def train_on(model):
    return model.fit(X, Y, batch_size=10, epochs=2, shuffle=False, verbose=0).history


CROSS = [(m, "adam") for m in MODELS] + [("nested", o) for o in ("sgd", "adamw", "rmsprop")]
DIRECTIONS = {"to keras": (kerasish, keras), "from keras": (keras, kerasish)}


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize(("model", "optimizer"), CROSS)
def test_both_ways_with_keras_optimizer_state_included(tmp_path, model, optimizer, direction):
    source, target = DIRECTIONS[direction]
    if model == "subclassed":
        MODELS[model](target)  # registers the class
    saved = trained(source, model, optimizer)
    saved.save(tmp_path / "m.keras")
    loaded = target.models.load_model(tmp_path / "m.keras")
    assert_equal_models(saved, loaded)
    if model != "sequential":  # whose dropout draws differ between the libraries
        ours, theirs = train_on(saved), train_on(loaded)
        for name in theirs:
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-3, err_msg=name)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("model", MODELS)
def test_weights_files_both_ways(tmp_path, model, direction):
    source, target = DIRECTIONS[direction]
    saved, fresh = trained(source, model), MODELS[model](target)
    fresh(X)
    saved.save_weights(tmp_path / "m.weights.h5")
    fresh.load_weights(tmp_path / "m.weights.h5")
    for left, right in zip(saved.get_weights(), fresh.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("model", [m for m in MODELS if m != "subclassed"])
def test_json_both_ways(model):
    ours, theirs = MODELS[model](kerasish), MODELS[model](keras)
    for made, text in ((kerasish.models, theirs.to_json()), (keras.models, ours.to_json())):
        copy = made.model_from_json(text)
        assert copy.count_params() == ours.count_params()
        assert tuple(copy.output_shape) == (None, 3)


# -- any engine to any other -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", MODELS)
def test_saved_on_one_engine_loads_and_trains_on_on_every_other(tmp_path, engine, model):
    saved = trained(kerasish, model)
    saved.save(tmp_path / "m.keras")
    expected = saved.predict(X, verbose=0)
    curve = train_on(saved)["loss"]
    for name in ENGINES:
        with kerasish.use_backend(name):
            loaded = kerasish.models.load_model(tmp_path / "m.keras")
            assert loaded.engine.name == name
            np.testing.assert_allclose(loaded.predict(X, verbose=0), expected, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(train_on(loaded)["loss"], curve, rtol=1e-4)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_weights_of_other_dtypes_round_trip(tmp_path, dtype):
    x = kerasish.Input((4,), dtype=dtype)
    model = kerasish.Model(x, kerasish.layers.Dense(3, dtype=dtype)(x))
    model.save(tmp_path / "m.keras")
    loaded = kerasish.models.load_model(tmp_path / "m.keras")
    for left, right in zip(model.weights, loaded.weights, strict=True):
        assert right.dtype == dtype
        np.testing.assert_array_equal(
            np.asarray(left.numpy(), "float64"), np.asarray(right.numpy(), "float64")
        )


# -- options -----------------------------------------------------------------------------------------------------------
def small(units=3):
    kerasish.utils.set_random_seed(1)
    dense = [kerasish.layers.Dense(5, name="first"), kerasish.layers.Dense(units, name="second")]
    return kerasish.Sequential([kerasish.Input((4,)), *dense])


@pytest.mark.parametrize("direction", [*DIRECTIONS, "ours"])
def test_a_model_that_was_never_trained_is_whole(tmp_path, direction, recwarn):
    source, target = DIRECTIONS.get(direction, (kerasish, kerasish))
    model = MODELS["functional"](source)
    model.compile(source.optimizers.Adam(0.5), "sparse_categorical_crossentropy")
    model.save(tmp_path / "m.keras")
    loaded = target.models.load_model(tmp_path / "m.keras")
    if target is kerasish:  # Keras warns of such files, its own included
        assert not [w for w in recwarn if "optimizer" in str(w.message)]
    assert float(loaded.optimizer.learning_rate) == 0.5
    assert int(loaded.optimizer.iterations) == 0
    train_on(loaded)


def test_compile_false_and_include_optimizer(tmp_path):
    model = small()
    model.compile("adam", "mse")
    model.fit(np.ones((4, 4)), np.ones((4, 3)), verbose=0)
    model.save(tmp_path / "m.keras")
    assert not kerasish.models.load_model(tmp_path / "m.keras", compile=False).compiled
    assert int(kerasish.models.load_model(tmp_path / "m.keras").optimizer.iterations) == 1
    kerasish.models.save_model(model, tmp_path / "n.keras", include_optimizer=False)
    assert not kerasish.models.load_model(tmp_path / "n.keras").compiled
    assert model.optimizer is not None


def test_skip_mismatch_loads_what_fits(tmp_path):
    model = small()
    model.save_weights(tmp_path / "m.weights.h5")
    other = small(units=7)
    kept = other.layers[1].get_weights()
    other.layers[0].set_weights([w * 0 for w in other.layers[0].get_weights()])
    with pytest.raises(SavingError, match="skip_mismatch"):
        other.load_weights(tmp_path / "m.weights.h5")
    other.load_weights(tmp_path / "m.weights.h5", skip_mismatch=True)
    assert np.array_equal(other.layers[0].get_weights()[0], model.layers[0].get_weights()[0])
    assert np.array_equal(kept[0], other.layers[1].get_weights()[0])


@pytest.mark.parametrize(
    ("act", "kind", "match"),
    [
        (lambda m, p: m.save(p / "m.h5"), ArgumentError, r"\.keras"),
        (lambda m, p: m.save_weights(p / "m.h5"), ArgumentError, r"\.weights\.h5"),
        (lambda m, p: m.save(p / "m.keras", zipped=False), ArgumentError, "zipped"),
        (
            lambda m, p: [m.save(p / "m.keras"), m.save(p / "m.keras", overwrite=False)],
            SavingError,
            "overwrite=True",
        ),
        (lambda m, p: kerasish.models.load_model(p / "nope.keras"), FileNotFoundError, "no such file"),
        (lambda m, p: m.load_weights(p / "nope.weights.h5"), FileNotFoundError, "no such file"),
        (lambda m, p: kerasish.models.load_model(p / "old.h5"), SavingError, "not supported"),
        (lambda m, p: kerasish.models.load_model(p), SavingError, "folder"),
        (
            lambda m, p: kerasish.Sequential([kerasish.layers.Dense(2)]).save(p / "m.keras"),
            NotBuiltError,
            "build",
        ),
        (lambda m, p: m.load_weights(p / "x.weights.h5", by_name=True), ArgumentError, "skip_mismatch"),
        (lambda m, p: m.save(None), ArgumentError, "path"),
        (lambda m, p: m.save(io.BytesIO()), ArgumentError, "open files"),
        (lambda m, p: m.save_weights(3), ArgumentError, "path"),
        (lambda m, p: kerasish.models.load_model(None), ArgumentError, "path"),
        (lambda m, p: m.load_weights(p), SavingError, "folder"),
        (lambda m, p: m.load_weights(p / ("m" * 300)), SavingError, "cannot be read"),
    ],
)
def test_wrong_use_is_explained(tmp_path, act, kind, match):
    with pytest.raises(kind, match=match):
        act(small(), tmp_path)


def test_unknown_class_names_itself_and_custom_objects_help(tmp_path):
    class Twice(kerasish.layers.Layer):
        def call(self, x):
            return x * 2

    model = kerasish.Sequential([kerasish.Input((4,)), Twice()])
    model.save(tmp_path / "m.keras")
    with pytest.raises(SavingError, match="Twice"):
        kerasish.models.load_model(tmp_path / "m.keras")
    loaded = kerasish.models.load_model(tmp_path / "m.keras", custom_objects={"Twice": Twice})
    np.testing.assert_array_equal(to_numpy(loaded(np.ones((1, 4)))), 2)


# -- atomic ------------------------------------------------------------------------------------------------------------
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_a_kill_during_saving_leaves_the_old_file(tmp_path, suffix):
    path = tmp_path / f"m{suffix}"
    code = f"""
import os, sys, kerasish
model = kerasish.Sequential([kerasish.Input((4,)), kerasish.layers.Dense(3)])
save = model.save if {suffix!r} == ".keras" else model.save_weights
save({str(path)!r})
os.replace = lambda *a: (print("ready", flush=True), __import__("time").sleep(60))
save({str(path)!r})
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env={**os.environ})
    assert process.stdout.readline().strip() == b"ready"
    before = path.read_bytes()
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    process.stdout.close()
    assert path.read_bytes() == before
    model = kerasish.Sequential([kerasish.Input((4,)), kerasish.layers.Dense(3)])
    model.load_weights(path)


def test_a_failing_save_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch):
    model = small()
    model.save(tmp_path / "m.keras")
    before = (tmp_path / "m.keras").read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", fail)
    with pytest.raises(WriteError, match="disk full") as caught:
        model.save(tmp_path / "m.keras")
    assert isinstance(caught.value, OSError)  # what a script that expects a full disk catches
    assert (tmp_path / "m.keras").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.keras"]


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_a_link_stays_a_link_and_what_it_points_to_is_replaced(tmp_path, suffix):
    real, link = tmp_path / "store" / f"real{suffix}", tmp_path / f"link{suffix}"
    link.symlink_to(real)
    model = small()
    for _ in range(2):  # what it points to is made, then replaced
        (model.save if suffix == ".keras" else model.save_weights)(link)
        assert link.is_symlink()
        small().load_weights(real)
        real.touch()


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_a_full_disk_is_one_clear_error_and_leaves_the_old_file(tmp_path, suffix):
    path = tmp_path / f"m{suffix}"
    code = f"""
import os, resource, signal, kerasish
from kerasish.core.errors import WriteError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
model = kerasish.Sequential([kerasish.Input((100,)), kerasish.layers.Dense(500)])
save = model.save if {suffix!r} == ".keras" else model.save_weights
save({str(path)!r})
before = open({str(path)!r}, "rb").read()
resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000))
try:
    save({str(path)!r})
except WriteError as error:
    print(len(str(error)) <= 400, open({str(path)!r}, "rb").read() == before, os.listdir({str(tmp_path)!r}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == f"True True ['m{suffix}']", done.stdout + done.stderr


@pytest.mark.parametrize("place", ["a folder", "in a file", "long name"])
@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_a_place_that_takes_no_file_is_a_clear_error(tmp_path, place, suffix):
    (tmp_path / f"folder{suffix}").mkdir()
    (tmp_path / "file").touch()
    names = {"a folder": "folder", "in a file": "file/m", "long name": "m" * 300}
    path = tmp_path / f"{names[place]}{suffix}"
    with pytest.raises(WriteError, match="cannot be written") as caught:
        (small().save if suffix == ".keras" else small().save_weights)(path)
    assert len(str(caught.value)) <= 400
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", f"folder{suffix}"]


# -- hostile files -----------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A valid archive."""
    path = tmp_path_factory.mktemp("good") / "good.keras"
    model = small()
    model.compile("adam", "mse")
    model.fit(np.ones((4, 4)), np.ones((4, 3)), verbose=0)
    model.save(path)
    return path


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(good, path, change, compression=zipfile.ZIP_STORED):
    content = members(good)
    change(content)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def with_config(change):
    def apply(content):
        config = json.loads(content["config.json"])
        config = change(config) or config
        content["config.json"] = json.dumps(config)

    return apply


def with_weights(change):
    def apply(content):
        buffer = io.BytesIO(content["model.weights.h5"])
        with h5py.File(buffer, "r+") as file:
            change(file)
        content["model.weights.h5"] = buffer.getvalue()

    return apply


KERNEL = "layers/dense/vars/0"


def _replace(file, make):
    del file[KERNEL]
    make(file)


def _external(file):
    file["layers/dense/vars"].create_dataset("0", (4, 5), "float32", external=[("/etc/hostname", 0, 80)])


def _giant(file):
    file["layers/dense/vars"].create_dataset("0", (1 << 40, 1 << 10), "float32", chunks=(1, 1024))


def _lambda(config):
    code = ["4wEAAAAAAAAAAAAAAAEAAAABAAAAQwAAAHMEAAAAfABTAKkBTqkAqQHaAXhyAQAAAHIBAAAA", None, None]
    config["config"]["layers"].append(
        {
            "module": "keras.layers",
            "class_name": "Lambda",
            "config": {"name": "evil", "function": {"class_name": "__lambda__", "config": {"code": code}}},
            "registered_name": None,
        }
    )


def _run(module, name):
    def change(config):
        config["config"]["layers"][1] = {
            "module": module,
            "class_name": name,
            "config": {"args": "touch /tmp/kerasish-was-here"},
            "registered_name": None,
        }

    return change


def _metric(classes):
    config = {"num_classes": classes}
    return {"module": "keras.metrics", "class_name": "MeanIoU", "config": config, "registered_name": None}


HOSTILE = {
    "traversal": lambda c: c.update({"../../evil": b"x"}),
    "absolute path": lambda c: c.update({"/etc/evil": b"x"}),
    "windows drive": lambda c: c.update({"C:\\evil": b"x"}),
    "no config": lambda c: c.pop("config.json"),
    "no weights": lambda c: c.pop("model.weights.h5"),
    "config is a list": lambda c: c.update({"config.json": "[1, 2]"}),
    "config is no json": lambda c: c.update({"config.json": "{"}),
    "config is deep": lambda c: c.update({"config.json": "[" * 100000 + "]" * 100000}),
    "config is binary": lambda c: c.update({"config.json": b"\xff\xfe\x00"}),
    "weights are text": lambda c: c.update({"model.weights.h5": b"hello"}),
    "weights are torn": lambda c: c.update({"model.weights.h5": c["model.weights.h5"][:3000]}),
    "lambda": with_config(_lambda),
    "a command": with_config(_run("os", "system")),
    "a process": with_config(_run("subprocess", "Popen")),
    "a builtin": with_config(_run("builtins", "eval")),
    "a function of ours": with_config(_run("kerasish.models", "load_model")),
    "class is a number": with_config(lambda c: c.update(class_name=3)),
    "config is a string": with_config(lambda c: c.update(config="x")),
    "layers are a number": with_config(lambda c: c["config"].update(layers=7)),
    "a layer is null": with_config(lambda c: c["config"]["layers"].__setitem__(1, None)),
    "units for 3 GB": with_config(lambda c: c["config"]["layers"][1]["config"].update(units=2 * 10**8)),
    "units for terabytes": with_config(lambda c: c["config"]["layers"][1]["config"].update(units=10**12)),
    "metric for terabytes": with_config(lambda c: c["compile_config"].update(metrics=[_metric(10**6)])),
    "build for terabytes": with_config(
        lambda c: c["config"]["layers"][1].update(build_config={"input_shape": [None, 10**13]})
    ),
    "module is a list": with_config(lambda c: c["config"]["layers"][1].update(module=["keras"])),
    "registered name is a dict": with_config(
        lambda c: c["config"]["layers"][1].update(registered_name={"a": 1})
    ),
    "units are text": with_config(lambda c: c["config"]["layers"][1]["config"].update(units="many")),
    "units are negative": with_config(lambda c: c["config"]["layers"][1]["config"].update(units=-4)),
    "shape is text": with_config(lambda c: c["config"]["layers"][0]["config"].update(batch_shape="wide")),
    "optimizer is a list": with_config(lambda c: c["compile_config"].update(optimizer=[1])),
    "compile has more": with_config(lambda c: c["compile_config"].update(exec="x")),
    "external data": with_weights(lambda f: _replace(f, _external)),
    "external link": with_weights(
        lambda f: _replace(f, lambda g: g.__setitem__(KERNEL, h5py.ExternalLink("/etc/hostname", "/x")))
    ),
    "soft link": with_weights(
        lambda f: _replace(f, lambda g: g.__setitem__(KERNEL, h5py.SoftLink("/layers/dense_1/vars/0")))
    ),
    "link to a group": with_weights(
        lambda f: (f.move("layers", "other"), f.__setitem__("layers", h5py.SoftLink("/other")))
    ),
    "giant": with_weights(lambda f: _replace(f, _giant)),
    "other shape": with_weights(
        lambda f: _replace(f, lambda g: g.__setitem__(KERNEL, np.ones((4, 6), "float32")))
    ),
    "complex weights": with_weights(
        lambda f: _replace(f, lambda g: g.__setitem__(KERNEL, np.ones((4, 5), "complex64")))
    ),
    "floats said to be bfloat16": with_weights(lambda f: f[KERNEL].attrs.__setitem__("dtype", "bfloat16")),
    "text weights": with_weights(lambda f: _replace(f, lambda g: g.__setitem__(KERNEL, "hello"))),
    "group for array": with_weights(lambda f: _replace(f, lambda g: g.create_group(KERNEL))),
    "missing": with_weights(lambda f: _replace(f, lambda g: None)),
    "nothing at all": with_weights(lambda f: [f.__delitem__(k) for k in list(f)]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_one_clear_error(tmp_path, good, name):
    marker = "/tmp/kerasish-was-here"
    path = rewritten(good, tmp_path / "bad.keras", HOSTILE[name])
    start = time.perf_counter()
    with pytest.raises(SavingError) as caught:
        kerasish.models.load_model(path)
    assert time.perf_counter() - start < 5
    assert len(str(caught.value)) <= 400
    assert not os.path.exists(marker)


@pytest.mark.parametrize("noise", [0, 1 << 20], ids=["all zeros", "below deflate's best"])
def test_zip_bomb(tmp_path, good, noise):
    content = np.random.default_rng(0).bytes(noise) + b"\0" * (200 << 20)
    bomb = lambda c: c.update({"model.weights.h5": content})  # noqa: E731
    path = rewritten(good, tmp_path / "bomb.keras", bomb, zipfile.ZIP_DEFLATED)
    start = time.perf_counter()
    with pytest.raises(SavingError, match="far more"):
        kerasish.models.load_model(path)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_truncated_files(tmp_path, good, keep, suffix):
    path = tmp_path / f"bad{suffix}"
    whole = good.read_bytes() if suffix == ".keras" else members(good)["model.weights.h5"]
    path.write_bytes(whole[: keep if isinstance(keep, int) else int(len(whole) * keep)])
    model = small()
    before = model.get_weights()
    with pytest.raises(SavingError):
        kerasish.models.load_model(path) if suffix == ".keras" else model.load_weights(path)
    assert all(map(np.array_equal, before, model.get_weights()))


def test_random_damage_never_escapes(tmp_path, good):
    whole = bytearray(good.read_bytes())
    for seed in range(40):
        damage = np.random.default_rng(seed)
        broken = bytearray(whole)
        for place in damage.integers(0, len(broken), 8):
            broken[place] = damage.integers(0, 256)
        path = tmp_path / "bad.keras"
        path.write_bytes(broken)
        try:
            kerasish.models.load_model(path)
        except SavingError:
            continue


def test_lambdas_need_trust(tmp_path, monkeypatch):
    model = kerasish.Sequential([kerasish.Input((3,)), kerasish.layers.Lambda(lambda x: x * 3)])
    model.save(tmp_path / "m.keras")
    assert kerasish.models.load_model(tmp_path / "m.keras")  # this process knows the lambda: no code is read
    monkeypatch.setattr("kerasish.layers.core.lambda_layer._WRITTEN", {})
    with pytest.raises(SavingError, match="safe_mode"):
        kerasish.models.load_model(tmp_path / "m.keras")
    loaded = kerasish.models.load_model(tmp_path / "m.keras", safe_mode=False)
    np.testing.assert_array_equal(to_numpy(loaded(np.ones((1, 3)))), 3)


def test_the_good_file_is_good(tmp_path, good):
    shutil.copy(good, tmp_path / "m.keras")
    assert kerasish.models.load_model(tmp_path / "m.keras").count_params() == small().count_params()
