"""The configuration file: what someone does not want to say with every command."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import yaml

from kea_sdk.errors import SettingsError

KEYS = ("url", "token", "project", "data", "database")


def read_config(path: Path) -> dict[str, str]:
    """Returns what the file says, by key; nothing where there is none.

    Raises:
        SettingsError: it cannot be read. Its text is never shown: it may have a token in it.
    """
    try:
        document: Any = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        problem = f"{path} cannot be read: {error.strerror}"
        raise SettingsError(problem) from error
    except (ValueError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = f"{path} is not YAML{f', at line {mark.line + 1}' if mark else ''}"
        raise SettingsError(problem) from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        problem = f"{path} must be a mapping with any of {', '.join(KEYS)}"
        raise SettingsError(problem)
    settings = cast("dict[Any, Any]", document)
    unknown = [str(key) for key in settings if key not in KEYS]
    if unknown:
        problem = f"{path} has unknown keys {', '.join(unknown)}; expected any of {', '.join(KEYS)}"
        raise SettingsError(problem)
    odd = [key for key, value in settings.items() if value is not None and not isinstance(value, str)]
    if odd:
        problem = f"{path}: {', '.join(odd)} must be text, in quotes where YAML takes it for something else"
        raise SettingsError(problem)
    return {key: value for key, value in settings.items() if value is not None}
