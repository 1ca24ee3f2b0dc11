#!/usr/bin/env python3
"""Lays out the JSON schemas of one Kubernetes version, as PyPI's kubernetes-validate bundles them, for kubeconform.

    k8s_schemas.py VERSION DIRECTORY
"""

import importlib.util
import json
import pathlib
import sys

version, out = sys.argv[1], pathlib.Path(sys.argv[2]) / f"v{sys.argv[1]}-strict"
package = importlib.util.find_spec("kubernetes_validate").submodule_search_locations[0]
bundled = pathlib.Path(package) / "kubernetes-json-schema" / f"v{version}-local-strict"
out.mkdir(parents=True)
for file in sorted(bundled.glob("*.json")):
    schema = json.loads(file.read_text())
    # Its references are to files beside it, not to where they were published.
    schema.pop("$id", None)
    text = json.dumps(schema, sort_keys=True).replace('"/api/_definitions.json#', '"_definitions.json#')
    (out / file.name).write_text(text)
if not any(out.iterdir()):
    sys.exit(f"kubernetes-validate has no schemas of Kubernetes {version}")
