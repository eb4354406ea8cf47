"""Whether the group still counts on this worker, and when it last said so: what aiokafka knows and does not tell."""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import GroupCoordinatorNotAvailableError

from worker.core.clock import Clock


class Membership:
    """One consumer's place in its group."""

    def __init__(self, consumer: AIOKafkaConsumer, clock: Clock) -> None:
        self._consumer = consumer
        self._clock = clock
        self._heard = clock.now()

    def listen(self) -> None:
        """Note every heartbeat that is answered; called once, when the consumer has started."""
        coordinator = self._consumer._coordinator
        beat = coordinator._do_heartbeat

        async def heard() -> bool:
            if answered := bool(await beat()):
                self.heard()
            return answered

        coordinator._do_heartbeat = heard

    def heard(self) -> None:
        """The group has just answered."""
        self._heard = self._clock.now()

    @property
    def silent_s(self) -> float:
        """Seconds since the group last answered."""
        return self._clock.now() - self._heard

    async def holds(self) -> bool:
        """Ask the group whether it still counts on this worker. Raises KafkaError when it does not say."""
        coordinator = self._consumer._coordinator
        if coordinator.member_id and await coordinator._do_heartbeat():
            return True
        if coordinator.member_id:
            raise GroupCoordinatorNotAvailableError
        return False
