from mnv2_engines.backends.delegation import InterpreterNode, read_delegation


def conv(inputs: tuple[int, ...], outputs: tuple[int, ...]) -> InterpreterNode:
    return InterpreterNode("CONV_2D", inputs, outputs)


def delegate(inputs: tuple[int, ...], outputs: tuple[int, ...]) -> InterpreterNode:
    return InterpreterNode("DELEGATE", inputs, outputs)


def test_one_delegate_over_everything_is_accelerated() -> None:
    found = read_delegation([conv((0,), (1,)), InterpreterNode("SOFTMAX", (1,), (2,)), delegate((0,), (2,))], [2])
    assert found.accelerated
    assert found.delegates == 1
    assert (found.fallback, found.postprocess) == ((), ())
    assert found.final == ("SOFTMAX",)


def test_without_a_delegate_the_network_itself_is_the_fallback() -> None:
    found = read_delegation([conv((0,), (1,)), InterpreterNode("SOFTMAX", (1,), (2,))], [2])
    assert not found.accelerated
    assert found.delegates == 0
    assert found.fallback == ("CONV_2D",)


def test_what_follows_the_delegate_is_postprocessing() -> None:
    operators = [conv((0,), (1,)), InterpreterNode("ARG_MAX", (1,), (2,)), delegate((0,), (1,))]
    found = read_delegation(operators, [2])
    assert found.accelerated
    assert found.postprocess == ("ARG_MAX",)
    assert found.final == ("ARG_MAX",)


def test_an_operator_between_two_delegates_is_a_fallback() -> None:
    operators = [
        conv((0,), (1,)),
        InterpreterNode("AVERAGE_POOL_2D", (1,), (2,)),
        conv((2,), (3,)),
        InterpreterNode("SOFTMAX", (3,), (4,)),
        delegate((0,), (1,)),
        delegate((2,), (3,)),
    ]
    found = read_delegation(operators, [4])
    assert not found.accelerated
    assert found.delegates == 2
    assert found.fallback == ("AVERAGE_POOL_2D",)
    assert found.postprocess == ("SOFTMAX",)


def test_a_convolution_behind_the_delegate_is_no_postprocessing() -> None:
    found = read_delegation([conv((0,), (1,)), conv((1,), (2,)), delegate((0,), (1,))], [2])
    assert not found.accelerated
    assert found.fallback == ("CONV_2D",)


def test_the_meaning_of_an_output_is_found_behind_a_quantize() -> None:
    operators = [InterpreterNode("LOGISTIC", (0,), (1,)), InterpreterNode("QUANTIZE", (1,), (2,)), delegate((0,), (2,))]
    assert read_delegation(operators, [2]).final == ("LOGISTIC",)


def test_an_output_that_nothing_makes_has_no_meaning() -> None:
    assert read_delegation([], [0]).final == ("",)
