#!/usr/bin/env python3
"""Whether what the chart renders agrees with what stands elsewhere, where no schema and no single template sees it.

    agree.py DIRECTORY [ANSHIN]

DIRECTORY has what `helm template` made of each of helm/ci/*-values.yaml. The binary, if there is one, checks the
configuration that each role gets.

Says each disagreement in one line; exits with 1 if there is one.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib

import yaml

disagreements = []


def expect(holds, sentence):
    if not holds:
        disagreements.append(sentence)


def keys_of(config):
    return {f"{section}.{key}" for section, keys in config.items() for key in keys}


def pods_of(documents):
    """(component, pod's spec) of every workload."""
    for document in documents:
        template = document.get("spec", {}).get("template")
        if template:
            yield document["metadata"]["labels"]["app.kubernetes.io/component"], template["spec"]


# Kubernetes' Pod Security Standard "restricted", and what we ask beyond it.
def check_security(where, pod):
    context = pod.get("securityContext", {})
    expect(context.get("runAsNonRoot") is True, f"{where}: may run as root")
    expect(context.get("runAsUser", 0) >= 10000, f"{where}: runs as a user that a node may have too")
    expect(context.get("seccompProfile") == {"type": "RuntimeDefault"}, f"{where}: has no seccomp profile")
    expect(pod.get("automountServiceAccountToken") is False, f"{where}: gets a token for Kubernetes' API")
    expect(pod.get("enableServiceLinks") is False, f"{where}: is told of services in its environment")
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        expect(not pod.get(key), f"{where}: has {key}")
    for volume in pod.get("volumes", []):
        allowed = {"configMap", "emptyDir", "projected"}
        expect(volume.keys() - {"name"} <= allowed, f"{where}: volume {volume['name']} is none of {sorted(allowed)}")
    for container in pod.get("initContainers", []) + pod["containers"]:
        context = container.get("securityContext", {})
        expect(context.get("allowPrivilegeEscalation") is False, f"{where}: may gain privileges")
        expect(context.get("readOnlyRootFilesystem") is True, f"{where}: may write to its image")
        expect(context.get("capabilities") == {"drop": ["ALL"]}, f"{where}: has capabilities")
        expect(not context.get("privileged"), f"{where}: is privileged")
        expect("command" not in container, f"{where}: does not run the image's binary")


LINKS = {
    "kafka.ca_file", "kafka.certificate_file", "kafka.key_file", "kafka.password_file", "cql.ca_file",
    "cql.password_file",
}
MAIL = {"mail.ca_file", "mail.password_file"}
# What each role may read at most, by the key of the configuration that says where it is.
READS = {
    "all": {"line.channel_secrets_file", "keys.file", "keys.places_file"} | MAIL,
    "ingest": LINKS | {"line.channel_secrets_file", "keys.file", "keys.places_file"},
    "processor": LINKS,
    "notifier": LINKS | {"line.channel_secrets_file", "keys.file", "preview.secret_file"},
    "console": LINKS | {"preview.secret_file"},
    "venues": LINKS | MAIL | {"keys.places_file"},
    "migrate": LINKS,
}


def check_secrets(where, component, pod):
    """Files that a role is told of are those it has, and no more than it may have. Returns the keys set."""
    told, keys = {}, set()
    for variable in pod["containers"][0].get("env", []):
        if variable["name"].startswith("ANSHIN__"):
            key = variable["name"].removeprefix("ANSHIN__").lower().replace("__", ".", 1)
            keys.add(key)
            expect("secretKeyRef" not in variable.get("valueFrom", {}), f"{where}: {key} shows a secret in the environment")
            if key.endswith("file"):
                told[key] = variable["value"]
    expect(told.keys() <= READS.get(component, set()), f"{where}: may not read {sorted(told.keys() - READS.get(component, set()))}")
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    files = set()
    for volume in pod["volumes"]:
        for source in volume.get("projected", {}).get("sources", []):
            expect(source.keys() == {"secret"}, f"{where}: {volume['name']} projects something else than secrets")
            items = source["secret"].get("items", [])
            expect(items, f"{where}: gets all of the Secret {source['secret']['name']}")
            files |= {f"{mounts[volume['name']]}/{item['path']}" for item in items}
    expect(files == set(told.values()), f"{where}: has the files {sorted(files)}, is told of {sorted(told.values())}")
    return keys


def check_config(anshin, where, pod, config):
    """Shows the binary the file and the environment that a role gets."""
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory, "file")
        file.write_text("a-secret\n")
        variables = {}
        for variable in pod["containers"][0].get("env", []):
            # What Kubernetes fills in is a pod's name.
            value = variable.get("value", "anshin-ingest-0")
            variables[variable["name"]] = str(file) if variable["name"].endswith("FILE") else value
        # `check-config` asks for it, roles that don't talk to LINE don't.
        variables.setdefault("ANSHIN__LINE__CHANNEL_SECRETS_FILE", str(file))
        toml = pathlib.Path(directory, "anshin.toml")
        toml.write_text(config)
        said = subprocess.run([anshin, "--config", toml, "check-config"], env=variables, capture_output=True, text=True)
        expect(said.returncode == 0, f"{where}: {' '.join(said.stderr.split())}")


def main(rendered, anshin):
    defaults = tomllib.loads(pathlib.Path("server/config.default.toml").read_text())
    schema = json.loads(pathlib.Path("helm/values.schema.json").read_text())
    values = yaml.safe_load(pathlib.Path("helm/values.yaml").read_text())
    settable = {
        f"{section}.{key}"
        for section, of in schema["properties"]["config"]["properties"].items()
        for key in of["properties"]
    }
    set_by_chart = set()
    for file in sorted(rendered.glob("*.yaml")):
        documents = [document for document in yaml.safe_load_all(file.read_text()) if document]
        overlay = yaml.safe_load(pathlib.Path("helm/ci", f"{file.stem}-values.yaml").read_text())
        configs = {}
        given = keys_of(values["config"]) | keys_of(overlay.get("config", {}))
        for document in documents:
            kind = document["kind"]
            where = f"{file.stem}, {kind} {document['metadata']['name']}"
            allowed = {"ConfigMap", "Deployment", "Job", "PodDisruptionBudget", "Service", "StatefulSet"}
            expect(kind in allowed, f"{where}: the chart makes no {kind}")
            if kind == "ConfigMap":
                configs[document["metadata"]["name"]] = document["data"]["anshin.toml"]
                config = tomllib.loads(document["data"]["anshin.toml"])
                expect(not any(key.endswith("_file") for key in keys_of(config)), f"{where}: names a file that not every role has")
                set_by_chart |= keys_of(config) - given
        for component, pod in pods_of(documents):
            where = f"{file.stem}, {component}"
            check_security(where, pod)
            set_by_chart |= check_secrets(where, component, pod)
            named = [volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume]
            expect(len(named) == 1 and named[0] in configs, f"{where}: has no configuration")
            if anshin and not disagreements:
                check_config(anshin, where, pod, configs[named[0]])

    known = keys_of(defaults)
    for key in sorted((settable | set_by_chart) - known):
        expect(False, f"server/config.default.toml has no {key}, which the chart knows")
    # Secrets come from files; and the chart has no volume for a picture: flyers from a pod name the account alone.
    for key in sorted(known - settable - set_by_chart - {"line.channel_secrets", "line.account_icon_file"}):
        expect(False, f"{key} is new in server/config.default.toml: put it into helm/values.schema.json, or let the chart set it")
    for key in sorted(settable & set_by_chart):
        expect(False, f"helm/values.schema.json lets people set config.{key}, which the chart overrides")

    readme = pathlib.Path("helm/README.md").read_text()
    for value in values:
        expect(f"| `{value}" in readme, f"helm/README.md has no row for the value {value}")
    expect(values.keys() | {"global"} == schema["properties"].keys(), "helm/values.yaml and values.schema.json differ in what there is")

    version = tomllib.loads(pathlib.Path("Cargo.toml").read_text())["workspace"]["package"]["version"]
    chart = yaml.safe_load(pathlib.Path("helm/Chart.yaml").read_text())
    expect(chart["appVersion"] == version, f"helm/Chart.yaml: appVersion is not {version}, the workspace's")
    rust = tomllib.loads(pathlib.Path("rust-toolchain.toml").read_text())["toolchain"]["channel"]
    images = re.findall(r"^FROM (\S+)", pathlib.Path("Dockerfile").read_text(), re.MULTILINE)
    expect(images[0].startswith(f"rust:{rust}-"), f"Dockerfile builds with {images[0]}, not with Rust {rust}")
    for image in images:
        expect(re.fullmatch(r"[a-z]+:\d+\.\d+(\.\d+)?-[a-z-]+", image), f"Dockerfile: {image} is no exact tag")
    user = re.search(r"^USER (\d+):(\d+)$", pathlib.Path("Dockerfile").read_text(), re.MULTILINE)
    expect(user and user.groups() == ("65532", "65532"), "Dockerfile: the user is not 65532, whom the chart's pods run as")


main(pathlib.Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
print("\n".join(disagreements))
sys.exit(1 if disagreements else 0)
