"""The torch engine of kerasish. Importing this package loads no framework: `INFO` says how to build the engine."""

from kerasish.core.contract import EngineInfo

INFO = EngineInfo(
    name="torch",
    load="kerasish_torch.engine:build",
    requires=("torch",),
    install='pip install "kerasish[torch]"',
)
