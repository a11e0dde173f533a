"""Objects over ZeroMQ: one metadata frame, one zero-copy frame per buffer.

>>> frames = dumps({"name": "dot", "pixels": bytes(20_000)})
>>> len(frames)
2
>>> loads(frames)["name"]
'dot'
"""

from . import feed, pipeline
from ._envelope import Envelope
from ._errors import CallerError, Error, LimitError, PeerError
from ._limits import Limits
from ._sockets import publish_obj, recv_obj, recv_obj_from, recv_obj_via, recv_topic_obj, send_obj, send_obj_to, send_obj_via
from ._wire import OUT_OF_BAND_FROM, dumps, loads

__all__ = [
    "OUT_OF_BAND_FROM",
    "CallerError",
    "Envelope",
    "Error",
    "LimitError",
    "Limits",
    "PeerError",
    "dumps",
    "feed",
    "loads",
    "pipeline",
    "publish_obj",
    "recv_obj",
    "recv_obj_from",
    "recv_obj_via",
    "recv_topic_obj",
    "send_obj",
    "send_obj_to",
    "send_obj_via",
]
