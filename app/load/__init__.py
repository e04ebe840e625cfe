"""The load generator behind `natter load` and the benchmarks: many clients in one process, which count what arrives and
decode next to nothing."""

from app.load.crowd import Crowd, run
from app.load.errors import LoadError
from app.load.plan import Envelope, Plan
from app.load.process import Process
from app.load.progress import Bar, Progress
from app.load.report import ConnectFigures, Report, TalkFigures

__all__ = [
    "Bar",
    "ConnectFigures",
    "Crowd",
    "Envelope",
    "LoadError",
    "Plan",
    "Process",
    "Progress",
    "Report",
    "TalkFigures",
    "run",
]
