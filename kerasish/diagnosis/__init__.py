"""Where do engines differ? Every layer alone, on every engine, against a float64 reference: `diff`."""

from kerasish.diagnosis.differ import diff
from kerasish.diagnosis.report import Diagnosis, Finding

__all__ = ["Diagnosis", "Finding", "diff"]
