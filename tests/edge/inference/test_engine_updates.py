import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from mnv2_edge.app import load_network
from mnv2_edge.config.model import EngineConfig, TaskConfig
from mnv2_edge.environment import Environment
from mnv2_edge.inference.hot_swap import EngineUpdates
from mnv2_edge.inference.network import Network
from mnv2_edge.pipeline.pipeline import Pipeline
from mnv2_edge.pipeline.reader import OpenedCamera
from mnv2_edge.records import Event, Result
from mnv2_engines.engine.engine import Engine
from mnv2_engines.engine.reference import EngineFile
from mnv2_engines.errors import CorruptEngineError, EngineError
from mnv2_engines.preprocessing.preprocess import Preprocess, ResizePolicy
from support.engines import write_engine
from support.fakes import EchoTask, FilmSource, ListSink, StrictBackend
from support.leaks import check_flat

POLL_S = 0.02
SETTLED_S = 10 * POLL_S
IDENTITY = Preprocess(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), resize=ResizePolicy("stretch"))


class Shelf:
    """A place for engines whose name is all that there is to them; `wrong` says why one cannot be read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.token = 0
        self.wrong: Exception | None = None
        self.reads = 0
        self.closed = False

    def put(self, name: str, wrong: Exception | None = None) -> None:
        self.name, self.wrong = name, wrong
        self.token += 1

    def version(self) -> str:
        return str(self.token)

    def read(self) -> Engine:
        self.reads += 1
        if self.wrong is not None:
            raise self.wrong
        self.closed = False
        return Engine(Path(self.name), "litert", self.name, self.name * 20, None, None, None, None)

    def close(self) -> None:
        self.closed = True


class Loader:
    """Open what a shelf holds; `refuse` and `before` are called on the way."""

    def __init__(self) -> None:
        self.opened: list[StrictBackend] = []
        self.before: Callable[[], object] = lambda: None

    def __call__(self, engine: Engine) -> Network:
        self.before()
        self.opened.append(StrictBackend())
        return Network(self.opened[-1], EchoTask(), IDENTITY, engine.id, labels=(engine.name,))

    @property
    def open_now(self) -> list[bool]:
        return [not backend.closed for backend in self.opened]


class Service:
    """Updates that put networks to work nowhere; started by `serving`."""

    def __init__(self, *, watch: bool = False) -> None:
        self.shelf = Shelf("a")
        self.load = Loader()
        self.changed: list[str] = []
        self.updates = EngineUpdates(self.shelf, self.load, watch=watch, poll_s=POLL_S)

    def change(self, network: Network) -> bool:
        self.changed.append(network.labels[0])
        return True

    def until(self, reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not reached():
            assert time.monotonic() < deadline
            time.sleep(0.002)


@contextmanager
def serving(*, watch: bool = False) -> Iterator[Service]:
    service = Service(watch=watch)
    service.updates.start(service.change)
    with closing(service.updates):
        yield service


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[int], list[str]]:
    caplog.set_level(logging.DEBUG, "mnv2_edge.inference.hot_swap")

    def messages(level: int) -> list[str]:
        return [record.getMessage() for record in caplog.records if record.levelno == level]

    return messages


def test_what_takes_the_place_of_an_engine_is_put_to_work_and_the_old_one_closed() -> None:
    with serving(watch=True) as service:
        service.shelf.put("b")
        service.until(lambda: service.load.open_now == [False, True])
        assert service.changed == ["b"]
        assert service.updates.network.labels == ("b",)
    assert service.load.open_now == [False, False]
    assert service.shelf.closed


def test_without_watching_it_takes_somebody_who_asks() -> None:
    with serving() as service:
        service.shelf.put("b")
        time.sleep(SETTLED_S)
        assert service.shelf.reads == 1
        service.updates.ask()
        service.until(lambda: service.changed == ["b"])


def test_asking_without_another_engine_is_answered_in_one_line(said: Callable[[int], list[str]]) -> None:
    with serving() as service:
        for _ in range(3):
            service.updates.ask()
        service.until(lambda: bool(said(logging.INFO)))
    assert said(logging.INFO)[0] == f"the engine is a@{'a' * 12} as before: nothing changes"
    assert service.load.open_now == [False]


def test_the_same_engine_copied_anew_changes_nothing_and_says_nothing(said: Callable[[int], list[str]]) -> None:
    with serving(watch=True) as service:
        service.shelf.put("a")
        service.until(lambda: service.shelf.reads == 2)
        time.sleep(SETTLED_S)
    assert service.shelf.reads == 2
    assert said(logging.INFO) == said(logging.WARNING) == []


def test_a_wrong_engine_is_told_once_and_not_tried_again_before_it_changes(said: Callable[[int], list[str]]) -> None:
    with serving(watch=True) as service:
        service.shelf.put("b", CorruptEngineError("b is damaged: build it again"))
        service.until(lambda: bool(said(logging.WARNING)))
        time.sleep(SETTLED_S)
        (warning,) = said(logging.WARNING)
        assert warning == f"the engine is not changed, a@{'a' * 12} goes on: b is damaged: build it again"
        assert (service.shelf.reads, service.changed, service.load.open_now) == (2, [], [True])
        service.updates.ask()  # a person may ask again
        service.until(lambda: len(said(logging.WARNING)) == 2)
        service.shelf.put("b")
        service.until(lambda: service.changed == ["b"])


@pytest.mark.parametrize("error", [EngineError("no"), ZeroDivisionError("a plug-in's"), KeyboardInterrupt()])
def test_whatever_opening_raises_the_old_one_goes_on(error: BaseException, said: Callable[[int], list[str]]) -> None:
    def refuse() -> None:
        raise error

    with serving(watch=True) as service:
        service.load.before = refuse
        service.shelf.put("b")
        service.until(lambda: bool(said(logging.WARNING)))
        service.load.before = lambda: None
        service.shelf.put("c")
        service.until(lambda: service.changed == ["c"])


def test_an_engine_that_fails_its_rehearsal_is_closed(said: Callable[[int], list[str]]) -> None:
    with serving(watch=True) as service:
        service.load.before = lambda: service.load.opened.append(StrictBackend())
        original = EchoTask.decode
        try:
            EchoTask.decode = lambda *_: 1 / 0
            service.shelf.put("b")
            service.until(lambda: bool(said(logging.WARNING)))
        finally:
            EchoTask.decode = original
        assert service.load.opened[-1].closed
        assert service.changed == []


def test_what_is_replaced_while_it_is_opened_is_not_put_to_work() -> None:
    """What was verified may not be what was opened then."""
    with serving() as service:

        def replace() -> None:
            service.load.before = lambda: None
            service.shelf.put("c")

        service.load.before = replace
        service.shelf.put("b")
        service.updates.ask()
        service.until(lambda: service.changed == ["c"])
        assert service.load.open_now == [False, False, True]


def test_a_file_that_still_grows_is_not_read() -> None:
    with serving(watch=True) as service:
        for _ in range(40):
            service.shelf.put("b")
            time.sleep(POLL_S / 4)
        assert service.shelf.reads == 1
        service.until(lambda: service.changed == ["b"])


def test_a_change_that_the_run_did_not_live_to_see_closes_both() -> None:
    service = Service(watch=True)
    service.updates.start(lambda network: False)
    service.shelf.put("b")
    service.until(lambda: len(service.load.opened) == 2)
    service.updates.close()
    assert service.load.open_now == [False, False]


def test_closing_waits_for_no_engine_that_is_being_opened() -> None:
    go_on = threading.Event()
    with serving(watch=True) as service:
        service.load.before = lambda: go_on.wait(10)
        service.shelf.put("b")
        service.until(lambda: service.shelf.reads == 2)
        began = time.monotonic()
        service.updates.close()
        assert time.monotonic() - began < 2
        assert service.updates.stuck
        go_on.set()
        service.until(lambda: not service.updates.stuck)
        assert service.load.open_now == [False, False]
        assert service.changed == []


class TestFiles:
    @pytest.fixture
    def engine(self, tmp_path: Path) -> Path:
        write_engine(tmp_path / "signs.tflite", "first")
        return tmp_path / "signs.tflite"

    def test_another_file_under_the_same_name_is_another_version(self, engine: Path) -> None:
        reference = EngineFile(engine)
        before = reference.version()
        assert reference.version() == before
        write_engine(engine, "second")
        assert reference.version() != before
        assert reference.read().name == "second"

    @pytest.mark.parametrize("suffix", [".json", ".yaml"])
    def test_so_is_what_describes_it(self, suffix: str, engine: Path) -> None:
        reference = EngineFile(engine)
        before = reference.version()
        engine.with_suffix(suffix).touch()
        assert reference.version() != before

    def test_so_is_a_link_that_leads_elsewhere(self, tmp_path: Path) -> None:
        for version in ("one", "two"):
            (tmp_path / version).mkdir()
            write_engine(tmp_path / version / "signs.tflite", version)
        link = tmp_path / "current"
        link.symlink_to("one")
        reference = EngineFile(link / "signs.tflite")
        before = reference.version()
        (tmp_path / "next").symlink_to("two")
        (tmp_path / "next").replace(link)
        assert reference.version() != before
        assert reference.read().name == "two"

    def test_a_file_that_is_gone_is_a_version_too(self, engine: Path) -> None:
        reference = EngineFile(engine)
        before = reference.version()
        engine.unlink()
        assert reference.version() != before
        with pytest.raises(EngineError):
            reference.read()

    def test_changes_of_a_running_pipeline_leave_nothing_behind(self, engine: Path, tmp_path: Path) -> None:
        """Twenty changes of real engines: file descriptors, threads and memory stay as they are."""
        environment = Environment(cache=tmp_path, home=tmp_path)

        def load(found: Engine) -> Network:
            return load_network(found, EngineConfig(threads=1), TaskConfig(), None, environment)

        names = iter(f"engine{number}" for number in range(1000))
        with closing(EngineUpdates(EngineFile(engine), load)) as updates:
            sink = ListSink()
            camera = OpenedCamera("cam", FilmSource(10**9, live=True, endless=True, period_s=0.001))
            pipeline = Pipeline([camera], updates.network, [sink])
            stop = threading.Event()
            thread = threading.Thread(target=pipeline.run, args=(stop,))
            thread.start()
            updates.start(pipeline.change_network)

            def change() -> None:
                wanted = write_engine(engine, next(names))
                updates.ask()
                deadline = time.monotonic() + 20
                while not any(isinstance(record, Result) and record.engine == wanted for record in sink.records):
                    assert time.monotonic() < deadline
                    time.sleep(0.005)
                sink.records[:] = [record for record in sink.records if isinstance(record, Event)]

            try:
                check_flat(change, cycles=20, warm_up=3)
            finally:
                stop.set()
                thread.join(10)
        assert sum(isinstance(record, Event) for record in sink.records) == 23
