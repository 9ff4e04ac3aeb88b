"""What each part of the gateway costs in Envoy: instructions of its worker per request, found by leaving it out.

callgrind counts what the processor is asked to do, and what else the machine does changes nothing of it: 0.5 % between
two runs, where CPU time differs by half. What the kernel does is not counted. An Envoy under it takes half a minute to
start, so all of it takes about eight. Needs `valgrind` and `h2load`.
"""

from __future__ import annotations

import argparse
import copy
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import BODY, Api, replica_of
from parts import (
    ACCESS,
    ACCESS_LOG,
    AUDIT_LOG,
    CALLERS,
    LIMITS,
    Change,
    bare_config,
    envoy,
    iris_platform,
    without_filters,
    without_log,
    without_security,
)
from platforms import RunningPlatform, save_iris
from still_envoy import Document, still

WARMING, MEASURED = 300, 1000
COUNTED_START_SECONDS = 240.0

PARTS: dict[str, Change] = {
    "audit log": without_log(AUDIT_LOG),
    "access log": without_log(ACCESS_LOG),
    "token, revocation, access": without_filters(*CALLERS),
    "access alone": without_filters(ACCESS),
    "limits": without_filters(*LIMITS),
    "transcoder, switched off by the route": without_filters("envoy.filters.http.grpc_json_transcoder"),
    "all of security: token to limits, audit log": without_security,
}


def thousands(document: Document, token: str, scratch: Path) -> float:
    """Returns how many thousand instructions a call of iris takes an Envoy of that bootstrap."""
    counter = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={scratch / 'callgrind.out'}"]
    with envoy(document, scratch, under=counter, seconds=COUNTED_START_SECONDS) as (url, pid):
        call(url, token, WARMING, scratch)
        before = instructions(pid)
        call(url, token, MEASURED, scratch)
        return (instructions(pid) - before) / MEASURED / 1000


def call(url: str, token: str, count: int, scratch: Path) -> None:
    """Calls iris so many times.

    Raises:
        RuntimeError: a call failed.
    """
    body = scratch / "body.json"
    body.write_bytes(BODY)
    headers = ["-Hcontent-type: application/json", f"-Hauthorization: Bearer {token}"]
    command = ["h2load", "--h1", "-t1", "-c4", f"-n{count}", "-d", str(body), *headers, f"{url}/models/iris/predict"]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    if f"{count} 2xx" not in output:
        problem = f"calls failed:\n{output}"
        raise RuntimeError(problem)


def instructions(pid: int) -> int:
    """Returns the instructions of all threads but the main one, so far."""
    command = ["callgrind_control", "-e", str(pid)]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    threads = [int(found.replace(",", "")) for found in re.findall(r"Th \d+\s+([\d,]+)", output)]
    return sum(threads[1:])


def measure(platform: RunningPlatform, scratch: Path) -> None:
    """Prints what all of it takes, and how much less it is without each part."""
    whole = still(platform.data)
    bare = thousands(bare_config(str(replica_of(platform)["httpAddress"])), platform.token, scratch)
    print(f"{'bare Envoy':42} {bare:6.0f} thousand instructions", flush=True)
    all_of_it = thousands(whole, platform.token, scratch)
    print(f"{'KEA':42} {all_of_it:6.0f}", flush=True)
    for name, change in PARTS.items():
        document = copy.deepcopy(whole)
        change(document)
        print(f"  {name:40} {all_of_it - thousands(document, platform.token, scratch):6.0f}", flush=True)


def main() -> None:
    """Runs the benchmark."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for tool in ("valgrind", "h2load"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is needed; on Debian: apt-get install valgrind nghttp2-client")
    with tempfile.TemporaryDirectory(prefix="kea-bench-") as directory:
        scratch = Path(directory)
        with iris_platform(scratch / "data", *save_iris(scratch)) as platform:
            Api(platform).limit()
            measure(platform, scratch)


if __name__ == "__main__":
    main()
