"""The primitives: the smallest things an engine must be able to do. Import as `p` and call `p.add(a, b)`."""

from kerasish.core.primitives.control import *  # noqa: F403
from kerasish.core.primitives.elementwise import *  # noqa: F403
from kerasish.core.primitives.linalg import *  # noqa: F403
from kerasish.core.primitives.randomness import *  # noqa: F403
from kerasish.core.primitives.reductions import *  # noqa: F403
from kerasish.core.primitives.shaping import *  # noqa: F403
from kerasish.core.primitives.windows import *  # noqa: F403
