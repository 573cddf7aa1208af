"""Renders, lints and checks the chart, and reads the other files here: with Helm's own SDK and the schemas of Kubernetes. `cargo xtask deploy` runs it in a venv.

What is looked at beyond schemas is what a cluster would only tell later: selectors that find their pods, ports that exist, containers that
are hardened, probes that are there, secrets that stand nowhere.
"""

import sys
from pathlib import Path

import helm_python
import kubernetes_validate
import yaml

DEPLOY = Path(__file__).parent.parent
CHART = Path(__file__).parent / "basalt-orchestrator"
# What a mind may set; each is rendered and checked whole.
RECIPIENT = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
CASES = {
    "as it is": {},
    "one replica": {"autoscaling": {"enabled": False}, "replicas": 1, "networkPolicy": {"enabled": False}},
    "everything": {
        "publicUrl": "https://core.example.net",
        "gatewayAddress": "core.example.net:8481",
        "backupRecipients": [RECIPIENT],
        "backup": {"enabled": True},
        "settings": "webhook_allow = [\"10.0.0.0/8\"]",
        "imagePullSecrets": [{"name": "pull"}],
        "ingress": {"enabled": True, "className": "nginx", "host": "core.example.net", "tlsSecret": "core-tls"},
        "gateways": {"annotations": {"a": "b"}},
        "networkPolicy": {"restFrom": [{"namespaceSelector": {}}]},
        "nodeSelector": {"a": "b"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
    },
}
REFUSED = {
    "a backup for nobody": {"backup": {"enabled": True}},
    "an ingress without a host": {"ingress": {"enabled": True}},
    "an address without a port": {"gatewayAddress": "core.example.net"},
    "no replicas": {"replicas": 0},
}
VERSIONS = ["1.27", "1.31", "1.33"]


def fail(case, what):
    sys.exit(f"chart, {case}: {what}")


def merged(values):
    def merge(old, new):
        out = dict(old)
        for key, value in new.items():
            out[key] = merge(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
        return out

    return merge(yaml.safe_load((CHART / "values.yaml").read_text()), values)


def rendered(values):
    with helm_python.Chart.load(CHART) as chart:
        return chart.render(merged(values), name="core", namespace="basalt")


def objects(files):
    texts = files.values() if isinstance(files, dict) else [it["data"] for it in files]
    for text in texts:
        for document in yaml.safe_load_all(text) if "apiVersion:" in text else []:
            if document:
                yield document


def pods(found):
    for it in found:
        if it["kind"] == "Deployment":
            yield it["spec"]["template"]
        if it["kind"] == "CronJob":
            yield it["spec"]["jobTemplate"]["spec"]["template"]


def check(case, found):
    kinds = [it["kind"] for it in found]
    for kind in ["Deployment", "Service", "PodDisruptionBudget", "ConfigMap", "ServiceAccount"]:
        if kind not in kinds:
            fail(case, f"there is no {kind}")
    deployment = next(it for it in found if it["kind"] == "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"].items()
    ports = {port["name"] for it in deployment["spec"]["template"]["spec"]["containers"] for port in it["ports"]}
    for it in found:
        spec = it.get("spec", {})
        selectors = {
            "Service": lambda: spec["selector"],
            "Deployment": lambda: spec["selector"]["matchLabels"],
            "PodDisruptionBudget": lambda: spec["selector"]["matchLabels"],
            "NetworkPolicy": lambda: spec["podSelector"]["matchLabels"],
        }
        if it["kind"] in selectors and not selectors[it["kind"]]().items() <= labels:
            fail(case, f"the selector of {it['kind']} finds no pod")
        if it["kind"] == "Service" and not {port["targetPort"] for port in spec["ports"]} <= ports:
            fail(case, "a service leads to a port that is not there")
        if it["kind"] == "HorizontalPodAutoscaler" and spec["scaleTargetRef"]["name"] != deployment["metadata"]["name"]:
            fail(case, "the autoscaler scales nothing")
        if it["kind"] == "ConfigMap" and "postgres://" in str(it):
            fail(case, "the database's address stands in a config map")
    for pod in pods(found):
        spec = pod["spec"]
        if not spec["securityContext"].get("runAsNonRoot") or spec.get("automountServiceAccountToken") is not False:
            fail(case, "a pod may be root, or has a token of the cluster")
        for container in spec["containers"]:
            context = container["securityContext"]
            closed = context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"]
            if not closed or context["capabilities"]["drop"] != ["ALL"]:
                fail(case, f"{container['name']} is not hardened")
            volumes = {volume["name"] for volume in spec["volumes"]}
            if not {mount["name"] for mount in container["volumeMounts"]} <= volumes:
                fail(case, f"{container['name']} mounts what is not there")
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"]:
        if probe not in deployment["spec"]["template"]["spec"]["containers"][0]:
            fail(case, f"there is no {probe}")


def main():
    report = helm_python.lint(CHART, {}, strict=True)
    if report["errors"]:
        fail("lint", report["errors"])
    for case, values in CASES.items():
        found = list(objects(rendered(values)))
        for it in found:
            for version in VERSIONS:
                kubernetes_validate.validate(it, version, strict=True)
        check(case, found)
        print(f"chart, {case}: {len(found)} objects, valid for Kubernetes {', '.join(VERSIONS)}")
    for case, values in REFUSED.items():
        try:
            rendered(values)
        except helm_python.HelmError:
            continue
        fail(case, "was rendered")
    print(f"chart: {len(REFUSED)} mistakes refused; Helm {helm_python.helm_sdk_version()}")
    compose()
    containers()


def compose():
    file = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())
    for name, service in file["services"].items():
        for volume in service.get("volumes", []):
            if volume.split(":")[0] not in file["volumes"]:
                fail("compose", f"{name} mounts a volume that is not there")
        for kind in ["networks", "secrets"]:
            if not set(service.get(kind, [])) <= set(file[kind]):
                fail("compose", f"{name} names {kind} that are not there")
        if not set(service.get("depends_on", {})) <= set(file["services"]):
            fail("compose", f"{name} waits for nobody")
        if "healthcheck" not in service and name == "postgres":
            fail("compose", "the database's health is not asked for")
        if name != "postgres" and (service["cap_drop"] != ["ALL"] or not service["read_only"]):
            fail("compose", f"{name} is not hardened")
    if any("password" in str(value).lower() and "FILE" not in key for key, value in environment(file)):
        fail("compose", "a password stands in the file")
    print(f"compose: {len(file['services'])} services")


def environment(file):
    for service in file["services"].values():
        yield from service.get("environment", {}).items()


def containers():
    """Each stage is made from one that is there, ends as an ordinary user, and copies only what the packages have."""
    text = (DEPLOY / "oci/Containerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    stages, users = ["${BASE}"], {}
    words = {"ARG", "FROM", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD"}
    for line in lines:
        word, *rest = line.split()
        if word not in words:
            fail("recipe", f"{word} is no instruction that is used here")
        if word == "FROM":
            if rest[0] not in stages:
                fail("recipe", f"{rest[0]} is no stage")
            stages.append(rest[2])
        if word == "COPY" and rest[0].startswith("--from=") and rest[0][7:] not in stages:
            fail("recipe", f"{rest[0]} is no stage")
        if word == "USER":
            users[stages[-1]] = rest[0]
        if word in ("ENTRYPOINT", "CMD") and not isinstance(yaml.safe_load(line.split(None, 1)[1]), list):
            fail("recipe", f"{word} goes through a shell")
    recipes = (DEPLOY.parent / "packaging/debian/packages.toml").read_text()
    for path in {part for line in lines for part in line.split() if part.startswith("/unpacked/")}:
        if f'"{path.removeprefix("/unpacked")}"' not in recipes:
            fail("recipe", f"no package has {path}")
    for stage in ["orchestrator", "feg"]:
        if users.get(stage, "0").split(":")[0] == "0":
            fail("recipe", f"{stage} runs as root")
    print(f"recipe: {len(stages) - 1} stages")


main()
