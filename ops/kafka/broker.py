"""A real single-node Kafka for development and tests: the one you have, else from Maven's jars, else in Docker."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from types import TracebackType
from typing import Protocol

from ops.kafka.nodes import BrokerUnavailable, DockerBroker, GivenBroker, JavaBroker, free_port, jars


class Running(Protocol):
    """One way of running a broker; data and port survive from `stop` or `kill` to the next `start`."""

    @property
    def bootstrap(self) -> str: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def kill(self) -> None: ...

    def remove(self) -> None: ...


class Broker:
    """
    `with Broker() as broker: broker.bootstrap`.

    Uses KAFKA_BOOTSTRAP_SERVERS when it is set (and never stops that one), else Java with Maven's jars, else Docker.
    own: start one of our own even when KAFKA_BOOTSTRAP_SERVERS is set, for tests that kill it.
    through: port of a proxy at which the broker is to be found as well; it must lead to the port `behind`. Java only.

    Raises:
        BrokerUnavailable: neither is there.
    """

    def __init__(self, *, own: bool = False, port: int | None = None, through: int | None = None) -> None:
        given = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
        if given and not own:
            self._running: Running = GivenBroker(given)
        elif shutil.which("java") and (jars() or shutil.which("mvn")):
            self._running = JavaBroker(port or free_port(), through)
        elif shutil.which("docker") and through is None:
            self._running = DockerBroker(port or free_port())
        else:
            raise BrokerUnavailable(
                "no Kafka here: set KAFKA_BOOTSTRAP_SERVERS, or install Java 17 and Maven "
                "(apt install openjdk-17-jre-headless maven), or Docker"
            )

    @property
    def bootstrap(self) -> str:
        """host:port, the same after a restart."""
        return self._running.bootstrap

    @property
    def behind(self) -> int | None:
        """Port of the listener that a proxy leads to."""
        return self._running.behind if isinstance(self._running, JavaBroker) else None

    def start(self) -> None:
        """Start, or start again on the same data and port; returns when it accepts connections."""
        self._running.start()

    def stop(self) -> None:
        """Shut down in order."""
        self._running.stop()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._running.kill()

    def __enter__(self) -> Broker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.kill()
        self._running.remove()


def main() -> None:
    """`python -m ops.kafka.broker up [--port N]`: run until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m ops.kafka.broker", description=__doc__)
    parser.add_argument("verb", choices=["up"])
    parser.add_argument("--port", type=int, default=9092, help="port on loopback (default 9092)")
    port = parser.parse_args().port
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Broker(port=port) as broker:
        print(f"Kafka answers at {broker.bootstrap}; Ctrl-C ends it and deletes its data", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient second Ctrl-C must not orphan the broker
            print("stopping", flush=True)
            broker.stop()


if __name__ == "__main__":
    try:
        main()
    except BrokerUnavailable as error:
        sys.exit(str(error))
