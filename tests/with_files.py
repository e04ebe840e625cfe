"""`python -m tests.with_files SOFT HARD ARGUMENTS`: runs Python with a limit on the files that it may open."""

import os
import resource
import sys

resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
os.execv(sys.executable, [sys.executable, *sys.argv[3:]])
