"""The three ways of having a Kafka node: somebody else's, a Java process of our own, a container of our own."""

from __future__ import annotations

import base64
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
LIB = HERE / "lib"
IMAGE = "apache/kafka:4.3.1"
_READY_S = 60.0
_STOP_S = 20.0


class BrokerUnavailable(RuntimeError):
    """There is no way to have a broker here; the message says what to install."""


class GivenBroker:
    """A cluster that somebody else runs: never started, stopped or killed here."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def start(self) -> None:
        """It runs already, or clients will say that it does not."""

    def stop(self) -> None:
        """Not ours to stop."""

    def kill(self) -> None:
        """Not ours to kill."""

    def remove(self) -> None:
        """Nothing of ours."""


class JavaBroker:
    """
    KRaft node from the jars in `lib/`, with its data in a temporary folder.

    through: port of a proxy: a second listener says that it is there, and `behind` is where the proxy must lead.
    """

    def __init__(self, port: int, through: int | None = None) -> None:
        self.bootstrap = f"127.0.0.1:{port}"
        self.behind = free_port() if through is not None else None
        self._through = through
        self._folder = Path(tempfile.mkdtemp(prefix="tidegate-kafka-"))
        self._properties = self._folder / "server.properties"
        self._process: subprocess.Popen[bytes] | None = None
        self._port, self._controller = port, free_port()
        self.more_listeners: dict[str, int] = {}  # name to port; set before the first start, like the next two
        self.more_settings: dict[str, str] = {}
        self.more_format: tuple[str, ...] = ()

    def start(self) -> None:
        """Format the folder the first time, start, and wait for the port."""
        if not self._properties.exists():
            self._format()
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                _java("kafka.Kafka", str(self._properties)),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C at the terminal ends the tests first, then the broker
            )
        wait_for_port(self._port, self._process, self._folder / "log")

    def _format(self) -> None:
        _fetch_jars()
        data = self._folder / "data"
        listeners = f"PLAINTEXT://{self.bootstrap},CONTROLLER://127.0.0.1:{self._controller}"
        advertised = f"PLAINTEXT://{self.bootstrap}"
        if self._through is not None:
            listeners += f",PROXIED://127.0.0.1:{self.behind}"
            advertised += f",PROXIED://127.0.0.1:{self._through}"
        for name, port in self.more_listeners.items():
            listeners += f",{name}://127.0.0.1:{port}"
            advertised += f",{name}://127.0.0.1:{port}"
        self._properties.write_text(
            (HERE / "server.properties").read_text()
            + f"controller.quorum.voters=1@127.0.0.1:{self._controller}\n"
            + f"listeners={listeners}\n"
            + f"advertised.listeners={advertised}\n"
            + f"log.dirs={data}\n"
            + "".join(f"{name}={value}\n" for name, value in self.more_settings.items())
        )
        cluster = base64.urlsafe_b64encode(b"\x01" + secrets.token_bytes(15)).decode().rstrip("=")
        words = ("format", "-t", cluster, "-c", str(self._properties), *self.more_format)
        command = _java("kafka.tools.StorageTool", *words)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BrokerUnavailable(f"formatting {data} failed: {done.stderr.strip()[-500:]}")

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if that takes too long."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def remove(self) -> None:
        """Delete the data."""
        shutil.rmtree(self._folder, ignore_errors=True)


class DockerBroker:
    """Apache's own image, one container."""

    def __init__(self, port: int) -> None:
        self.bootstrap = f"127.0.0.1:{port}"
        self._port = port
        self._name = f"tidegate-kafka-{port}"
        self._exists = False

    def start(self) -> None:
        """Create the container the first time, start it again afterwards."""
        if self._exists:
            _docker("start", self._name)
        else:
            _docker(
                "run", "-d", "--name", self._name, "-p", f"127.0.0.1:{self._port}:9092", *self._environment(), IMAGE
            )
        self._exists = True
        wait_for_port(self._port, None, None)

    def _environment(self) -> list[str]:
        own = {
            "controller.quorum.voters": "1@localhost:9093",
            "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
        }
        lines = [line for line in (HERE / "server.properties").read_text().splitlines() if "=" in line]
        settings = dict(line.split("=", 1) for line in lines if not line.startswith("#")) | own
        pairs = (f"KAFKA_{name.replace('.', '_').upper()}={value}" for name, value in settings.items())
        return [word for pair in pairs for word in ("-e", pair)]

    def stop(self) -> None:
        """Stop the container; its data stays."""
        _docker("stop", self._name)

    def kill(self) -> None:
        """Kill the container; its data stays."""
        if self._exists:
            subprocess.run(["docker", "kill", self._name], capture_output=True, check=False)

    def remove(self) -> None:
        """Delete the container."""
        subprocess.run(["docker", "rm", "-f", self._name], capture_output=True, check=False)


def jars() -> list[Path]:
    """Kafka's own jars, once Maven has fetched them."""
    return sorted(LIB.glob("kafka_*.jar"))


def _fetch_jars() -> None:
    if jars():
        return
    print("fetching Kafka's jars with Maven, once ...", file=sys.stderr)
    command = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={LIB}"]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BrokerUnavailable(f"Maven could not fetch Kafka: check the network: {done.stdout.strip()[-500:]}")


def _java(main: str, *words: str) -> list[str]:
    options = ["-Xmx512m", "-XX:+UseSerialGC", "-Djava.awt.headless=true"]
    return ["java", *options, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{LIB}/*", main, *words]


def _docker(*words: str) -> None:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BrokerUnavailable(f"docker {words[0]} failed: {done.stderr.strip()[-500:]}")


def free_port() -> int:
    """A port on loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes] | None, log: Path | None) -> None:
    """Return when something listens on `port`. Raises BrokerUnavailable when `process` ends or it takes too long."""
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            break
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    tail = log.read_text(errors="replace")[-1_000:] if log is not None else ""
    raise BrokerUnavailable(f"the broker on port {port} did not come up: {tail}")
