"""What Kafka has no place for, kept as notes of groups without members.

A group that has joined once is known until it is forgotten, and a topic has its retention, which
Kafka's own would enforce over the heads of slow readers. A note lasts as long as the brokers keep
positions of idle groups, and is written anew by enforcing retention; without it nothing is removed.
"""

from collections.abc import Mapping, Sequence

import msgspec
from kafka.errors import TopicAlreadyExistsError

from collectors.bus.contract import Partition, Retention
from collectors.bus.kafka.cluster import GROUPS_TOPIC, Cluster
from collectors.bus.kafka.reach import reaching

GROUP_MARK = "~joined"
RETENTION_GROUP = "~retention"
PLACE = Partition(GROUPS_TOPIC, 0)


def join(cluster: Cluster, group: str, prefix: str) -> None:
    """Note that `group` reads the topics that begin with `prefix`."""
    before = joined(cluster, [group]).get(group, ())
    if prefix in before:
        return
    if not cluster.count(GROUPS_TOPIC):
        _make_place(cluster)
    _write(cluster, group, [*before, prefix])


def groups(cluster: Cluster) -> Mapping[str, Sequence[str]]:
    """Every known group with the prefixes that it reads."""
    with reaching("list groups"):
        found = cluster.admin.list_groups()
    names = [str(group["group_id"]) for group in found]
    lead = cluster.settings.prefix
    return joined(
        cluster,
        [
            name[len(lead) : -len(GROUP_MARK)]
            for name in names
            if name.startswith(lead) and name.endswith(GROUP_MARK)
        ],
    )


def joined(cluster: Cluster, names: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """The prefixes that each of these groups reads; unknown groups are left out."""
    notes = cluster.stored_by([name + GROUP_MARK for name in names])
    return {
        name[: -len(GROUP_MARK)]: msgspec.json.decode(stored[PLACE].note, type=list[str])
        for name, stored in notes.items()
        if PLACE in stored
    }


def forget(cluster: Cluster, group: str) -> None:
    """Strike a group out, with the positions that it has stored. It must have no members."""
    with reaching("forget a group"):
        cluster.admin.delete_groups([cluster.full(group), cluster.full(group + GROUP_MARK)])


def keep(cluster: Cluster, topic: str, retention: Retention) -> None:
    """Note what a topic keeps."""
    note = msgspec.json.encode(retention).decode()
    cluster.store(RETENTION_GROUP, Partition(topic, 0), note)


def kept(cluster: Cluster) -> Mapping[str, Retention]:
    """What each topic keeps."""
    notes = cluster.stored(RETENTION_GROUP)
    return {
        place.topic: msgspec.json.decode(position.note, type=Retention)
        for place, position in notes.items()
    }


def renew(cluster: Cluster) -> None:
    """Write all notes anew, so that brokers don't drop them as idle."""
    for topic, retention in kept(cluster).items():
        keep(cluster, topic, retention)
    for group, prefixes in groups(cluster).items():
        _write(cluster, group, prefixes)


def _write(cluster: Cluster, group: str, prefixes: Sequence[str]) -> None:
    cluster.store(group + GROUP_MARK, PLACE, msgspec.json.encode(prefixes).decode())


def _make_place(cluster: Cluster) -> None:
    name = cluster.full(GROUPS_TOPIC)
    shape = {"num_partitions": 1, "replication_factor": cluster.settings.replication}
    try:
        with reaching("make a topic"):
            cluster.admin.create_topics({name: shape}, wait_for_metadata=True)
    except TopicAlreadyExistsError:
        cluster.wait_until_count(GROUPS_TOPIC, 1)
