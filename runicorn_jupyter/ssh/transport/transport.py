"""paramiko's Transport, tuned, with channels of our own: this file and ``packetizer`` use its private parts.

What is changed and why (each was measured or seen, see docs/design.md, "A connection"):

- Sending never waits: the packetizer writes to a ``ByteTransport``, and messages that may not be sent
  during a key exchange are sent after it. In paramiko the transport's own thread waits there for
  itself, and a re-key under load ends the connection after 30 s.
- AES-GCM first where paramiko has it (4.0 and later), ChaCha20-Poly1305 (`chacha20`) last, weak ciphers, MACs
  and hashes off. A server's list of MACs does not matter where the cipher needs none.
- The server decides when to re-key, the limits here only bound one that never does.
- No timers: the caller that connects has one deadline and closes the byte transport at it.
- Channels are ``channel.Channel``; paramiko's own are for a thread each. Their numbers are used again, so
  nothing grows with the number of channels a connection has had.

Private names of paramiko used here (3.4 … 5.x; the tests run on both ends):
``_channels``, ``channels_seen``, ``_channel_handler_table``, ``_next_channel``, ``_send_user_message``,
``_parse_newkeys``, ``_parse_channel_open_success``, ``_parse_channel_open_failure``,
``_parse_request_success``, ``_parse_request_failure``, ``_parse_global_request``, ``_preferred_*``,
``clear_to_send`` and its lock, ``completion_event``, ``auth_timeout``.
"""

from __future__ import annotations

import collections
import heapq
import logging
import struct
import threading
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import paramiko

from runicorn_jupyter.ssh.transport import chacha20
from runicorn_jupyter.ssh.transport.byte_transport import HIGH_WATER, ByteTransport
from runicorn_jupyter.ssh.transport.channel import (
    CLOSE,
    DATA,
    EOF,
    EXTENDED_DATA,
    FAILURE,
    MAX_PACKET,
    REQUEST,
    SUCCESS,
    WINDOW,
    WINDOW_ADJUST,
    Channel,
)
from runicorn_jupyter.ssh.transport.key_exchange import key_exchanges
from runicorn_jupyter.ssh.transport.packetizer import SshPacketizer, UnavailableMac
from runicorn_jupyter.text import plain_text

CHANNEL_OPEN, GLOBAL_REQUEST = 90, 80  # RFC 4250, section 4.1.2
MAX_HOST_KEYS = 32

_CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
    "chacha20-poly1305@openssh.com",
)
_MACS = (
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
)
# Last, and only for AEAD ciphers, which need none: with any other the packetizer refuses them.
_UNAVAILABLE_MACS = (
    "umac-128-etm@openssh.com",
    "umac-64-etm@openssh.com",
    "umac-128@openssh.com",
    "umac-64@openssh.com",
)
# The place in SSH_MSG_KEXINIT (RFC 4253, section 7.1) of what has to be agreed on, as the server lists it.
_AGREED = {"key exchanges": 0, "host key types": 1, "ciphers": 3, "MACs": 5}
_SHOWN_NAMES, _SHOWN_CHARACTERS = 8, 64

MAX_DEBUG_BYTES = 4096

_LOG_NAME = "runicorn_jupyter.ssh.paramiko"


class _Quiet(logging.Filter):
    """Lowers paramiko's messages to DEBUG: it logs refused connections as errors with a traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno > logging.DEBUG:
            record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        return logging.getLogger(_LOG_NAME).isEnabledFor(logging.DEBUG)


logging.getLogger(_LOG_NAME).addFilter(_Quiet())


def _without_sha1(names: Iterable[str]) -> tuple[str, ...]:
    weak = {"ssh-rsa", "ssh-dss"}
    return tuple(name for name in names if name not in weak and not name.endswith("sha1"))


class ChannelTable:
    """The open channels by number; replaces paramiko's map, which holds weak references."""

    def __init__(self) -> None:
        self._channels: dict[int, Channel] = {}
        self._free: list[int] = []

    def number(self) -> int:
        """Return the lowest free number."""
        return heapq.heappop(self._free) if self._free else len(self._channels)

    def put(self, number: int, channel: Channel) -> None:
        """Register a channel."""
        self._channels[number] = channel

    def get(self, number: int) -> Channel | None:
        """Look a channel up."""
        return self._channels.get(number)

    def delete(self, number: int) -> None:
        """Free a number."""
        if self._channels.pop(number, None) is not None:
            heapq.heappush(self._free, number)

    def values(self) -> list[Channel]:
        """Return all channels."""
        return list(self._channels.values())

    def __len__(self) -> int:
        return len(self._channels)


_PARAMIKO: Any = paramiko.Transport  # with its private names, which type stubs leave out


def _ciphers() -> dict[str, Any]:
    found = dict(_PARAMIKO._cipher_info)
    if "aes128-gcm@openssh.com" in found and SshPacketizer.knows_paramiko() and chacha20.is_available():
        found["chacha20-poly1305@openssh.com"] = {
            "class": chacha20.ChaCha20Poly1305Packets,
            "mode": None,
            "block-size": chacha20.BLOCK_BYTES,
            "key-size": chacha20.KEY_BYTES,
            "is_aead": True,
        }
    return found


_CIPHER_INFO = _ciphers()


class SshTransport(paramiko.Transport):
    """One SSH connection over a byte transport; ``on_end`` is called from its thread when it is over.

    Parameters
    ----------
    byte_transport
        The bytes below; closed with the transport.
    on_end
        Called once, from the transport's thread, after everything else.

    Attributes
    ----------
    forced_command
        Where the server says that the key that it took has a command of its own, such as
        ``/home/ann/.ssh/authorized_keys:1``; empty if it has none, or the server does not say.
    """

    _cipher_info = _CIPHER_INFO
    _mac_info: ClassVar[dict[str, Any]] = {
        **{name: {"class": UnavailableMac, "size": 16} for name in _UNAVAILABLE_MACS},
        **{name: _PARAMIKO._mac_info[name] for name in _MACS if name in _PARAMIKO._mac_info},
    }
    _kex_info: ClassVar[dict[str, Any]] = {**_PARAMIKO._kex_info, **key_exchanges()}
    _preferred_ciphers = tuple(c for c in _CIPHERS if c in _CIPHER_INFO)
    _preferred_macs = (*(m for m in _MACS if m in _PARAMIKO._mac_info), *_UNAVAILABLE_MACS)
    _preferred_kex = (*_without_sha1(_PARAMIKO._preferred_kex), *key_exchanges())
    _preferred_keys = _without_sha1(_PARAMIKO._preferred_keys)
    _preferred_pubkeys = _without_sha1(_PARAMIKO._preferred_pubkeys)
    _channel_handler_table: ClassVar[dict[int, Callable[[Any, paramiko.Message], None]]] = {
        SUCCESS: Channel.on_success,
        FAILURE: Channel.on_failure,
        DATA: Channel.on_data,
        EXTENDED_DATA: Channel.on_extended_data,
        WINDOW_ADJUST: Channel.on_window_adjust,
        REQUEST: Channel.on_request,
        EOF: Channel.on_eof,
        CLOSE: Channel.on_close,
    }

    def __init__(self, byte_transport: ByteTransport, on_end: Callable[[], None]) -> None:
        super().__init__(byte_transport, packetizer_class=SshPacketizer)  # type: ignore[arg-type]
        self.name = "ssh-transport"
        self.set_log_channel(_LOG_NAME)
        self.byte_transport = byte_transport
        self.end_reason: BaseException | None = None
        self._on_end = on_end
        self._table = ChannelTable()
        self._channels = self._table
        self._deferred_messages: collections.deque[paramiko.Message] = collections.deque()
        self._blocked_writers: set[Channel] = set()
        self._blocked_lock = threading.Lock()
        self._answers: collections.deque[Callable[[bytes | None], None]] = collections.deque()
        self._host_keys: list[bytes] | None = None
        self._hear_host_keys: Callable[[list[bytes]], None] | None = None
        self._over = False
        self.forced_command = ""
        self.host_key_algorithms: tuple[str, ...] = ()
        self._offered: dict[str, tuple[str, ...]] = {}
        self.auth_timeout = self.banner_timeout = 10**9  # the caller's deadline closes the byte transport
        byte_transport.on_writable = self._wake_writers
        byte_transport.on_drained = self._run_deferred_calls
        self._deferred_calls: dict[Callable[[], None], None] = {}

    @property
    def greeting(self) -> list[str]:
        """Lines that the server sent before the key exchange."""
        packetizer: Any = self.packetizer
        return list(packetizer.greeting)

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        """Host key algorithms, those of the keys on record first."""
        return self.host_key_algorithms or tuple(super().preferred_keys)

    # -- reading --------------------------------------------------------------------------------

    def call_later(self, function: Callable[[], None]) -> None:
        """Call ``function`` once all packets that have arrived are read.

        In the transport's thread, if this is called from it; at once from any other.
        """
        if threading.current_thread() is self:
            self._deferred_calls[function] = None
        else:
            function()

    def _run_deferred_calls(self) -> None:
        while self._deferred_calls:
            later, self._deferred_calls = self._deferred_calls, {}
            for function in later:
                function()

    def _parse_debug(self, m: paramiko.Message) -> None:
        m.get_boolean()
        text = m.get_string()[:MAX_DEBUG_BYTES].decode("utf-8", "replace")
        where, found, options = text.partition(": key options: ")  # OpenSSH's, in auth_log_authopts
        if found:
            self.forced_command = plain_text(where, limit=300) if "command" in options.split() else ""

    # -- ending ---------------------------------------------------------------------------------

    def run(self) -> None:
        """Run until the connection ends, then notify all channels."""
        try:
            super().run()
        finally:
            with self.lock:
                self._over = True
                channels = self._table.values()
            self.end_reason = self.end_reason or self.saved_exception
            self.byte_transport.close()
            for channel in channels:
                channel.on_lost()
            self._run_deferred_calls()
            self._on_end()

    def close(self) -> None:
        """Close the connection at once, from any thread, without waiting."""
        self.active = False
        self.packetizer.close()
        self.byte_transport.close()
        if self.completion_event is not None:
            self.completion_event.set()
        if self.auth_handler is not None:
            self.auth_handler.abort()

    def stop_thread(self) -> None:
        """Close the connection; paramiko calls this at the end of the process."""
        self.close()

    # -- sending --------------------------------------------------------------------------------

    def _send_user_message(self, data: Any) -> None:
        with self.clear_to_send_lock:
            self._deferred_messages.append(data)
            self._send_deferred()

    def _send_deferred(self) -> None:
        while self._deferred_messages and self.clear_to_send.is_set() and self.active:
            _PARAMIKO._send_message(self, self._deferred_messages.popleft())

    def send(self, payload: bytes) -> None:
        """Send a message, now or after the key exchange that is under way; never waits."""
        try:
            self._send_user_message(paramiko.Message(payload))
        except EOFError:
            self.byte_transport.close()  # the transport's thread ends now, and tells every channel

    @property
    def congested(self) -> bool:
        """Whether data should wait: for the socket, or for a key exchange."""
        return self.byte_transport.backlog_bytes > HIGH_WATER or not self.clear_to_send.is_set()

    def has_room(self, channel: Channel) -> bool:
        """Return whether data may be sent now; if not, the channel is woken when it may."""
        if not self.congested:
            return True
        with self._blocked_lock:
            self._blocked_writers.add(channel)
        if self.congested:
            return False
        with self._blocked_lock:  # it ended between the two looks: no wake-up would come
            self._blocked_writers.discard(channel)
        return True

    def _wake_writers(self) -> None:
        with self._blocked_lock:
            waiting = list(self._blocked_writers)
            self._blocked_writers.clear()
        for channel in waiting:  # a writer that finds no room waits again
            channel.wake()

    def _parse_kex_init(self, m: paramiko.Message) -> None:
        start = m.packet.tell()
        m.get_bytes(16)  # the cookie
        lists = [m.get_binary().decode("ascii", "replace").split(",") for _ in range(6)]
        m.packet.seek(start)
        self._offered = {kind: tuple(lists[place]) for kind, place in _AGREED.items()}
        super()._parse_kex_init(m)  # type: ignore[misc]

    def not_agreed(self) -> tuple[str, list[str]] | None:
        """Return what cannot be agreed on with the server, and the names that it offers of it.

        Returns
        -------
        tuple or None
            None if that is not known.
        """
        if not self._offered:  # it speaks another version of the protocol
            return None
        macs = tuple(name for name in self.preferred_macs if name not in _UNAVAILABLE_MACS)
        ours = (self.preferred_kex, self.preferred_keys, self.preferred_ciphers, macs)
        for (kind, offered), known in zip(self._offered.items(), ours, strict=True):
            if not set(offered) & set(known):
                names = [name for name in offered if not name.startswith(("ext-info-", "kex-strict-"))]
                return kind, [plain_text(name[:_SHOWN_CHARACTERS]) for name in names[:_SHOWN_NAMES]]
        return None

    def _parse_newkeys(self, m: paramiko.Message) -> None:
        super()._parse_newkeys(m)  # type: ignore[misc]
        with self.clear_to_send_lock:
            self._send_deferred()
        self._wake_writers()

    # -- channels -------------------------------------------------------------------------------

    def open(self, kind: str, body: bytes, wake: Callable[[], None]) -> Channel:
        """Request a channel; ``wake`` is called at each change of its state.

        Parameters
        ----------
        kind
            RFC 4254's channel type.
        body
            Bytes that this type adds to the message.
        wake
            Called from any thread after each change of the channel.

        Raises
        ------
        ConnectionResetError
            If the transport has ended.
        """
        name = kind.encode()
        with self.lock:
            if self._over or not self.active:
                raise ConnectionResetError("the SSH connection is closed")
            number = self._table.number()
            channel = Channel(self, number, wake)
            self._table.put(number, channel)
            self.channels_seen[number] = True
        head = struct.pack(f">BI{len(name)}sIII", CHANNEL_OPEN, len(name), name, number, WINDOW, MAX_PACKET)
        self.send(head + body)
        return channel

    def forget(self, channel: Channel) -> None:
        """Free the channel's number."""
        with self.lock:
            self._table.delete(channel.number)
        with self._blocked_lock:
            self._blocked_writers.discard(channel)

    @property
    def open_channels(self) -> int:
        """Number of channels that are open, or being opened or closed."""
        return len(self._table)

    def _parse_channel_open_success(self, m: paramiko.Message) -> None:
        number, remote, window, packet = m.get_int(), m.get_int(), m.get_int(), m.get_int()
        channel = self._table.get(number)
        if channel is None or channel.opened:
            raise paramiko.SSHException("the server confirmed a channel that nobody asked for")
        channel.on_open(remote, window, packet)

    def _parse_channel_open_failure(self, m: paramiko.Message) -> None:
        number, reason, text = m.get_int(), m.get_int(), m.get_string().decode("utf-8", "replace")
        channel = self._table.get(number)
        if channel is None or channel.opened:
            raise paramiko.SSHException("the server refused a channel that nobody asked for")
        self.forget(channel)
        channel.on_open_failed(reason, text)

    # -- global requests ------------------------------------------------------------------------

    def ask(self, kind: str, answered: Callable[[], None]) -> None:
        """Send a global request; any answer, yes or no, calls ``answered`` from the transport's thread.

        RFC 4254, section 4: answers come in the order of the requests.
        """
        self.ask_for(kind, b"", lambda _: answered())

    def ask_for(self, kind: str, body: bytes, answered: Callable[[bytes | None], None]) -> None:
        """Send a global request; ``answered`` gets the server's answer, None for a refusal.

        Parameters
        ----------
        kind
            The request's name.
        body
            Bytes that this kind adds to the message.
        answered
            Called from the transport's thread.
        """
        name = kind.encode()
        with self.lock:
            self._answers.append(answered)
            self.send(struct.pack(f">BI{len(name)}sB", GLOBAL_REQUEST, len(name), name, 1) + body)

    def _parse_request_success(self, m: paramiko.Message) -> None:
        if self._answers:
            self._answers.popleft()(m.get_remainder())

    def _parse_request_failure(self, m: paramiko.Message) -> None:
        if self._answers:
            self._answers.popleft()(None)

    def hear_host_keys(self, hear: Callable[[list[bytes]], None]) -> None:
        """Call ``hear`` once with all host keys that the server announces, from any thread."""
        with self.lock:
            self._hear_host_keys = hear
            host_keys = self._host_keys
        if host_keys is not None:
            hear(host_keys)

    def _parse_global_request(self, m: paramiko.Message) -> None:
        start = m.packet.tell()
        kind, wants_reply = m.get_binary(), m.get_boolean()
        if kind != b"hostkeys-00@openssh.com" or wants_reply:
            m.packet.seek(start)
            super()._parse_global_request(m)  # type: ignore[misc]
            return
        keys: list[bytes] = []
        while len(keys) < MAX_HOST_KEYS and (key := m.get_binary()):
            keys.append(key)
        with self.lock:
            again, self._host_keys = self._host_keys is not None, keys
            hear = self._hear_host_keys
        if hear is not None and not again:
            hear(keys)
