"""The hand-written PyTorch loops: `nn.Module`s, eager, fused Adam; `compiled=True` adds torch.compile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.contender import Array, batches
from benchmarks.workloads import CLASSES, LEARNING_RATE, WORKLOADS

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _mlp() -> nn.Module:
    return nn.Sequential(
        nn.Linear(784, 256),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(256, 256),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(256, CLASSES),
    )


class _Images(nn.Sequential):  # type: ignore[misc]
    """Takes NHWC batches: seen as NCHW they already are in channels_last memory, so nothing is copied."""

    def forward(self, x: Tensor) -> Tensor:  # B,H,W,C
        return super().forward(x.permute(0, 3, 1, 2))


def _convnet() -> nn.Module:
    return _Images(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(5 * 5 * 64, CLASSES),
    )


def _embedding(vocabulary: int) -> nn.Embedding:
    """Return a table as small as the other contenders' (torch draws from N(0, 1)), so that losses compare."""
    table = nn.Embedding(vocabulary, 128)
    nn.init.normal_(table.weight, std=0.05)
    return table


def _glorot(module: nn.Module) -> None:
    """Give linear layers the other contenders' scale: with torch's default the losses fall later."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


class _Lstm(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.embed = _embedding(WORKLOADS["lstm"].vocabulary)
        self.lstm = nn.LSTM(128, 128)
        self.out = nn.Linear(128, 1)

    def forward(self, tokens: Tensor) -> Tensor:  # B,T
        _, (h, _) = self.lstm(self.embed(tokens.T))  # T,B,C: the layout nn.LSTM works in
        return self.out(h[0])


class _Block(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(128, 3 * 128)
        self.proj = nn.Linear(128, 128)
        self.up = nn.Linear(128, 512)
        self.down = nn.Linear(512, 128)
        self.norm_a = nn.LayerNorm(128, eps=1e-6)
        self.norm_b = nn.LayerNorm(128, eps=1e-6)
        self.drop = nn.Dropout(0.1)

    def forward(self, h: Tensor) -> Tensor:  # B,T,C
        b, t, c = h.shape
        q, k, v = self.qkv(h).view(b, t, 3, 4, c // 4).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, c)
        h = self.norm_a(h + self.drop(self.proj(attended)))
        return self.norm_b(h + self.drop(self.down(F.relu(self.up(h)))))


class _Transformer(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        work = WORKLOADS["transformer"]
        self.embed = _embedding(work.vocabulary)
        self.positions = nn.Parameter(torch.randn(work.features[0], 128) * 0.05)
        self.blocks = nn.Sequential(_Block(), _Block())
        self.out = nn.Linear(128, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:  # B,T
        h = self.blocks(self.embed(tokens) + self.positions)
        return self.out(h.mean(dim=1))


class _Residual(nn.Module):  # type: ignore[misc]
    def __init__(self, cin: int, cout: int, stride: int) -> None:
        super().__init__()
        self.conv_a = nn.Conv2d(cin, cout, 3, stride, padding=1, bias=False)
        self.norm_a = nn.BatchNorm2d(cout, eps=1e-3, momentum=0.01)
        self.conv_b = nn.Conv2d(cout, cout, 3, padding=1, bias=False)
        self.norm_b = nn.BatchNorm2d(cout, eps=1e-3, momentum=0.01)
        self.short = nn.Identity() if stride == 1 else nn.Conv2d(cin, cout, 1, stride, bias=False)

    def forward(self, h: Tensor) -> Tensor:  # B,C,H,W
        r = F.relu(self.norm_a(self.conv_a(h)), inplace=True)
        return F.relu(self.norm_b(self.conv_b(r)) + self.short(h), inplace=True)


def _resnet20() -> nn.Module:
    stem = [
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16, eps=1e-3, momentum=0.01),
        nn.ReLU(),
    ]
    blocks = [
        _Residual(cin if block == 0 else cout, cout, 2 if cin != cout and block == 0 else 1)
        for cin, cout in ((16, 16), (16, 32), (32, 64))
        for block in range(3)
    ]
    return _Images(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, CLASSES))


_MODELS: dict[str, Callable[[], nn.Module]] = {
    "mlp": _mlp,
    "convnet": _convnet,
    "lstm": _Lstm,
    "transformer": _Transformer,
    "resnet20": _resnet20,
}


class RawTorch:
    """One workload as a plain PyTorch training loop."""

    def __init__(self, name: str, batch: int, *, compiled: bool = False) -> None:
        self._name = name
        self._batch = batch
        self._compiled = compiled
        self._rng = np.random.default_rng(0)

    def start(self, x: Array, y: Array) -> None:
        torch.manual_seed(0)
        # channels_last pays on resnet20 and costs on the small convnet (README)
        layout = torch.contiguous_format if self._name == "convnet" else torch.channels_last
        self._model = _MODELS[self._name]().to(DEVICE, memory_format=layout)
        self._model.apply(_glorot)
        self._forward: Any = torch.compile(self._model) if self._compiled else self._model
        self._adam = torch.optim.Adam(self._model.parameters(), lr=LEARNING_RATE, fused=True)
        self.fit(x, y, 1, lambda loss: None)

    def fit(self, x: Array, y: Array, epochs: int, on_epoch: Callable[[float], None]) -> None:
        self._model.train()
        for _ in range(epochs):
            total = torch.zeros((), device=DEVICE)
            for xb, yb in batches(x, y, self._batch, self._rng):
                total += self._step(_to_device(xb), _to_device(yb))
            on_epoch(total.item() * self._batch / len(x))

    def _step(self, x: Tensor, y: Tensor) -> Tensor:
        logits = self._forward(x)
        if WORKLOADS[self._name].binary:
            loss = F.binary_cross_entropy_with_logits(logits[:, 0], y.to(torch.float32))
        else:
            loss = F.cross_entropy(logits, y.long())
        self._adam.zero_grad(set_to_none=True)
        loss.backward()
        self._adam.step()
        return loss.detach()

    def predict(self, x: Array) -> Array:
        self._model.eval()
        with torch.inference_mode():
            starts = range(0, len(x), self._batch)
            outputs = [self._forward(_to_device(x[i : i + self._batch])) for i in starts]
            return torch.cat(outputs).cpu().numpy()  # type: ignore[no-any-return]

    def count_params(self) -> int:
        weights = [*self._model.parameters(), *(b for b in self._model.buffers() if b.is_floating_point())]
        return sum(w.numel() for w in weights)


def _to_device(array: Array) -> Tensor:
    return torch.from_numpy(array).to(DEVICE, non_blocking=True)
