from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from kit.commands import run, write
from namespaces import Namespace

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

TEMPLATE = """
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data: {word: {{ .Values.word }}}
"""


def test_a_chart_is_installed_upgraded_and_uninstalled(namespace: Namespace, tmp_path: Path) -> None:
    helm = shutil.which("helm")
    assert helm, "helm is not in PATH; `make test-cluster` puts it there for a node of its own"
    write(tmp_path / "Chart.yaml", "apiVersion: v2\nname: tiny\nversion: 0.1.0\n")
    write(tmp_path / "values.yaml", "word: none\n")
    write(tmp_path / "templates" / "config.yaml", TEMPLATE)
    for word in ("one", "two"):
        command = ("upgrade", "--install", "tiny", tmp_path, "--set", f"word={word}", "--wait")
        run(helm, "-n", namespace.name, *command)
        assert namespace.get(".data.word", "configmap", "tiny") == word
    run(helm, "-n", namespace.name, "uninstall", "tiny", "--wait")
    assert namespace("get", "configmap", "tiny", "--ignore-not-found") == ""
