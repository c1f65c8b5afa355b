"""An S3-compatible store for the tests: moto, from PyPI, at the port that is given.

One request at a time: moto looks whether an object is there and writes it in two steps, so two requests at once could both be
told that they were the first.
"""

import sys

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

run_simple("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=False)
