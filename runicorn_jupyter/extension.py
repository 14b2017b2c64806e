"""The Jupyter server extension: what an administrator can set, the routes, start and stop."""

from __future__ import annotations

import logging
import signal
import threading
import webbrowser
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Bool, CaselessStrEnum, Float, Integer, List, TraitError, Unicode, validate

from runicorn_jupyter.api.client_js import client_handlers
from runicorn_jupyter.api.events import EventSink
from runicorn_jupyter.api.routes import remote_handlers
from runicorn_jupyter.proxy import Capabilities, StorageFolder, viewer_handlers
from runicorn_jupyter.service import RemoteService, ServiceSettings
from runicorn_jupyter.ssh.allowlist import AllowedHosts
from runicorn_jupyter.ssh.connection import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_server.serverapp import ServerApp

DEFAULT_PORT = 23300
"""Runicorn's own port (its seed examples' default)."""

LAB_EXTENSIONS = frozenset({"jupyterlab", "notebook"})
"""Server extensions whose pages load our panel, which opens viewers itself."""


class RunicornJupyter(ExtensionApp):
    """Runicorn's remote viewer inside Jupyter."""

    name = "runicorn_jupyter"
    app_name = "Runicorn"
    description = "Open the Runicorn viewer of the GPU servers you reach by SSH, inside Jupyter."
    load_other_extensions = True
    serverapp_config = {"port": DEFAULT_PORT}  # noqa: RUF012  # ExtensionApp's own convention
    extension_url = "/lab" if find_spec("jupyterlab") else "/api/remote/openapi.json"

    host_key_policy = CaselessStrEnum(
        ["ask", "accept-new", "strict"],
        default_value="ask",
        config=True,
        help="""What to do with a host whose key is in no known_hosts file: `ask` the person,
        `accept-new` keys without asking, or refuse (`strict`). A changed key is always refused.""",
    )
    allowed_hosts = List(
        Unicode(),
        config=True,
        help="""Hosts that may be connected to, jump hosts included: names (`gpu1.example`), patterns
        (`*.cluster.example`), addresses or networks (`10.0.0.0/8`), each optionally with a port
        (`*.example:22`, `[fd00::/8]:22`). Names are those that the ssh config leads to, not its aliases;
        what a network allows is looked at after a name was resolved. Hosts behind a `ProxyCommand` are
        refused then. Empty: any host.""",
    )
    config_commands = Bool(
        True,
        config=True,
        help="""Whether the user's ssh config may run commands on this machine (`Match exec`,
        `ProxyCommand`, `KnownHostsCommand`).""",
    )
    use_keyring = Bool(
        False,
        config=True,
        help="""Keep passphrases and passwords that people type, and that work, in the system's keyring, and
        do not ask for them again. Needs the `keyring` extra. Off: they are forgotten with the connection.""",
    )
    start_remembered = Bool(
        False,
        config=True,
        help="""Start the viewer that was opened last on a host as soon as that is connected to, before
        anybody asks for it: opening it takes no wait then. One that is not asked for ends itself within a
        minute. Never for hosts that ask questions (a password, a one-time code).""",
    )
    max_connections = Integer(64, min=1, config=True, help="How many SSH connections may be open at once.")
    keepalive_seconds = Float(
        15,
        config=True,
        help="""Seconds between two questions to an idle SSH server whether it is still there. Two unanswered
        mean that the connection is down.""",
    )
    reconnect_for_seconds = Float(
        3600,
        config=True,
        help="For how many seconds a connection that went down is tried again. 0: it is not.",
    )
    viewer_lease_seconds = Float(
        900,
        config=True,
        help="""Seconds after which a viewer on a remote ends itself when nothing of this server has
        reached it, so that nothing is left behind whatever dies.""",
    )
    viewer_origin = Unicode(
        "",
        config=True,
        help="""`https://host[:port]` under which browsers reach this server, where it cannot know: behind a
        proxy that ends TLS. Empty: what the browser's own request says.""",
    )
    asset_cache_mb = Float(
        256,
        config=True,
        help="""Megabytes of viewers' static files to keep in memory, so that a second visit costs the
        network nothing. 0 keeps none.""",
    )

    @validate("keepalive_seconds", "viewer_lease_seconds")
    def _positive(self, proposal: Any) -> float:
        if not proposal["value"] > 0:
            raise TraitError(f"{proposal['trait'].name} must be a number of seconds above 0")
        return float(proposal["value"])

    @validate("allowed_hosts")
    def _rules(self, proposal: Any) -> list[str]:
        try:
            AllowedHosts(proposal["value"])
        except ValueError as exc:
            raise TraitError(f"allowed_hosts: {exc}") from exc
        return list(proposal["value"])

    @validate("asset_cache_mb", "reconnect_for_seconds")
    def _not_negative(self, proposal: Any) -> float:
        if not proposal["value"] >= 0:
            raise TraitError(f"{proposal['trait'].name} must not be below 0")
        return float(proposal["value"])

    def initialize_settings(self) -> None:
        """Make the service, and tell the handlers where viewers' URLs begin."""
        server = self.serverapp
        if server is None or server.event_logger is None:
            raise RuntimeError("RunicornJupyter runs inside a Jupyter server")
        _stop_in_order_on_interrupt(server)
        # What the parts below say goes where the server's log goes, at the server's level.
        logging.getLogger("runicorn_jupyter").parent = server.log
        self.capabilities = Capabilities(
            StorageFolder(Path(server.data_dir) / "runicorn_jupyter" / "storage")
        )
        self.service = RemoteService(
            ServiceSettings(
                connection=Settings(
                    keepalive_seconds=self.keepalive_seconds,
                    reconnect_for_seconds=self.reconnect_for_seconds,
                    host_key_policy=self.host_key_policy,
                    allowed_hosts=AllowedHosts(self.allowed_hosts),
                ),
                viewer_lease_seconds=self.viewer_lease_seconds,
                max_connections=self.max_connections,
                config_commands=self.config_commands,
                use_keyring=self.use_keyring,
                start_remembered=self.start_remembered,
                base_url=server.base_url,
            ),
            self.capabilities,
            EventSink(server.event_logger),
            self._screen(server),
        )
        self.settings["runicorn_viewer_origin"] = self.viewer_origin

    def _screen(self, server: ServerApp) -> Callable[[str], object] | None:
        """Say how to open a viewer's URL where no front end of ours is there to do it."""
        if not server.open_browser or LAB_EXTENSIONS & set(server.extension_manager.extensions):
            return None
        try:
            return webbrowser.get().open
        except webbrowser.Error:
            return None

    def initialize_handlers(self) -> None:
        """Add the routes of the API, the viewers and the JavaScript client."""
        self.handlers.extend(remote_handlers(self.service))
        self.handlers.extend(client_handlers())
        self.handlers.extend(
            viewer_handlers(
                self.capabilities,
                viewer_origin=self.viewer_origin,
                asset_cache_bytes=int(self.asset_cache_mb * 1024 * 1024),
            )
        )

    async def stop_extension(self) -> None:
        """End viewers and connections before Jupyter stops."""
        await self.service.close()
        await self.capabilities.close()


def _stop_in_order_on_interrupt(server: ServerApp) -> None:
    """Let SIGINT end the server as SIGTERM does, where it would break off the event loop at once.

    Without a terminal Jupyter leaves SIGINT to Python, and no extension is stopped then: viewers would stay
    for as long as their lease. JupyterHub's local spawner ends servers by it. A second one still breaks off.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # only the main thread may say what a signal does
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return

    def stop(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        server.stop(from_signal=True)

    signal.signal(signal.SIGINT, stop)


main = RunicornJupyter.launch_instance
