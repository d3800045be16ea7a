#!/usr/bin/env python3
"""What the library is made of is what deny.toml says: crates, why each is there, licenses, who runs code while we
build, versions, and where everything comes from. Without network, by what cargo knows; the advisories, which need
it, are left to cargo-deny."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CARGO = os.environ.get("CARGO", "cargo")
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"

try:
    import tomllib
except ImportError:
    print("skipped: what the library is made of: Python 3.11 or newer reads deny.toml")
    sys.exit(0)


def cargo(*arguments):
    command = [CARGO, *arguments, "--locked", "--offline"]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def host():
    told = subprocess.run([CARGO, "-vV"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return re.search(r"^host: (.*)$", told, re.M)[1]


def tree(edges):
    """(name, version) -> license, of all that these edges lead to with the default features."""
    text = cargo("tree", "--edges", edges, "--target", host(), "--prefix", "none", "--format", "{p}|{l}")
    found = {}
    for line in text.splitlines():
        package, licensed = line.removesuffix(" (*)").split("|")
        name, version = package.split()[:2]
        found[name, version.removeprefix("v")] = licensed
    return found


def names(packages):
    return {name for name, _ in packages}


def permits(expression, allowed):
    """Whether an SPDX expression can be met by these licenses."""
    # "MIT/Apache-2.0" is how it was written before SPDX; with an exception a license only permits more
    expression = re.sub(r" WITH [\w.-]+", "", expression.replace("/", " OR "))
    words = re.findall(r"[()]|[^\s()]+", expression)
    terms = {"AND": "and", "OR": "or", "(": "(", ")": ")"}
    return eval(" ".join(terms.get(word, str(word in allowed)) for word in words))


def same(what, have, listed):
    """A complaint, when two sets differ."""
    here, gone = sorted(set(have) - set(listed)), sorted(set(listed) - set(have))
    return [f"{what}: not listed {here}, listed and not there {gone}"] if here or gone else []


def check_crates(deny, library, everything):
    """Every crate has its row, and its reason says truly whether it is in the library."""
    reasons = {row["crate"]: row["reason"].partition(": ") for row in deny["bans"]["allow"] if row["crate"] != "wsock"}
    of = lambda kinds: {name for name, (kind, _, _) in reasons.items() if kind in kinds}
    complaints = [f"{name}: no reason" for name, (_, _, why) in reasons.items() if len(why) < 5]
    complaints += same("crates in the library", names(library) - {"wsock"}, of({"library"}))
    complaints += same("crates that build it", names(everything) - names(library), of({"build", "macro"}))

    targets = {}
    for package in json.loads(cargo("metadata", "--format-version", "1", "--filter-platform", host()))["packages"]:
        kinds = {kind for target in package["targets"] for kind in target["kind"]}
        targets[package["name"], package["version"]] = kinds
    runs = lambda kind: {name for name, version in everything if kind in targets[name, version]}
    scripts = {row["crate"] for row in deny["bans"]["build"]["allow-build-scripts"]}
    complaints += same("build scripts", runs("custom-build"), scripts)
    complaints += same("macros", runs("proc-macro"), of({"macro"}))
    return complaints


def check_licenses(deny, everything):
    allowed = set(deny["licenses"]["allow"])
    more = {row["crate"]: set(row["allow"]) for row in deny["licenses"]["exceptions"]}
    refused = lambda name, licensed: not permits(licensed, allowed | more.get(name, set()))
    return [f"{name}: {licensed}" for (name, _), licensed in everything.items() if refused(name, licensed)]


def check_versions(deny, everything):
    """One version of each, but for those that may be there beside another."""
    beside = [row["crate"].split("@") for row in deny["bans"]["skip"]]
    is_beside = lambda name, version: any(name == n and (version + ".").startswith(v + ".") for n, v in beside)
    kept = [name for name, version in everything if not is_beside(name, version)]
    complaints = [f"{name}: more than one version" for name in sorted(set(kept)) if kept.count(name) > 1]
    complaints += same("second versions", {n for n, v in everything if is_beside(n, v)}, {n for n, _ in beside})
    return complaints


def check_sources(lock):
    """From the registry, with a checksum, or a part of the project."""
    complaints = []
    for package in tomllib.loads(lock.read_text())["package"]:
        from_registry = package.get("source") == CRATES_IO and len(package.get("checksum", "")) == 64
        ours = "source" not in package and package["name"].startswith(("wsock", "peers"))
        if not from_registry and not ours:
            complaints.append(f"{lock.relative_to(ROOT)}: {package['name']} comes from {package.get('source')}")
    return complaints


def check_document():
    """docs/design.md says of each crate that we ask for why it is there."""
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
    _, _, after = (ROOT / "docs/design.md").read_text().partition("\n## Dependencies\n")
    table = set(re.findall(r"[\w-]+", "".join(line for line in after.splitlines() if line.startswith("|"))))
    asked = set(manifest["dependencies"]) | set(manifest["build-dependencies"])
    return [f"docs/design.md does not say why there is {name}" for name in sorted(asked - table)]


def selfcheck():
    assert permits("MIT OR GPL-3.0", {"MIT"}) and not permits("MIT AND GPL-3.0", {"MIT"})
    assert permits("(MIT/Apache-2.0) AND ISC", {"MIT", "ISC"}) and not permits("GPL-3.0", {"MIT"})
    assert same("", {"a"}, {"a"}) == [] and len(same("", {"a"}, {"b"})) == 1


def main():
    selfcheck()
    deny = tomllib.loads((ROOT / "deny.toml").read_text())
    library, everything = tree("normal,no-proc-macro"), tree("normal,build")
    complaints = check_crates(deny, library, everything)
    complaints += check_licenses(deny, everything)
    complaints += check_versions(deny, everything)
    complaints += check_document()
    locks = [lock for lock in ROOT.glob("**/Cargo.lock") if "target" not in lock.relative_to(ROOT).parts]
    for lock in locks:
        complaints += check_sources(lock)
    if complaints:
        sys.exit("what the library is made of is not what deny.toml says:\n  " + "\n  ".join(complaints))
    print(
        f"{len(library) - 1} crates in the library, {len(everything) - len(library)} more to build it, "
        f"{len(locks)} lock files: as deny.toml says"
    )


main()
