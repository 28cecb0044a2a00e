"""Where a mapping is looked for."""

from __future__ import annotations

from tasks.mappers import load_mapping

MAPPING = "source: forms\nidentities: {email: E-mail}\nlead: {fields: {name: Name}}\n"


def test_a_mapping_is_found_by_its_name_also_where_a_folder_is_called_the_same(tmp_path, monkeypatch):
    (tmp_path / "templates/mappings").mkdir(parents=True)
    (tmp_path / "templates/mappings/forms.yaml").write_text(MAPPING)
    (tmp_path / "forms").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_mapping("forms", tmp_path / "templates").source == "forms"


def test_a_mapping_is_found_by_its_path(tmp_path):
    (tmp_path / "mine.yaml").write_text(MAPPING)
    assert load_mapping(str(tmp_path / "mine.yaml"), tmp_path / "templates").source == "forms"
