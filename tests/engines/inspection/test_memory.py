"""Peak memory on graphs small enough to count by hand."""

from mnv2_engines.inspection.graph import peak_memory


def step(operator, reads, makes):
    return makes[0], operator, tuple(reads), tuple(makes)


def test_a_chain_needs_the_largest_pair():
    steps = [step("Conv", ["input"], ["a"]), step("Conv", ["a"], ["b"]), step("Conv", ["b"], ["output"])]
    peak = peak_memory(steps, {"input": 10, "a": 50, "b": 30, "output": 5}, inputs=["input"], outputs=["output"])
    assert (peak.byte_count, peak.operation) == (80, "b")


def test_what_a_shortcut_keeps_is_there_all_the_time():
    steps = [step("Conv", ["x"], ["a"]), step("Conv", ["a"], ["b"]), step("Add", ["x", "b"], ["output"])]
    peak = peak_memory(steps, {"x": 10, "a": 60, "b": 10, "output": 10}, inputs=["x"], outputs=["output"])
    assert (peak.byte_count, peak.operation) == (80, "b")


def test_an_activation_function_writes_over_its_input_unless_another_needs_it():
    sizes = {"x": 10, "a": 60, "b": 60, "output": 1}
    steps = [step("Conv", ["x"], ["a"]), step("Clip", ["a"], ["b"]), step("Conv", ["b"], ["output"])]
    assert peak_memory(steps, sizes, inputs=["x"], outputs=["output"]).byte_count == 70
    steps[2] = step("Concat", ["a", "b"], ["output"])
    assert peak_memory(steps, sizes, inputs=["x"], outputs=["output"]).byte_count == 121


def test_what_nothing_reads_is_there_only_while_it_is_made():
    steps = [step("Split", ["x"], ["a", "unused"]), step("Conv", ["a"], ["output"])]
    sizes = {"x": 1, "a": 10, "unused": 100, "output": 50}
    assert peak_memory(steps, sizes, inputs=["x"], outputs=["output"]).byte_count == 111


def test_the_largest_may_be_the_input():
    steps = [step("Conv", ["x"], ["output"])]
    peak = peak_memory(steps, {"x": 100, "output": 1}, inputs=["x"], outputs=["output"])
    assert (peak.byte_count, peak.operation) == (101, "output")
