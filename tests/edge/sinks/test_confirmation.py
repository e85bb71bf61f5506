"""What is counted as lost when a connection ends: all that the broker has not shown to have read."""

from mnv2_edge.sinks.confirmation import Confirmation


def hand_over(confirmation, count):
    for _ in range(count):
        confirmation.hand_over()


def test_what_was_answered_for_is_not_lost():
    confirmation = Confirmation()
    hand_over(confirmation, 3)
    assert confirmation.ask()
    confirmation.answered()
    confirmation.connection_ended()
    assert (confirmation.waiting, confirmation.lost) == (0, 0)


def test_an_answer_proves_only_what_came_before_its_question():
    confirmation = Confirmation()
    hand_over(confirmation, 3)
    assert confirmation.ask()
    hand_over(confirmation, 2)
    assert not confirmation.ask()  # one question at a time
    confirmation.answered()
    assert confirmation.waiting == 2
    assert confirmation.ask()
    confirmation.connection_ended()
    assert (confirmation.waiting, confirmation.lost) == (0, 2)


def test_nothing_is_asked_when_everything_is_proven():
    confirmation = Confirmation()
    assert not confirmation.ask()
    hand_over(confirmation, 1)
    assert confirmation.ask()
    confirmation.withdraw()
    assert confirmation.ask()


def test_a_message_that_was_refused_is_not_counted_twice():
    confirmation = Confirmation()
    assert confirmation.take_back(confirmation.hand_over())
    connection = confirmation.hand_over()
    confirmation.connection_ended()
    assert not confirmation.take_back(connection)
    assert (confirmation.waiting, confirmation.lost) == (0, 1)
