"""Dtype policies: in which dtype a layer computes and in which it keeps its variables (Micikevicius et al. 2018)."""

from __future__ import annotations

from typing import Any

from kerasish.core import dtypes
from kerasish.core.config import floatx
from kerasish.core.errors import ArgumentError, UnknownNameError

_MIXED = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}


class DTypePolicy:
    """The compute and variable dtypes of a layer.

    Args:
        name: A dtype name (both are that), or "mixed_float16" / "mixed_bfloat16": compute in 16 bits, keep
            variables in float32. None: the global policy's.

    Example:
        >>> policy = DTypePolicy("mixed_bfloat16")
        >>> policy.compute_dtype, policy.variable_dtype
        ('bfloat16', 'float32')
    """

    def __init__(self, name: str | None = None, source_name: str | None = None) -> None:
        name = name or dtype_policy().name
        if not isinstance(name, str):
            raise ArgumentError(
                "A dtype policy is named by a string.", where="DTypePolicy", received=repr(name)
            )
        self._name = name
        if name in _MIXED:
            self._compute, self._variable = _MIXED[name], "float32"
        elif name in (*dtypes.ALL, *dtypes.OTHER):
            self._compute = self._variable = name
        else:
            raise UnknownNameError.of("dtype policy", name, (*_MIXED, *dtypes.ALL))

    @property
    def name(self) -> str:
        """The policy's name."""
        return self._name

    @property
    def compute_dtype(self) -> str:
        """Dtype that layers compute in."""
        return self._compute

    @property
    def variable_dtype(self) -> str:
        """Dtype that variables are kept in."""
        return self._variable

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        """Make one from its configuration."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self.name}">'


_global: dict[str, DTypePolicy | None] = {"policy": None}


def dtype_policy() -> DTypePolicy:
    """The policy of layers that are not told another: floatx unless `set_dtype_policy` was called.

    Example:
        >>> dtype_policy().name
        'float32'
    """
    return _global["policy"] or DTypePolicy(floatx())


def set_dtype_policy(policy: str | DTypePolicy | None) -> None:
    """Set the policy of layers made from now on.

    Example:
        >>> set_dtype_policy("mixed_bfloat16")
        >>> dtype_policy().compute_dtype
        'bfloat16'
        >>> set_dtype_policy(None)
    """
    _global["policy"] = None if policy is None else get(policy)


def get(identifier: Any) -> DTypePolicy:
    """A policy from None, a name, a dtype, a policy or its serialised config.

    Example:
        >>> get("mixed_float16").variable_dtype
        'float32'
    """
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, dict):
        config = identifier.get("config", identifier)
        return DTypePolicy(config["name"])
    if isinstance(identifier, str):
        return DTypePolicy(identifier)
    return DTypePolicy(dtypes.canonical(identifier))
