"""Every mistake is answered by a kerasish error that says what was wrong, the same on every engine."""

import numpy as np
import pytest

import kerasish.ops as ops
from kerasish.core.errors import ArgumentError, DTypeError, KerasishError, ShapeError, UnknownNameError
from kerasish.core.symbolic import SymbolicTensor

A = np.ones((2, 3), np.float32)

TABLE = [
    (lambda a: ops.add(a, np.ones(4, np.float32)), ShapeError, "broadcast"),
    (lambda a: ops.matmul(a, a), ShapeError, "Matrix sizes"),
    (lambda a: ops.matmul(a, 2.0), ShapeError, "scalars"),
    (lambda a: ops.reshape(a, (4, -1)), ShapeError, "number of elements"),
    (lambda a: ops.sum(a, axis=5), ArgumentError, "axis"),
    (lambda a: ops.sum(a, axis=(0, 0)), ArgumentError, "twice"),
    (lambda a: ops.concatenate([a, a[0]]), ShapeError, "agree"),
    (lambda a: ops.stack([a, a[0]]), ShapeError, "one shape"),
    (lambda a: ops.stack([]), ArgumentError, "at least one"),
    (lambda a: ops.split(a, 2, 1), ShapeError, "equal parts"),
    (lambda a: ops.squeeze(a, 0), ShapeError, "size 1"),
    (lambda a: ops.transpose(a, (0, 0)), ArgumentError, "permutation"),
    (lambda a: ops.broadcast_to(a, (3, 3)), ShapeError, "broadcast"),
    (lambda a: ops.pad(a, 1, "foo"), ArgumentError, "mode"),
    (lambda a: ops.pad(a, ((1, 1), (-1, 0))), ArgumentError, "pairs"),
    (lambda a: ops.roll(a, (1, 2, 3), (0, 1)), ArgumentError, "shifts"),
    (lambda a: ops.exp("text"), DTypeError, "string"),
    (lambda a: ops.add(a, None), ArgumentError, "tensor"),
    (lambda a: ops.cast(a, "flaot32"), UnknownNameError, "did you mean 'float32'"),
    (lambda a: ops.einsum("ij,jk->ik", a, a), ShapeError, "'j'"),
    (lambda a: ops.einsum("ijk->i", a), ShapeError, "term"),
    (lambda a: ops.einsum("ij->ik", a), ArgumentError, "letters"),
    (lambda a: ops.tensordot(a, a, ([0], [1])), ShapeError, "sum over"),
    (lambda a: ops.arange(0, 3, 0), ArgumentError, "step"),
    (lambda a: ops.zeros((2, -1)), ArgumentError, "shape"),
    (lambda a: ops.zeros(None), ArgumentError, "shape"),
    (lambda a: ops.top_k(a, 9), ArgumentError, "`k`"),
    (lambda a: ops.inv(a), ShapeError, "Square"),
    (lambda a: ops.cholesky(a[0]), ShapeError, "matrix"),
    (lambda a: ops.norm(a, 3), ArgumentError, "matrix norm"),
    (lambda a: ops.quantile(a, 0.5, method="median"), ArgumentError, "method"),
    (lambda a: ops.searchsorted(a, a), ShapeError, "vector"),
    (lambda a: ops.segment_sum(a, np.array([0])), ShapeError, "segment number"),
    (lambda a: ops.bincount(a), DTypeError, "integers"),
    (lambda a: ops.rearrange(a, "a b"), ArgumentError, "->"),
    (lambda a: ops.rearrange(a, "a b -> a"), ArgumentError, "same names"),
    (lambda a: ops.rearrange(a, "a (b c) -> a b c", b=2), ShapeError, "group"),
    (lambda a: ops.fft(a), ArgumentError, "pair"),
    (lambda a: ops.convert_to_tensor([[1], [2, 3]]), ShapeError, "lengths"),
    (lambda a: ops.convert_to_tensor([object()]), DTypeError, "numeric"),
]


@pytest.mark.parametrize(("call", "error", "message"), TABLE)
def test_mistakes_are_explained(call, error, message, engine):
    with pytest.raises(error, match=message) as caught:
        call(ops.convert_to_tensor(A))
    assert isinstance(caught.value, KerasishError)
    assert "ops." in str(caught.value)
    assert len(str(caught.value)) <= 400


def test_symbolic_tensors_get_the_same_errors():
    x = SymbolicTensor((None, 3))
    with pytest.raises(ShapeError, match="Matrix sizes"):
        ops.matmul(x, np.ones((2, 2), np.float32))
    with pytest.raises(ArgumentError, match="axis"):
        ops.sum(x, axis=2)


def test_patterns_and_counts_that_keras_does_not_have(engine):
    x = ops.convert_to_tensor(np.arange(24.0, dtype=np.float32).reshape(2, 3, 4))
    host = np.arange(24.0, dtype=np.float32).reshape(2, 3, 4)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(ops.rearrange(x, "... w -> w ...")), host.transpose(2, 0, 1)
    )
    np.testing.assert_array_equal(
        ops.convert_to_numpy(ops.repeat(x, (1, 0, 2), 1)), host.repeat((1, 0, 2), 1)
    )
    counts = ops.bincount(np.array([[0, 1, 1], [2, 2, 0]]))
    np.testing.assert_array_equal(ops.convert_to_numpy(counts), [[1, 2, 0], [1, 0, 2]])
    np.testing.assert_array_equal(ops.convert_to_numpy(ops.histogram(x, 2)[0]), [12, 12])


def test_transforms_undo_each_other(engine):
    signal = np.random.default_rng(3).normal(size=(2, 50)).astype(np.float32)
    for arguments in ((8, 4, 16), (16, 4, 16, "hamming")):
        pair = ops.stft(ops.convert_to_tensor(signal), *arguments)
        size, stride, length, *window = arguments
        found = ops.istft(pair, size, stride, length, 50, *window)
        np.testing.assert_allclose(ops.convert_to_numpy(found)[:, :48], signal[:, :48], atol=1e-5)
    q, r = ops.qr(ops.convert_to_tensor(signal[:, :4].T.copy()), mode="complete")
    np.testing.assert_allclose(ops.convert_to_numpy(ops.matmul(q, r)), signal[:, :4].T, atol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(ops.matmul(q, ops.transpose(q))), np.eye(4), atol=1e-5)
    u, s, vh = ops.svd(ops.convert_to_tensor(signal[:, :4]))
    assert ops.convert_to_numpy(u).shape == (2, 2)
    assert ops.convert_to_numpy(vh).shape == (4, 4)
    rebuilt = ops.matmul(ops.multiply(u, s), ops.slice(vh, (0, 0), (2, 4)))
    np.testing.assert_allclose(ops.convert_to_numpy(rebuilt), signal[:, :4], atol=1e-5)
    w, v = ops.eigh(ops.convert_to_tensor(np.array([[2.0, 1.0], [1.0, 2.0]], np.float32)))
    np.testing.assert_allclose(ops.convert_to_numpy(w), [1, 3], atol=1e-6)
    np.testing.assert_allclose(np.abs(ops.convert_to_numpy(v)), np.full((2, 2), 0.5**0.5), atol=1e-6)
