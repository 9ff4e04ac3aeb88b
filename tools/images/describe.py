"""Tells what is in a service's image, for builders that are not this one (deploy/docker).

- `describe.py requirements SERVICE`: what it depends on, a requirement per line.
- `describe.py sources SERVICE`: directories whose content is KEA's own, one per line.
- `describe.py module SERVICE`: what is run by `python -m`.

Needs nothing but the package `packaging`.
"""

from __future__ import annotations

import sys

from members import ROOT, closure, read_members
from recipes import SERVICES


def main(arguments: list[str]) -> int:
    """Runs the command; returns the exit code."""
    recipes = {recipe.name: recipe for recipe in SERVICES}
    match arguments:
        case [("requirements" | "sources" | "module") as asked, name] if name in recipes:
            recipe, members = recipes[name], read_members()
            own, requirements = closure([recipe.member], members)
            sources = [member.sources for member in [*own, *(members[name] for name in recipe.beside)]]
            answers = {
                "requirements": requirements,
                "sources": [source.relative_to(ROOT).as_posix() for source in sources],
                "module": [recipe.module],
            }
            print("\n".join(answers[asked]))
            return 0
        case _:
            sys.stderr.write(f"{__doc__}\nServices: {', '.join(recipes)}\n")
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
