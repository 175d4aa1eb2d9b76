"""Write the pages that follow from the code: `python -m tests.docs.generate`, or `make docs`.

A page is text made from the code, so a test can say whether the stored page is the made one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from tests.architecture.tree import PACKAGE, ROOT
from tradewright.cli.catalog import COMMANDS, loaded
from tradewright.cli.main import app
from tradewright.configuration import Settings
from tradewright.core.decisions import RefusalCode
from tradewright.hosting import LIVE
from tradewright.ops.metrics import described
from tradewright.settings import ALIASES, environment_names

REFERENCE = ROOT / "docs" / "reference"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
TREE_START = "```text\nsrc/tradewright/\n"
TREE_END = "```"
NAME_WIDTH = 20


def table(header: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [header, tuple("---" for _ in header), *rows]
    cells = [[cell.replace("|", r"\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def refusals() -> str:
    """The page of refusal codes."""
    rows = ((f"`{code.value}`", code.meaning) for code in RefusalCode)
    return (
        "# Refusals\n\n"
        "Every reason for which the gate refuses an order. The codes are stable, and a refusal\n"
        "carries the numbers that decided.\n\n"
        f"{table(('code', 'meaning'), rows)}\n"
    )


def settings() -> str:
    """The page of environment variables."""
    aliases = {
        name: ", ".join(f"`{alias}`" for alias, of in ALIASES.items() if of == name)
        for name in environment_names()
    }
    live = {str(field.alias) for field in Settings.model_fields.values() if LIVE in field.metadata}
    rows = (
        (f"`{name}`", meaning, "reload" if name in live else "restart", aliases[name])
        for name, meaning in sorted(environment_names().items())
    )
    return (
        "# Settings\n\n"
        "Every environment variable that is read, and by `settings.py` alone. `.env.example`\n"
        "shows them with their defaults. A service that runs takes up a change by a reload\n"
        "(`tradewright config reload`) or needs a restart.\n\n"
        f"{table(('variable', 'meaning', 'taken up by', 'also read as'), rows)}\n"
    )


def metrics_page() -> str:
    """The page of metrics."""
    rows = (
        (f"`{name}`", kind, ", ".join(f"`{label}`" for label in labels), meaning)
        for name, kind, meaning, labels in described()
    )
    return (
        "# Metrics\n\n"
        "What every service shows at `/metrics` (beside the metrics of its process). A metric of\n"
        "another service's work stays at zero.\n\n"
        f"{table(('metric', 'kind', 'labels', 'meaning'), rows)}\n"
    )


def commands() -> Iterator[tuple[str, TyperCommand | TyperGroup]]:
    """Every command of the command line with its full name, groups before their members."""

    def below(name: str, command: object) -> Iterator[tuple[str, TyperCommand | TyperGroup]]:
        assert isinstance(command, TyperCommand | TyperGroup)
        if not command.hidden:
            yield name, command
        if isinstance(command, TyperGroup):
            for part in sorted(command.commands):
                yield from below(f"{name} {part}", command.commands[part])

    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    for name in COMMANDS:
        group.add_command(loaded(name))
    yield from below("tradewright", group)


def options(command: TyperCommand | TyperGroup) -> Iterator[tuple[str, ...]]:
    """The names and the meaning of each argument and option."""
    for parameter in command.params:
        if isinstance(parameter, TyperOption):
            names = ", ".join(f"`{n}`" for n in (*parameter.opts, *parameter.secondary_opts))
            yield names, parameter.help or ""
        elif isinstance(parameter, TyperArgument):
            yield f"`{str(parameter.name).upper()}`", parameter.help or ""


def command_page() -> str:
    """The page of commands."""
    parts = ["# Commands\n\nEvery command and its options, as `--help` shows them.\n"]
    for name, command in commands():
        parts.append(f"\n## `{name}`\n\n{(command.help or '').strip()}\n")
        rows = list(options(command))
        if rows:
            parts.append(f"\n{table(('option', 'meaning'), iter(rows))}\n")
    return "".join(parts)


def first_line(path: Path) -> str:
    """The first line of a module's docstring."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]


def inner_packages(folder: Path) -> list[Path]:
    """The packages in a package."""
    return sorted(p for p in folder.iterdir() if (p / "__init__.py").exists())


def drawn_tree() -> str:
    """The package as a picture: modules, and packages within packages, by what they say."""

    def below(folder: Path, depth: int) -> Iterator[str]:
        for inner in inner_packages(folder):
            said = first_line(inner / "__init__.py")
            yield f"{'    ' * depth}{inner.name + '/':<{NAME_WIDTH}} {said}".rstrip()
            yield from below(inner, depth + 1)

    modules = (f"{p.name:<{NAME_WIDTH}} {first_line(p)}" for p in sorted(PACKAGE.glob("*.py")))
    return "\n".join((*modules, *below(PACKAGE, 0))) + "\n"


def modules_page() -> str:
    """The page of modules: what each says of itself first."""

    def below(folder: Path) -> Iterator[str]:
        name = "/".join(folder.relative_to(PACKAGE.parent).parts)
        rows = (
            (f"`{p.name}`", first_line(p))
            for p in sorted(folder.glob("*.py"))
            if folder == PACKAGE or p.name != "__init__.py"
        )
        said = first_line(folder / "__init__.py")
        yield f"\n## `{name}`\n\n{said}\n\n{table(('module', 'what it is'), rows)}\n"
        for inner in inner_packages(folder):
            yield from below(inner)

    return f"# Modules\n\nEvery module, by what it says of itself first.\n{''.join(below(PACKAGE))}"


def architecture() -> str:
    """The stored page with the tree drawn anew."""
    before, _, rest = ARCHITECTURE.read_text(encoding="utf-8").partition(TREE_START)
    after = rest[rest.index(TREE_END) :]
    return f"{before}{TREE_START}{drawn_tree()}{after}"


def pages() -> dict[Path, str]:
    """Every generated page by where it is stored."""
    return {
        REFERENCE / "refusals.md": refusals(),
        REFERENCE / "settings.md": settings(),
        REFERENCE / "commands.md": command_page(),
        REFERENCE / "metrics.md": metrics_page(),
        REFERENCE / "modules.md": modules_page(),
        ARCHITECTURE: architecture(),
    }


if __name__ == "__main__":
    REFERENCE.mkdir(exist_ok=True)
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8")
