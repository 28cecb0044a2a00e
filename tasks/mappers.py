"""From a mapping file and a header to a mapper of rows; what does not fit is named before anything is read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from nurture.definitions.catalogue import Catalogue
from nurture.definitions.mappings import Mapping, mapping_from_text, unknown_types
from nurture.definitions.usual_columns import is_usual, usual_columns, usual_mapping
from nurture.errors import BadInput
from nurture.problems import did_you_mean
from nurture.row_mapping import RowMapper
from nurture.row_values import RollOver

_WHO = ("email", "phone", "external_id", "anonymous_id")
_MAX_BYTES = 256 * 1024


def load_mapping(name: str, templates: Path) -> Mapping:
    """Read a mapping file by its path, or by its name in `templates/mappings/`; raises BadInput."""
    shipped = templates / "mappings"
    path = Path(name)
    # A folder of that name, such as a workspace has one for its forms, is no mapping.
    if not path.suffix and not path.is_file():
        path = shipped / f"{name}.yaml"
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BadInput(f"{path} is larger than {_MAX_BYTES // 1024} KB; that is no mapping file")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        known = sorted(each.stem for each in shipped.glob("*.yaml"))
        hint = did_you_mean(path.stem, known)
        raise BadInput(f"there is no mapping {name}" + (f"; {hint}" if hint else "")) from None
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None
    return mapping_from_text(text, str(path))


def mapper_for(
    mapping: Mapping | None,
    kind: str,
    catalogue: Catalogue,
    *,
    file: str,
    columns: Sequence[str] | None,
    roll: RollOver | None = None,
) -> RowMapper:
    """A mapper for the rows of a file; `columns` None means that each row names its own. Raises BadInput."""
    if mapping is None or mapping.is_only_dialect:
        return _usual(mapping, kind, catalogue, file, columns)
    wrong = unknown_types(mapping, catalogue)
    if wrong:
        raise BadInput(f"the mapping for {file}: {wrong[0]}")
    if kind == "events" and not mapping.events:
        raise BadInput(f"the mapping for {file} makes no events; give it `events`, or import the file as leads")
    if columns is not None:
        _refuse_header(mapping, file, columns)
    return RowMapper(mapping, kind, file, roll=roll)


def _usual(
    dialect: Mapping | None, kind: str, catalogue: Catalogue, file: str, columns: Sequence[str] | None
) -> RowMapper:
    def problem(name: str) -> str | None:
        if is_usual(kind, name, catalogue):
            return None
        hint = did_you_mean(name, usual_columns(kind, catalogue))
        return f"unknown column `{name}`" + (f" ({hint})" if hint else "; name it in a mapping file")

    if columns is None:
        known = lru_cache(maxsize=4_096)(problem)
        everything = usual_columns(kind, catalogue)

        def narrow(keys: tuple[str, ...]) -> Mapping:
            # With what every row needs, so that a gap is refused in the same words.
            asked = [name for name in everything if name in keys or name in ("email", "type", "occurred_at")]
            return usual_mapping(kind, asked, catalogue, dialect, about_leads=True)

        # Other columns as attributes: which ones those are depends on all that have a meaning.
        others = dialect is not None and dialect.other_columns == "attributes"
        return RowMapper(
            usual_mapping(kind, everything, catalogue, dialect), kind, file, known, narrow=None if others else narrow
        )
    for name in columns:
        found = problem(name) if name else None
        if found:
            raise BadInput(f"{file}: {found}")
    needed = ("type", "occurred_at") if kind == "events" else ()
    for name in needed:
        if name not in columns:
            raise BadInput(f"{file}: events need the column `{name}`; rename the one that holds it, or give a mapping")
    if not set(columns) & set(_WHO):
        raise BadInput(f"{file}: no column says who it is; one of {', '.join(_WHO)} is needed, or a mapping")
    return RowMapper(usual_mapping(kind, columns, catalogue, dialect), kind, file)


def _refuse_header(mapping: Mapping, file: str, columns: Sequence[str]) -> None:
    named = mapping.columns()
    for name, needed in named.items():
        if needed and name not in columns and name.partition(".")[0] not in columns:
            hint = did_you_mean(name, [each for each in columns if each])
            raise BadInput(f"{file} has no column `{name}`, which the mapping names" + (f" ({hint})" if hint else ""))
    if mapping.other_columns == "refuse":
        for name in columns:
            if name and name not in named and not any(each.startswith(f"{name}.") for each in named):
                hint = did_you_mean(name, [each for each in named if each not in columns])
                remedy = (
                    f"({hint})" if hint.startswith("did you mean") else "(name it, or write `other_columns: ignore`)"
                )
                raise BadInput(f"{file}: unknown column `{name}`, which the mapping does not name {remedy}")
