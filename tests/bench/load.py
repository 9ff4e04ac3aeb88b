"""Load from wrk and h2load, and the CPU time it costs."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

CONNECTIONS = 16
SECONDS = 5


@dataclass(frozen=True, slots=True)
class Cost:
    """What one request cost, over a whole run."""

    requests: int
    failures: int
    cpu_us: dict[str, float]
    """CPU time per request by process, in microseconds."""
    per_second: float

    @property
    def total_us(self) -> float:
        """CPU time per request of all processes on the path."""
        return sum(self.cpu_us.values())

    def __str__(self) -> str:
        parts = " + ".join(f"{name} {value:.0f}" for name, value in self.cpu_us.items())
        return f"{self.total_us:6.0f} us CPU/request ({parts}); {self.per_second:,.0f}/s; {self.failures} failed"


def rest(
    url: str, body: bytes, headers: dict[str, str], pids: dict[str, int], scratch: Path, *, seconds: int = SECONDS
) -> Cost:
    """Measures POSTs of `body` by wrk."""
    script = scratch / "post.lua"
    lines = ['wrk.method = "POST"', f"wrk.body = {_lua(body.decode())}"]
    lines += [f"wrk.headers[{_lua(key)}] = {_lua(value)}" for key, value in headers.items()]
    script.write_text("\n".join(lines))
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script), url]
    output, cpu = _measured(command, pids)
    requests = int(_found(r"(\d+) requests in", output))
    failures = sum(int(number) for number in re.findall(r"Non-2xx or 3xx responses: (\d+)", output))
    return Cost(requests, failures, _each(cpu, requests), float(_found(r"Requests/sec:\s+([\d.]+)", output)))


def grpc(url: str, message: bytes, headers: dict[str, str], pids: dict[str, int], scratch: Path) -> Cost:
    """Measures unary gRPC calls of `message` by h2load."""
    frame = scratch / "message.grpc"
    frame.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
    extra = [f"-H{key}: {value}" for key, value in headers.items()]
    command = ["h2load", "-c", "4", "-m", "4", "-t1", "-D", str(SECONDS), "-d", str(frame)]
    command += ["-Hcontent-type: application/grpc", "-Hte: trailers", *extra, url]
    output, cpu = _measured(command, pids)
    requests = int(_found(r"(\d+) succeeded", output))
    failures = int(_found(r"(\d+) failed", output)) + int(_found(r"(\d+) errored", output))
    return Cost(requests, failures, _each(cpu, requests), float(_found(r"([\d.]+) req/s", output)))


def _measured(command: Sequence[str], pids: dict[str, int]) -> tuple[str, dict[str, float]]:
    before = {name: _cpu_seconds(pid) for name, pid in pids.items()}
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS * 6)
    return done.stdout, {name: _cpu_seconds(pid) - before[name] for name, pid in pids.items()}


def _cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def _each(cpu: dict[str, float], requests: int) -> dict[str, float]:
    return {name: seconds / max(requests, 1) * 1e6 for name, seconds in cpu.items()}


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        problem = f"{pattern!r} is not in the load generator's output:\n{text}"
        raise ValueError(problem)
    return match.group(1)


def _lua(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
