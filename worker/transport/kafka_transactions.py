"""
One input partition's transactional producer: its decisions and its offset stand together, or not at all.

The rules that make it exactly once, with a client that knows neither group metadata nor its own lost requests:

* The producer is started, which fences every earlier one of the partition, before the committed offset is read, and
  only who is a member of the group after that goes on.
* Nothing below that offset is ever published: it stands already, whoever published it.
* Every request of a transaction is sent once. Where an answer is missing the outcome is unknown, so the producer goes,
  and the next one starts with a fresh look at the committed offset. A request that was delayed on its way carries the
  old epoch by then and is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import InvalidTransactionTimeout, KafkaError, TransactionalIdAuthorizationFailed
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import (
    AddOffsetsToTxnRequest,
    AddPartitionsToTxnRequest,
    EndTxnRequest,
    TxnOffsetCommitRequest,
)
from aiokafka.structs import OffsetAndMetadata

from worker.core.errors import ConfigError, PublishFailed
from worker.core.records import Outgoing, Partition
from worker.transport.kafka_offsets import Committed, committed
from worker.transport.kafka_producer import Packed, Sizes, close, pack, reason, send
from worker.transport.settings import KafkaSettings

_log = structlog.get_logger(__name__)
_ONCE = (ProduceRequest, AddPartitionsToTxnRequest, AddOffsetsToTxnRequest, TxnOffsetCommitRequest, EndTxnRequest)
_DISCARD_S = 1.0  # for the farewell of a producer that has failed already

Targets = Mapping[TopicPartition, Sequence[Outgoing]]
IsMember = Callable[[], Awaitable[bool]]


class AnswerMissing(ConnectionError):
    """A request of a transaction went out and no answer came: what became of it is unknown. Ends aiokafka's sender."""


class NotOurs(Exception):
    """The group has given the partition to somebody else."""


class PartitionWriter:
    """
    The only writer of one input partition's outputs. One transaction at a time.

    Args:
        is_member: asks the group whether this worker still holds what it was given; raises KafkaError for no answer.
    """

    def __init__(
        self, settings: KafkaSettings, options: Mapping[str, Any], partition: Partition, is_member: IsMember
    ) -> None:
        self._settings = settings
        self._options = options
        self._is_member = is_member
        self._partition = TopicPartition(*partition)
        self._id = f"{settings.group_id}-{partition.topic}-{partition.number}"
        self._producer: AIOKafkaProducer | None = None
        self._stands = Committed(None, "")  # what lies below its offset is published
        self._sizes = Sizes(settings.max_request_size)
        self._turn = asyncio.Lock()
        self._closed = False

    async def open(self) -> Committed | None:
        """
        Fence the partition's earlier writers, then read where to go on; None when the partition is not ours any more.

        Raises:
            PublishFailed: no answer in time, try again.
            ConfigError: waiting cannot mend it.
        """
        async with self._turn:
            try:
                async with self._in_time():
                    await self._fence()
            except NotOurs:
                await self._discard()
                return None
            return self._stands

    async def publish(self, targets: Targets, offset: int, mark: str = "") -> bool:
        """
        Publish, and store `offset`, the next one to read, in one transaction; False when the partition is not ours.

        What stands already is left out, so the same call can be made again whatever became of the first.

        Raises:
            PublishFailed: it does not stand as far as we know; call again.
        """
        async with self._turn:
            whole = False
            try:
                async with self._in_time():
                    if self._closed:
                        return False
                    if self._producer is None:
                        await self._fence()
                    await self._transact(targets, Committed(offset, mark))
                whole = True
            except NotOurs:
                return False
            finally:
                if not whole:
                    await self._discard()
            return True

    @contextlib.asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        """A block that ends within the transaction's timeout, and whose errors are ours."""
        limit = self._settings.transaction_timeout_ms
        try:
            async with asyncio.timeout(limit / 1000):
                yield
        except TimeoutError as error:
            raise PublishFailed(f"transaction {self._id} not ended within transaction.timeout.ms {limit}") from error
        except TransactionalIdAuthorizationFailed as error:
            raise ConfigError(
                f"no right to write as transactional.id {self._id}: grant Write and Describe on ids that begin with "
                f"{self._settings.group_id}-"
            ) from error
        except InvalidTransactionTimeout as error:
            raise ConfigError(
                f"transaction.timeout.ms {limit} is over the broker's transaction.max.timeout.ms: lower it"
            ) from error
        except (KafkaError, OSError, AssertionError) as error:  # aiokafka asserts its states
            raise PublishFailed(f"transaction {self._id} does not stand: {reason(error)}") from error

    async def _fence(self) -> None:
        if not await self._is_member():  # asked before, so that nobody is fenced in vain
            raise NotOurs
        settings = self._settings
        producer = self._producer = AIOKafkaProducer(
            **self._options,
            acks="all",
            transactional_id=self._id,
            transaction_timeout_ms=settings.transaction_timeout_ms,
            max_batch_size=settings.batch_size,
            max_request_size=settings.max_request_size,
            compression_type=settings.compression_type,
            linger_ms=0,
        )
        _send_once(producer)
        try:
            await producer.start()
            self._stands = await committed(producer.client, settings.group_id, self._partition)
            if not await self._is_member():  # and after, as only an heir that comes later fences us
                raise NotOurs
        except BaseException:
            await self._discard()
            raise
        _log.debug("transport.fenced", transactional_id=self._id, offset=self._stands.offset)

    async def _transact(self, targets: Targets, goal: Committed) -> None:
        stands, producer = self._stands.offset, self._producer
        assert producer is not None
        assert goal.offset is not None
        if stands is not None and (goal.offset < stands or goal == self._stands):
            return
        batches = self._batches(producer, targets)
        await producer.begin_transaction()
        sending = [send(producer, target, chain, self._sizes) for target, chain in batches.items()]
        for end in await asyncio.gather(*sending, return_exceptions=True):
            if isinstance(end, BaseException):
                raise end  # aiokafka would commit without what failed
        moved = {self._partition: OffsetAndMetadata(*goal)}
        await producer.send_offsets_to_transaction(moved, self._settings.group_id)
        await producer.commit_transaction()
        self._stands = goal

    def _batches(self, producer: AIOKafkaProducer, targets: Targets) -> dict[TopicPartition, list[Packed]]:
        fresh = dict(targets)
        if (stands := self._stands.offset) is not None:
            fresh = {target: [o for o in some if o.source.offset >= stands] for target, some in targets.items()}
        return {target: pack(producer, target, some, self._sizes) for target, some in fresh.items() if some}

    async def close(self, timeout_s: float) -> None:
        """Let the transaction under way end, at most so long; nothing is published any more."""
        self._closed = True
        try:
            async with asyncio.timeout(timeout_s), self._turn:
                pass
        except TimeoutError:
            _log.warning("transport.transaction_abandoned", transactional_id=self._id, after_s=timeout_s)
        await self._discard()

    async def _discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        await close(producer, _DISCARD_S)
        ended = producer._txn_manager.wait_for_transaction_end()
        if ended is not None and ended.done() and not ended.cancelled():
            ended.exception()  # said already, by what failed: else asyncio prints it when the future is collected


def _send_once(producer: AIOKafkaProducer) -> None:
    """Keep aiokafka from sending a transaction's request a second time when the first one's answer is missing."""
    send_request = producer.client.send

    async def once(node: int, request: Any, **group: Any) -> Any:
        if not isinstance(request, _ONCE):
            return await send_request(node, request, **group)
        try:
            return await send_request(node, request, **group)
        except KafkaError as error:
            raise AnswerMissing(f"{type(request).__name__}: {reason(error)}") from error

    producer.client.send = once
