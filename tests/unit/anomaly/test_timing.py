"""When windows may close: by the sources of a profile, in whatever state they are."""

from detection.anomaly.timing import AHEAD, HOLD, SILENT, Timing

T = 1_800_000_000.0


def heard(*said: tuple[str, float, float]) -> Timing:
    """Sources with an event time and a receipt, in seconds after T."""
    timing = Timing()
    for source, event, receipt in said:
        timing.hear(source, T + event, T + receipt)
    return timing


def test_time_stands_where_the_slowest_source_is() -> None:
    timing = heard(("a", 100, 101), ("b", 40, 101))

    assert timing.advance(T + 101) == T + 40


def test_a_clock_that_is_ahead_moves_time_by_a_few_minutes_only() -> None:
    timing = heard(("a", 90_000, 100))

    assert timing.advance(T + 100) == T + 100 + AHEAD


def test_a_source_that_is_dead_holds_nobody_back() -> None:
    timing = heard(("dead", 0, 0), ("a", SILENT + 10, SILENT + 11))

    assert timing.advance(T + SILENT + 11) == T + SILENT + 10


def test_a_source_that_brings_in_old_logs_holds_back_an_hour_at_most() -> None:
    timing = heard(("a", 100_000, 100_000), ("old", -9e6, 100_000))

    assert timing.advance(T + 100_000) == T + 100_000 - HOLD


def test_time_never_goes_back() -> None:
    timing = heard(("a", 100, 100))
    before = timing.advance(T + 100)

    timing.hear("late", T - 5000, T + 101)

    assert timing.advance(T + 101) == before


def test_ticks_carry_time_through_a_quiet_night() -> None:
    timing = heard(("a", 100, 100))

    timing.tick("a", T + 20_000)

    assert timing.advance(T + 20_000) == T + 20_000


def test_ticks_leave_a_cloud_log_the_time_that_it_takes() -> None:
    timing = heard(("cloud", 0, 3600))

    timing.tick("cloud", T + 4000)

    assert timing.advance(T + 4000) == T + 400


def test_a_tick_of_a_source_that_was_never_heard_says_nothing() -> None:
    timing = heard(("a", 100, 100))

    timing.tick("other", T + 20_000)

    assert timing.advance(T + 110) == T + 100
