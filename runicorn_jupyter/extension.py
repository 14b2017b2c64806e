"""The Jupyter server extension: what an administrator can set, the routes, start and stop."""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import threading
import webbrowser
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from traitlets import Bool, CaselessStrEnum, Unicode, validate

from runicorn_jupyter._version import __version__
from runicorn_jupyter.api.events import EventSink
from runicorn_jupyter.api.own_user import SETTING as OWN_CREDENTIAL
from runicorn_jupyter.api.own_user import OwnCredential
from runicorn_jupyter.commandline import ALIASES, DEFAULT_PORT, EXAMPLES, FLAGS, SUBCOMMANDS
from runicorn_jupyter.on_demand import OnDemand
from runicorn_jupyter.proxy.csp import HOST
from runicorn_jupyter.proxy.log_masking import mask_log_records
from runicorn_jupyter.service.local_browser import Screen
from runicorn_jupyter.service.settings import ServiceSettings
from runicorn_jupyter.ssh.config.allowlist import AllowedHosts
from runicorn_jupyter.ssh.settings import SshSettings
from runicorn_jupyter.strict import Amount, Count, SettingError, StrictApp, Texts, sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_server.serverapp import ServerApp

    from runicorn_jupyter.serving import Plan, Serving

SERVING = "runicorn_jupyter.serving"
"""What brings the service, the proxy and SSH; not loaded where nobody asks for them."""

LAB_EXTENSIONS = frozenset({"jupyterlab", "notebook"})
"""Server extensions whose pages load our panel, which opens viewers itself."""


MAX_SECONDS = 366 * 24 * 3600
MAX_CACHE_MB = 1024 * 1024
MAX_PORT = 65535


class HostRules(Texts):
    """A list of ``allowed_hosts`` rules."""

    def info(self) -> str:
        """Describe the valid values."""
        return "a list of host names, patterns, addresses and networks, each a text"

    def check(self, texts: list[str]) -> list[str]:
        """Return the rules; raises `SettingError`."""
        try:
            AllowedHosts(texts)
        except ValueError as exc:
            raise SettingError(f"cannot be a list of hosts: {exc}") from exc
        return texts


class Origins(Texts):
    """A list of origins of pages."""

    def info(self) -> str:
        """Describe the valid values."""
        return "a list of https://host or https://host:port, without paths"

    def check(self, texts: list[str]) -> list[str]:
        """Return the origins; raises `SettingError`."""
        origins = [text.removesuffix("/") for text in texts]
        if not all(re.fullmatch(rf"https://{HOST.pattern}", origin) for origin in origins):
            raise SettingError(f"has to be {self.info()}")
        return origins


class RunicornJupyter(StrictApp):
    """Runicorn's remote viewer inside Jupyter."""

    name = "runicorn_jupyter"
    app_name = "Runicorn"
    description = "Open the Runicorn viewer of the GPU servers you reach by SSH, inside Jupyter."
    version = __version__
    examples = EXAMPLES
    aliases = ALIASES
    flags = FLAGS
    subcommands = SUBCOMMANDS
    load_other_extensions = True
    _screen: Screen | None = None
    _own_credential: OwnCredential | None = None
    _routes: OnDemand | None = None
    _serving: Serving | None = None
    extension_url = "/lab" if find_spec("jupyterlab") else "/api/remote/openapi.json"

    host_key_policy = CaselessStrEnum(
        ["ask", "accept-new", "strict"],
        default_value="ask",
        config=True,
        help="""What to do with a host whose key is in no known_hosts file: `ask` the person,
        `accept-new` keys without asking, or refuse (`strict`). A changed key is always refused.""",
    )
    allowed_hosts = HostRules(
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
    max_connections = Count(64, min=1, config=True, help="How many SSH connections may be open at once.")
    max_connections_per_user = Count(
        0,
        min=0,
        config=True,
        help="""How many SSH connections each of the people who share this server may have open at once (a
        share of JupyterHub's). 0: as many as all together.""",
    )
    max_viewers = Count(
        0,
        min=0,
        config=True,
        help="""How many viewers the connections of this server may hold at once; each is a process on a
        remote. 0: one for each connection.""",
    )
    max_logins_per_minute = Count(
        0,
        min=0,
        config=True,
        help="""How many connections may be asked for in a minute, those included that fail: what login nodes
        count against an address. Those that come back after a loss do not count. 0: any number.""",
    )
    viewer_mb_per_second = Amount(
        0,
        max=MAX_CACHE_MB,
        config=True,
        help="""Megabytes a second that the pages of all viewers of this server together get from remotes, and
        so through a hub's proxy. What is more waits, and nothing is refused. 0: as fast as it comes.""",
    )
    keepalive_seconds = Amount(
        15,
        positive=True,
        max=MAX_SECONDS,
        config=True,
        help="""Seconds between two questions to an idle SSH server whether it is still there. Two unanswered
        mean that the connection is down.""",
    )
    reconnect_for_seconds = Amount(
        3600,
        max=MAX_SECONDS,
        config=True,
        help="For how many seconds a connection that went down is tried again. 0: it is not.",
    )
    viewer_lease_seconds = Amount(
        900,
        positive=True,
        max=MAX_SECONDS,
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
    asset_cache_mb = Amount(
        256,
        max=MAX_CACHE_MB,
        config=True,
        help="""Megabytes of viewers' static files to keep in memory, so that a second visit costs the
        network nothing. 0 keeps none.""",
    )
    connection_memory_mb = Amount(
        128,
        positive=True,
        max=MAX_CACHE_MB,
        config=True,
        help="""Megabytes of what one remote says of its runs that are kept at once; 20,000 runs take some 60.
        What is beyond is left out, and the list of runs and the log say so.""",
    )
    memory_mb = Amount(
        512,
        positive=True,
        max=MAX_CACHE_MB,
        config=True,
        help="The same, of all connections together.",
    )

    metrics_by_host = Bool(
        False,
        config=True,
        help="""Whether Jupyter's `/metrics` tells connections, reconnects, bytes and viewers apart by the
        names of hosts, as people wrote them. Off: no name of a host is in it.""",
    )
    private_server_port = Count(
        0,
        min=0,
        max=MAX_PORT,
        config=True,
        help="""Port of the private server of a kernel that no Jupyter server started (VS Code, IPython),
        so that one forwarded port serves each time. With a second kernel beside it, the next free one of
        the nine after. 0: any.""",
    )
    private_server_origins = Origins(
        config=True,
        help="""Origins (`https://code.example.org`) of code-server, or of another VS Code in a browser,
        whose pages may show the viewers of a kernel's private server, and under whose name its port may be
        forwarded. VS Code's own window and the page of this codespace may always; others never.""",
    )

    @validate("viewer_origin")
    def _origin(self, proposal: Any) -> str:
        origin = str(proposal["value"]).removesuffix("/")
        if origin and not re.fullmatch(rf"https?://{HOST.pattern}", origin):
            raise SettingError("has to be https://host or https://host:port, without a path")
        return origin

    @classmethod
    def make_serverapp(cls, **kwargs: Any) -> ServerApp:
        """Make the server of ``jupyter runicorn``; its default port is Runicorn's, any configuration wins."""
        server: ServerApp = super().make_serverapp(**kwargs)
        server.port_default_value = DEFAULT_PORT
        return server

    def initialize_settings(self) -> None:
        """Take the routes' paths; what answers there is made with the first request."""
        server = self.serverapp
        if server is None or server.event_logger is None:
            raise RuntimeError("RunicornJupyter runs inside a Jupyter server")
        _stop_in_order_on_interrupt(server)
        # What the parts below say goes where the server's log goes, at the server's level.
        logging.getLogger("runicorn_jupyter").parent = server.log
        self._own_credential = OwnCredential(server)
        self._own_credential.write()
        self.settings[OWN_CREDENTIAL] = self._own_credential.credential
        self.settings["runicorn_viewer_origin"] = self.viewer_origin
        wrong = self._misconfigured(server)
        if wrong:
            server.log.error(
                "RunicornJupyter connects to nothing and answers 503: %s", sentence(wrong.items())
            )
        # Whoever listens to all events before the first request hears of ours too.
        events = EventSink(server.event_logger)
        self._end_masking = mask_log_records(self._is_capability)

        async def serve() -> None:
            serving = await asyncio.to_thread(import_module, SERVING)  # the loop goes on meanwhile
            if wrong:
                serving.serve_nothing(server, list(wrong))
            else:
                self._serving = serving.Serving(server, self._plan(server, events, serving.Plan))

        base_url = re.escape(server.web_app.settings["base_url"])
        self._routes = OnDemand(server.web_app, rf"{base_url}(?:api/remote|runicorn)(?:/.*)?", serve)

    def _is_capability(self, text: str) -> bool:
        """Return whether a text is a capability that this server has given out."""
        return self._serving is not None and self._serving.capabilities.is_known(text)

    def _misconfigured(self, server: ServerApp) -> dict[str, str]:
        """Find what of the configuration could not be read, if anything."""
        self.update_config(server.config)  # an extension that was linked after this one may have added to it
        wrong = {**self.unread_files(server), **self.wrong}
        if not wrong and not self._linked:
            wrong["the configuration"] = "could not be read; the lines above say why"
        return wrong

    def ssh_settings(self) -> SshSettings:
        """Return what of the settings is about SSH connections."""
        return SshSettings(
            keepalive_seconds=self.keepalive_seconds,
            reconnect_for_seconds=self.reconnect_for_seconds,
            host_key_policy=self.host_key_policy,
            allowed_hosts=AllowedHosts(self.allowed_hosts),
        )

    def _plan(self, server: ServerApp, events: EventSink, make: type[Plan]) -> Plan:
        """Return the settings as what serves the routes takes them."""
        return make(
            ServiceSettings(
                connection=self.ssh_settings(),
                viewer_lease_seconds=self.viewer_lease_seconds,
                max_connections=self.max_connections,
                max_connections_per_user=self.max_connections_per_user,
                max_viewers=self.max_viewers,
                max_logins_per_minute=self.max_logins_per_minute,
                viewer_bytes_per_second=self.viewer_mb_per_second * 2**20,
                config_commands=self.config_commands,
                use_keyring=self.use_keyring,
                start_remembered=self.start_remembered,
                base_url=server.base_url,
                connection_memory_bytes=int(self.connection_memory_mb * 2**20),
                memory_bytes=int(self.memory_mb * 2**20),
                metrics_by_host=self.metrics_by_host,
            ),
            viewer_origin=self.viewer_origin,
            asset_cache_bytes=int(self.asset_cache_mb * 1024 * 1024),
            emit=events,
            show=self._open_screen(server),
        )

    def _open_screen(self, server: ServerApp) -> Callable[[str], object] | None:
        """Say how to open a viewer's URL where no front end of ours is there to do it."""
        if not server.open_browser or LAB_EXTENSIONS & set(server.extension_manager.extensions):
            return None
        try:
            browser = webbrowser.get()
        except webbrowser.Error:
            return None
        self._screen = Screen(browser, Path(server.runtime_dir), by_file=server.use_redirect_file)
        return self._screen.show

    async def stop_extension(self) -> None:
        """End viewers and connections before Jupyter stops."""
        if self._own_credential is not None:
            self._own_credential.remove()
        if self._routes is not None:
            self._routes.close()
            self._end_masking()
        if self._serving is not None:
            await self._serving.close()
        if self._screen is not None:
            self._screen.close()


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
