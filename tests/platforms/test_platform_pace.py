"""How often and how soon what failed for the moment is tried again."""

from litemail.platforms import Pace


def test_a_call_that_fails_is_tried_ten_times_and_more_at_growing_times() -> None:
    pace = Pace()
    assert pace.platform_tries >= 10
    for _ in range(50):
        waits = [pace.wait(tries) for tries in range(1, pace.platform_tries)]
        assert 0 < waits[0] < 1
        assert all(later <= pace.longest_wait for later in waits)
        assert waits[4] > waits[2] > waits[0]


def test_what_failed_together_does_not_come_back_together() -> None:
    assert len({Pace().wait(3) for _ in range(20)}) > 10
