"""
What may go wrong and what to do about it: the one source of these words.

`docs/operations.md` and the annotations of `ops/prometheus/alerts.yaml` are written from here (`make runbook`), and
`tidegate doctor` prints the same words. Checks are what doctor looks at, alerts what Prometheus watches; codes stand in
`remedies.py`.
"""

from __future__ import annotations

from worker.core.remedies import CODES, Entry

CHECKS: dict[str, Entry] = {
    "settings": Entry(
        "the settings file, `TIDEGATE_*` variables and flags make one whole",
        "mend the setting that is named; a variable wins over the file",
    ),
    "secrets": Entry(
        "files with passwords, keys and certificates can be read, and no certificate ends within two weeks",
        "write the file again with the new secret and let the worker's user read it; a running worker takes "
        "it up by itself",
    ),
    "queue": Entry(
        "the broker answers this user, the topics are there and may be read",
        "start the broker, create the topics, or grant the right that is named",
    ),
    "outputs": Entry(
        "output topics have as many partitions as the input, so a decision keeps the number of its event",
        "create the output topics with the input's number of partitions; adding some later moves where decisions go",
    ),
    "keys": Entry(
        "events of one actor or stream stay in one partition, which their order needs",
        "let producers key by tenant with stream, else actor, else id",
    ),
    "models": Entry(
        "the models load, and their weights have the pinned digests",
        "install again from the lock; weights that differ are never used",
    ),
    "device": Entry(
        "the device of `models.device` is there",
        "set models.device to auto or cpu, or mend the driver",
    ),
    "policies": Entry(
        "every policy of the source compiles",
        "mend the line that is named; `tidegate policy lint` shows more",
    ),
    "state": Entry(
        "the folder for the last good policies can be written",
        "let the worker's user write to the folder of `state`, and keep it on a volume",
    ),
}

ALERTS: dict[str, Entry] = {
    "TidegateDown": Entry(
        "Prometheus cannot scrape a worker",
        "look at the pod's last log line: exit code 1 is a client that was stuck and needs only the restart, "
        "2 is settings; then `tidegate doctor`",
    ),
    "TidegateNotReady": Entry(
        "a worker has not been ready for five minutes",
        "`/readyz` names the check that fails; `tidegate doctor` its remedy",
    ),
    "TidegateNotPolling": Entry(
        "the loop of a worker has not polled for 30 seconds",
        "restart it if `/healthz` has not had it restarted; keep its log, this is a bug",
    ),
    "TidegateNobodyReads": Entry(
        "no worker holds a partition of the input",
        "compare group.id and topics.events with what was meant; look for a group stuck in a rebalance",
    ),
    "TidegateLag": Entry(
        "the oldest unread event has waited over a minute for five minutes",
        "add workers while there are partitions for them; if the device is idle, look at the broker; if a "
        "tenant floods, give it `limits.events_per_s` and `otherwise.late`",
    ),
    "TidegateSlow": Entry(
        "one publish in twenty held an event older than five seconds",
        "with lag, as for TidegateLag; without, look at model time by lane and at the time of publishing",
    ),
    "TidegateSaturated": Entry(
        "a worker has run out of credits for ten minutes: it reads only as fast as it finishes",
        "add workers; raise flow.events only where memory and the drain's deadline allow",
    ),
    "TidegatePublishFails": Entry(
        "the broker has not acknowledged decisions for five minutes; they are sent again, nothing is lost",
        "look at in-sync replicas, disk and Write on the output topics",
    ),
    "TidegateCommitsFail": Entry(
        "offsets are not stored; after a restart decisions would be repeated with the same ids",
        "look at the group coordinator and Read on the group",
    ),
    "TidegateTransactionsFail": Entry(
        "more than one transaction in ten fails",
        "look at the transaction coordinator, at transaction.timeout.ms and at two workers with one group and"
        " other settings",
    ),
    "TidegateDeadLetters": Entry(
        "more than one record in a hundred is no event",
        "`tidegate deadletter list` shows the codes and their producers' topics; mend the producer, then redrive",
    ),
    "TidegateParked": Entry(
        "records broke, hung or killed the worker and were parked",
        "`tidegate deadletter show` has their history; mend the cause, then `tidegate deadletter redrive`",
    ),
    "TidegateDegraded": Entry(
        "more than one decision in twenty is degraded",
        "the codes say which: a model that fails, content that cannot be read, a limit; the table of codes "
        "has the remedies",
    ),
    "TidegateModelFails": Entry(
        "a model fails on views of events; the policy's `otherwise.failed` decides them",
        "the log names the model and the error; restart on another device, or go back to the last version",
    ),
    "TidegateHung": Entry(
        "work was given up because it hung; its thread is lost until a restart",
        "the record is parked: find what it has in common with others; restart the worker when it suits",
    ),
    "TidegateDied": Entry(
        "a partition came from a worker that died with work under way",
        "find why it died: out of memory, or one record; suspects are run one at a time meanwhile, so "
        "throughput is lower",
    ),
    "TidegateBreakerOpen": Entry(
        "a category's block rate jumped and its blocks are flags now",
        "`/status` names policy and category; a changed policy or model is the usual cause, an attack the other",
    ),
    "TidegatePolicyRefused": Entry(
        "the newest version of a policy is not in force, the last good one is",
        "`/status` has file, line and reason; mend it and save it again",
    ),
    "TidegateShedding": Entry(
        "events are decided by lists alone because they are late or over their tenant's rate",
        "if it is one tenant, that is what its limits are for; if it is all, add workers",
    ),
    "TidegateRebalancing": Entry(
        "partitions change hands more than six times in a quarter of an hour",
        "workers that restart or a scaler that flutters: look at restarts, raise the scaler's cooldown, set "
        "group.instance.id",
    ),
    "TidegateDrainCutShort": Entry(
        "a drain ended with events under way; their heir judges them again",
        "lower flow.events or raise flow.drain_s, which stays below kafka.rebalance.timeout.ms",
    ),
    "TidegateSecretNotRead": Entry(
        "a changed password, certificate, or file of keys or people cannot be used; the one before goes on",
        "the log names the file and why; write it again",
    ),
    "TidegateMixedVersions": Entry(
        "workers of two versions have run for an hour",
        "finish the upgrade or take it back; they work together meanwhile",
    ),
}


def entry(name: str) -> tuple[str, Entry] | None:
    """The kind and the line of a check, alert or code; None for a name that none of them has."""
    for kind, table in (("check", CHECKS), ("alert", ALERTS), ("code", CODES)):
        if name in table:
            return kind, table[name]
    return None


__all__ = ["ALERTS", "CHECKS", "CODES", "Entry", "entry"]
