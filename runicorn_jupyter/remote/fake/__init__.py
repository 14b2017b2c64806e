"""A remote without a process, a network or a passing second, for tests of what is above it.

    clock = FakeClock()
    host = FakeHost(clock)                      # a remote, and `host.connection` to it
    supervisor = ViewerSupervisor(host.connection, host, host.environment(), None,
                      lease_seconds=60, changed=..., clock=clock)
    await supervisor.start()
    host.viewer.stop()                          # SIGSTOP; cont(), kill() are the others
    await clock.advance(15)                     # so long passes for everybody who waits by this clock
    host.connection.drop()                      # then restore() or end()

`FakeHost` is a `client.HostClient`, `FakeConnection` a `client.Line`, `FakeViewer` a `client.ViewerClient`;
its `open_control` gives `client.ViewerControl`s whose answers are ``host.answers[action]``: a function of the
body that was asked, or a coroutine function, which may wait. ``host.pause("start")`` holds the next such step
(the names are those of the protocols' methods) until `Pause.go`; ``host.failures["start"]`` is raised by it.
``host.calls`` has all steps. Nothing here sleeps: ``await clock.advance(0)`` lets all go on that can.
"""

from runicorn_jupyter.remote.fake.clock import FakeClock
from runicorn_jupyter.remote.fake.host import FakeHost
from runicorn_jupyter.remote.fake.line import FakeConnection, Pause
from runicorn_jupyter.remote.fake.viewer import FakeControl, FakeProcess, FakeViewer

__all__ = ["FakeClock", "FakeConnection", "FakeControl", "FakeHost", "FakeProcess", "FakeViewer", "Pause"]
