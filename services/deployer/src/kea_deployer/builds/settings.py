"""Settings of images."""

from __future__ import annotations

from dataclasses import dataclass

from kea_core.settings import SettingsError
from kea_oci.reference import ImageReference

from kea_deployer.builds.target import Target

GIB = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSettings:
    """What models' images are made of, and where they go."""

    repository: str = ""
    """`HOST[:PORT]/PATH`, below which images go by project and model. The nodes pull from there."""
    base: str = ""
    """What images stand on: an image with a Python of the version below, and the C library of a Debian 12 or later."""
    python: str = "3.11"
    """Minor version of the base's Python."""
    platforms: tuple[str, ...] = ("linux/amd64",)
    """What images are for: `linux/amd64`, `linux/arm64`, or both."""
    plain_http: tuple[str, ...] = ()
    """Registries, `HOST[:PORT]`, that are spoken to without TLS."""
    credentials_file: str = ""
    """Docker's `config.json` with the registries' credentials; empty: nobody's."""
    max_cache_bytes: int = 20 * GIB
    """Most bytes of layers kept for the next build."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of what must be set, and is not, where images are built."""
        return tuple(name for name in ("repository", "base") if not getattr(self, name))

    def targets(self) -> tuple[Target, ...]:
        """Returns the platforms, each with the Python.

        Raises:
            SettingsError: images cannot be made for one.
        """
        if not self.platforms:
            problem = "platforms is empty; expected for example linux/amd64"
            raise SettingsError(problem)
        return tuple(Target.parse(platform, self.python) for platform in self.platforms)

    def base_reference(self) -> ImageReference:
        """Returns the base.

        Raises:
            SettingsError: none is set.
            BadImageReference: it is no name of an image.
        """
        if not self.base or not self.repository:
            problem = f"{'base' if self.repository else 'repository'} must be set where images are built"
            raise SettingsError(problem)
        ImageReference.parse(f"{self.repository}/project/model:1")
        return ImageReference.parse(self.base)
