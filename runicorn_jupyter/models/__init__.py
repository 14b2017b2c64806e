"""Define the bodies and queries of ``/api/remote`` as pydantic models: a module a resource.

Requests forbid unknown fields and hold secrets as ``SecretStr``; answers carry every key,
always. ``openapi.json`` is generated from these classes. Pure: imports nothing of ours.
"""

from runicorn_jupyter.models.base import *
from runicorn_jupyter.models.connections import *
from runicorn_jupyter.models.environments import *
from runicorn_jupyter.models.hosts import *
from runicorn_jupyter.models.machines import *
from runicorn_jupyter.models.run_comparison import *
from runicorn_jupyter.models.run_metrics import *
from runicorn_jupyter.models.runs import *
from runicorn_jupyter.models.viewers import *
