"""The jax engine of kerasish. Importing this package loads no framework: `INFO` says how to build the engine."""

from kerasish.core.contract import EngineInfo

INFO = EngineInfo(
    name="jax",
    load="kerasish_jax.engine:build",
    requires=("jax",),
    install='pip install "kerasish[jax]"',
)
