"""What the answers of replicas mean, the schedules that properties are played with, and what AP must have kept."""

import contextlib

from hypothesis import strategies as st

from kata.grading import together

SETTLE_SECONDS = 5
CONVERGE_SECONDS = 10
CALL_SECONDS = 3
NOISE_SECONDS = 1e-6

# ---------------------------------------------------------------- answers


def values_of(answer):
    """The values of a get's answer, sorted."""
    assert isinstance(answer, tuple | list), "what get gives, a pair of the values and the context"
    assert len(answer) == 2, "the length of what get gives, a pair of the values and the context"
    assert isinstance(answer[0], tuple | list | set | frozenset), "the first thing that get gives"
    assert all(isinstance(value, bytes) for value in answer[0]), "whether the values that get gives are bytes"
    return sorted(answer[0])


def only_value(answer):
    """The value of a CP get's answer, None where it has none."""
    values = values_of(answer)
    assert len(values) <= 1, "the number of values of a get in CP"
    return values[0] if values else None


def at(cluster, key, *names):
    """What get gives at each of these replicas (none named: all), sorted."""
    return together([cluster[name].get.start(key) for name in names or cluster.names], read=values_of)


def context_at(cluster, key, name):
    """The context that a get gives there."""
    answer = cluster[name].get(key)
    values_of(answer)
    return answer[1]


def ended(clock, calls):
    """Let the calls have their 3 s, in which each must end, by an answer or as Unavailable."""
    calls = list(calls)
    clock.advance(CALL_SECONDS)
    for call in calls:
        assert call.done or call.killed, f"whether {call} had ended {CALL_SECONDS} s later"
        if call.error is not None and not {"Unavailable", "ProcessKilled"} & set(call.error.types):
            raise call.error
    return calls


def failed_with(call):
    """The kind of error that a call ended with, of its subclasses alike; None when it gave an answer."""
    return call.error and ("Unavailable" if "Unavailable" in call.error.types else call.error.type)


# ---------------------------------------------------------------- schedules

NAMES = ("n1", "n2", "n3")


def schedules(verbs, waits, length):
    """Sequences of `(verb, replica, another replica, seconds to wait afterwards)`.

    To `rest` is a verb too: the smallest failing sequence is padded with rests, which leave no trace.
    """
    step = st.tuples(
        st.sampled_from(["rest", *verbs]), st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from([0, *waits])
    )
    return st.lists(step, min_size=length, max_size=length)


class Faults:
    """The faults of a schedule: at most one of the network at a time, and at most one replica down."""

    def __init__(self, cluster):
        self._cluster = cluster
        self._network = contextlib.ExitStack()

    def inflict(self, verb, name, other):
        net, others = self._cluster.net, set(self._cluster.names) - {name}
        match verb:
            case "isolate":
                self._change(net.partition({name}, others))
            case "deafen":
                self._change(net.cut(others, {name}))
            case "mute":
                self._change(net.cut({name}, others))
            case "cut" if name != other:
                self._change(net.cut({name}, {other}))
            case "heal":
                self._network.close()
            case "crash" if self._cluster.up() == self._cluster.names:
                self._cluster.crash(name)
            case "stumble" if self._cluster.up() == self._cluster.names:
                self._cluster.crash_at_send(name, sends=1)
            case "restart":
                self._cluster.start_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """All is whole again, and all are up."""
        self._network.close()
        self._cluster.call_off_crashes()
        self._cluster.start_all()

    def _change(self, fault):
        self._network.close()
        self._network.enter_context(fault)


@contextlib.contextmanager
def in_a_chain(cluster):
    """Meanwhile each replica can only reach the one before it and the one after it."""
    with contextlib.ExitStack() as cuts:
        for number, name in enumerate(cluster.names):
            near = set(cluster.names[max(0, number - 1) : number + 2])
            cuts.enter_context(cluster.net.cut({name}, set(cluster.names) - near))
        yield


# ---------------------------------------------------------------- what AP must have kept


class Causality:
    """All puts of one key, and which of them each has replaced."""

    def __init__(self):
        self._replaced = {}

    def put(self, value, seen):
        """`seen`: the values that came with the put's context."""
        self._replaced[value] = self.known_with(seen)

    def known_with(self, values):
        """These values, and all that they have replaced."""
        return set(values).union(*(self._replaced[value] for value in values))

    def latest(self):
        """The values that no put has replaced, sorted."""
        return sorted(set(self._replaced) - set().union(*self._replaced.values()))

    def __contains__(self, value):
        return value in self._replaced
