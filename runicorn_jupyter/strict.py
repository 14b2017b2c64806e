"""Configuration that is read strictly: what cannot be read is reported, never replaced by a default."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Dict, Float, Integer, List, Set, TraitError, Unicode
from traitlets.config import Config
from traitlets.config.loader import DeferredConfig, DeferredConfigList, LazyConfigValue

if TYPE_CHECKING:
    from jupyter_core.application import JupyterApp
    from jupyter_server.serverapp import ServerApp
    from traitlets import TraitType

__all__ = ["Amount", "Count", "SettingError", "StrictApp"]

MAX_SHOWN = 200
"""Characters of a wrong value that the log repeats."""

MAX_FILE_BYTES = 1024 * 1024
"""How much of a broken configuration file is searched for settings of ours."""


class SettingError(TraitError):
    """A value that a setting cannot have; the text is a clause whose subject is the value."""


class Count(Integer):  # type: ignore[type-arg]
    """A whole number; unlike traitlets' own, ``True`` is none."""

    def info(self) -> str:
        """Describe the valid values."""
        return f"a whole number of at least {self.min}" + (f" and at most {self.max}" if self.max else "")

    def validate(self, obj: Any, value: Any) -> int:
        """Return a valid value; raises `SettingError`."""
        if isinstance(value, bool) or not isinstance(value, int) or value < self.min:
            raise SettingError(f"has to be {self.info()}")
        if self.max is not None and value > self.max:
            raise SettingError(f"has to be {self.info()}")
        return value


class Amount(Float):  # type: ignore[type-arg]
    """A finite number of seconds or megabytes from 0 to ``max``; unlike traitlets' own, ``True`` is none.

    Parameters
    ----------
    default_value
        The default.
    positive
        Whether 0 is too little.
    kwargs
        What `traitlets.Float` takes; ``max`` is required.
    """

    def __init__(self, default_value: float, *, positive: bool = False, **kwargs: Any) -> None:
        super().__init__(default_value, **kwargs)
        self._positive = positive

    def info(self) -> str:
        """Describe the valid values."""
        return f"a number {'above' if self._positive else 'of at least'} 0 and at most {self.max}"

    def validate(self, obj: Any, value: Any) -> float:
        """Return a valid value; raises `SettingError`."""
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= self.max or (self._positive and not value):
            raise SettingError(f"has to be {self.info()}")
        return float(value)


class Texts(List):  # type: ignore[type-arg]
    """A list of texts, given as a list, one text with commas, or a list written as text."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(Unicode(), **kwargs)

    def check(self, texts: list[str]) -> list[str]:
        """Return the texts as they are kept; raises `SettingError`."""
        return texts

    def from_string_list(self, s_list: list[str]) -> list[str]:
        """Keep the command line's words; `validate` reads them as it does a file's."""
        return list(s_list)

    def validate(self, obj: Any, value: Any) -> list[str]:
        """Return the texts one by one; raises `SettingError`."""
        if not isinstance(value, (list, tuple)) or not all(isinstance(text, str) for text in value):
            raise SettingError(f"has to be {self.info()}")
        return self.check([each.strip() for text in value for each in _texts_in(text)])


def _texts_in(text: str) -> list[str]:
    """Split ``a,b`` and ``['a', 'b']``; none has a comma. ``[fd00::/8]`` is no list but one text."""
    if text.strip()[:1] in ("[", "("):
        try:
            listed = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return text.split(",")
        if not isinstance(listed, (list, tuple)) or not all(isinstance(each, str) for each in listed):
            raise SettingError("holds something else than texts")
        return list(listed)
    return text.split(",")


class StrictApp(ExtensionApp):
    """A server extension that knows which of its settings could not be read.

    Jupyter itself logs a traceback for a wrong value and goes on with the defaults of all settings that
    come after it; for a misspelt name it logs a warning at most.

    Attributes
    ----------
    wrong
        From what the administrator wrote (a setting, a section or a file) to a sentence without a subject
        about it. Empty where everything could be read.
    """

    wrong: Mapping[str, str] = MappingProxyType({})

    def _load_config(self, cfg: Config, section_names: Any = None, traits: Any = None) -> None:
        """Set each trait alone, so that one wrong value is reported and keeps no other from being read.

        traitlets calls this each time the configuration changes, with all of it.
        """
        known = self.traits(config=True)
        wrong = dict(self._misnamed(cfg, known))
        for name, value in self._find_my_config(cfg).items():
            if name not in known or not _is_given(value):
                continue
            try:
                setattr(self, name, deepcopy(_read(value, known[name], getattr(self, name))))
            except SettingError as exc:
                wrong[name] = f"is {_shown(value)}, which {exc}"
            except Exception:  # noqa: BLE001 - whatever kept it from being read, it was not read
                wrong[name] = f"is {_shown(value)}, which has to be {known[name].info()}"
        self.wrong = wrong

    def _misnamed(self, cfg: Config, known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield what was meant for this class, as far as anybody can tell, and is read by nobody."""
        ours = type(self).__name__
        own = set(self.class_own_traits(config=True))
        for name, value in cfg.items():
            if name in own and _is_given(value):
                yield name, f"is no option by itself; write {ours}.{name}"
            elif name != ours and _is_meant_for(ours, own, name, value):
                yield name, f"is no section of the configuration; the section is {ours}"
        section = cfg[ours] if cfg._has_section(ours) else {}
        for name, value in section.items():
            if name not in known and _is_given(value):
                near = get_close_matches(name, own, n=1) or get_close_matches(name.lower(), own, n=1)
                yield name, "is no setting" + (f"; did you mean {near[0]}?" if near else "")

    def unread_files(self, server: ServerApp) -> dict[str, str]:
        """Find configuration files that may hold settings of this class and could not be loaded.

        Jupyter logs a traceback for such a file and starts without what is in it.

        Parameters
        ----------
        server
            The server; its own files and those of its other extensions can hold any class's settings.

        Returns
        -------
        dict
            From the file's name to a sentence without a subject.
        """
        apps: list[JupyterApp] = [server]
        for extension in server.extension_manager.extension_apps.values():
            apps.extend(extension)
        loaded = {os.path.realpath(file) for app in apps for file in app.loaded_config_files}
        names = {app.config_file_name for app in apps} | {"jupyter_config"}
        files = [
            Path(folder, f"{name}{suffix}")
            for folder in self.config_file_paths
            for name in sorted(filter(None, names))
            for suffix in (".py", ".json")
        ]
        if server.config_file:  # stands in for the server's own files, which are not read then
            files = [file for file in files if file.stem != server.config_file_name]
            files.append(Path(server.config_file))
        return {
            file.name: "could not be loaded"
            for file in files
            if file.is_file() and os.path.realpath(file) not in loaded and _may_be_about(file, b"runicorn")
        }


def _read(value: Any, trait: TraitType[Any, Any], current: Any) -> Any:
    """Turn what a configuration holds into what the trait is to be set to."""
    if isinstance(value, LazyConfigValue):
        _check_changes(value, trait)
        return value.get_value(current)
    if isinstance(value, DeferredConfigList) and not isinstance(trait, (List, Set, Dict)):
        raise SettingError("is more than one value")
    return value.get_value(trait) if isinstance(value, DeferredConfig) else value


def _check_changes(value: LazyConfigValue, trait: TraitType[Any, Any]) -> None:
    """Refuse ``append`` on what is no list and ``update`` on a list, which traitlets would drop silently."""
    changes = set(value.to_dict())
    possible = {"update"} if isinstance(trait, (Dict, Set)) else {"extend", "prepend", "inserts"}
    if not isinstance(trait, (Dict, Set, List)) or not changes <= possible:
        raise SettingError(f"cannot be changed like this; assign {trait.info()}")


def _is_given(value: Any) -> bool:
    """Whether anything was set; Python's ``c.Name.trait`` alone makes an empty entry."""
    if isinstance(value, LazyConfigValue):
        return bool(value.to_dict())
    return not isinstance(value, Config) or any(_is_given(each) for each in value.values())


def _is_meant_for(ours: str, own: set[str], name: str, value: Any) -> bool:
    """Whether a section's name is ours misspelt."""
    if get_close_matches(_plain(name), [_plain(ours)], cutoff=0.8):
        # Of a section in lower case traitlets keeps the name only.
        return isinstance(value, LazyConfigValue) or _is_given(value)
    return _plain(name).startswith("runicorn") and isinstance(value, Config) and bool(own & set(value))


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _shown(value: Any) -> str:
    text = value._super_repr() if isinstance(value, DeferredConfig) else repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def _may_be_about(file: Path, word: bytes) -> bool:
    """Whether a file holds a word in its first MiB, in any case; one that cannot be read may."""
    try:
        with file.open("rb") as content:
            return word in content.read(MAX_FILE_BYTES).lower()
    except OSError:
        return True


def sentence(wrong: Iterable[tuple[str, str]]) -> str:
    """Write problems as one line for the log."""
    return " ".join("; ".join(f"{name} {problem}" for name, problem in wrong).split())
