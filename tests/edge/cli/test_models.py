"""`mnv2-edge models` as a user calls it, with a server that is not the network."""

import errno
import hashlib
import json
import os
import pty
import subprocess

import pytest
import yaml

from mnv2_edge import __main__ as program
from mnv2_edge.cli.models import command
from mnv2_edge.environment import read_environment
from mnv2_edge.inference.models import pulled_model
from mnv2_engines.catalogue import CatalogueModel, RemoteFile
from mnv2_engines.catalogue.entries import Catalogue
from mnv2_engines.demo import demo_engine_path
from mnv2_engines.engine.engine import read_engine
from support.command import COMMAND, call, environment, errors
from support.file_server import file_server
from support.networks import MobileNetV2, state_dict
from support.torch_format import save_zip

TFLITE = b"\x1c\0\0\0TFL3" + bytes(200_000)
SHA256 = hashlib.sha256(TFLITE).hexdigest()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MNV2_EDGE_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def server(home):
    """Run a server of which the user's catalogue knows `net` with its hash, and `fresh` without."""
    with file_server() as running:
        running.files["net.tflite"] = TFLITE
        file = {"name": "net.tflite", "urls": [f"{running.url}/net.tflite"]}
        known = {"description": "d", "licence": "l", "files": [{**file, "sha256": SHA256}]}
        models = {"net": known, "fresh": {**known, "files": [file]}}
        (home / "models").mkdir()
        (home / "models" / "catalogue.yaml").write_text(yaml.safe_dump({"version": 1, "models": models}))
        yield running


def run(*args):
    return program.main(["models", *args])


class TestList:
    def test_a_table_says_what_there_is_and_what_is_here(self, capsys):
        assert run("list") == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split() == ["NAME", "HERE", "TASK", "SIZE", "LICENCE", "WHAT", "IT", "KNOWS"]
        rows = {line.split()[0]: line.split() for line in lines[1:]}
        assert rows["mobilenet-v2"][1:6] == ["-", "classify", "13.6", "MiB", "BSD-3-Clause"]
        assert rows["demo"][1] == "yes"
        assert rows["coral-ssd"][2:4] == ["detect", "?"]

    def test_json_has_all_of_it(self, capsys, server):
        assert run("pull", "net") == 0
        capsys.readouterr()
        assert run("list", "--json") == 0
        told = {model["name"]: model for model in json.loads(capsys.readouterr().out)}
        assert told["mobilenet-v2"]["installed"] is None
        assert told["mobilenet-v2"]["licence"] == "BSD-3-Clause"
        assert told["net"]["from"] == "your catalogue"
        assert told["net"]["pulled"]["sha256"] == SHA256
        assert told["net"]["installed"].endswith("models/net/net.tflite")

    def test_one_model_is_shown_and_its_addresses_alone(self, capsys):
        assert run("show", "coral-inat-bird") == 0
        assert yaml.safe_load(capsys.readouterr().out)["classes"] == 965
        assert run("show", "coral-inat-bird", "--urls") == 0
        assert [line.rpartition("/")[2] for line in capsys.readouterr().out.splitlines()] == [
            "mobilenet_v2_1.0_224_inat_bird_quant.tflite",
            "inat_bird_labels.txt",
        ]

    def test_two_forms_at_once_are_refused(self, capsys):
        assert run("show", "coral-inat-bird", "--urls", "--json") == 2
        assert "--json has the addresses too" in capsys.readouterr().err


class TestPull:
    def test_it_says_where_the_model_is_and_what_to_type(self, server, home, capsys):
        assert run("pull", "net") == 0
        out = capsys.readouterr().out.splitlines()
        path = home / "models" / "net" / "net.tflite"
        assert out == [str(path), "next: mnv2-edge run --model net"]
        assert run("pull", "net") == 0
        assert "is there already, and whole" in capsys.readouterr().out

    def test_an_unknown_hash_is_said_and_another_file_refused(self, server, home, capsys):
        assert run("pull", "fresh") == 0
        (note,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
        assert note.startswith("note: no hash is published for net.tflite; SHA-256 " + SHA256)
        (home / "models" / "fresh" / "net.tflite").unlink(missing_ok=True)
        (home / "models" / "fresh" / "fresh.tflite").unlink()
        server.files["net.tflite"] = changed = TFLITE + b"!"
        assert run("pull", "fresh") == 65
        (line,) = errors(capsys.readouterr().err)
        command_line = line.partition("`")[2].partition("`")[0]
        assert command_line == f"mnv2-edge models pull fresh --accept {hashlib.sha256(changed).hexdigest()}"
        assert run(*command_line.split()[2:]) == 0

    @pytest.mark.parametrize(
        ("answers", "status", "said"),
        [
            (lambda s: [s.status(404)], 69, "is not there (404)"),
            (lambda s: [s.status(403)], 69, "refuses to give"),
            (lambda s: [s.status(429, Retry_After="900")], 69, "the same command goes on in 900 s"),
            (lambda s: [s.broken_after(1000, ETag="")], 69, "broke off after 1000 of 200008 bytes"),
            (lambda s: [s.stalled_after(0)], 69, "does not answer in time"),
            (lambda s: [s.content(b"<html>", Content_Type="text/html")], 69, "login page"),
            (lambda s: [s.content(TFLITE[:-1] + b"x")], 65, "is not net.tflite as it was published"),
            (lambda s: [s.content(b"", Content_Length=str(1 << 40))], 65, "expected at most 512 MiB"),
        ],
    )
    def test_what_goes_wrong_is_one_line_with_the_right_status(self, server, capsys, answers, status, said):
        server.script = answers(server)
        timeout_s = "0.5" if "in time" in said else "20"
        assert run("pull", "net", "--tries", "1", "--timeout", timeout_s) == status
        (line,) = errors(capsys.readouterr().err)
        assert said in line
        assert "--mirror DIR" in line

    @pytest.mark.parametrize(
        ("args", "status", "said"),
        [
            (["nett"], 2, "did you mean net?"),
            (["net", "--mirror", "/no/such"], 69, "has no file net.tflite"),
            (["net", "--mirror", "http://u:secret@host/"], 2, "holds a password"),
            (["net", "--accept", "abc"], 2, "64 hexadecimal digits"),
            (["net", "fresh", "--accept", SHA256], 2, "for one model"),
            (["net", "--fill-mirror", "/no/such"], 2, "mkdir -p /no/such"),
            ([], 2, "NAME"),
        ],
    )
    def test_wrong_usage(self, server, capsys, args, status, said):
        assert run("pull", *args) == status
        (line,) = errors(capsys.readouterr().err)
        assert said in line
        assert "secret" not in line

    def test_a_mirror_works_without_a_network(self, shared, capsys, home):
        assert run("pull", "coral-mobilenet-v2", "--mirror", str(shared / "models")) == 0
        path = home / "models" / "coral-mobilenet-v2" / "coral-mobilenet-v2.tflite"
        assert path.exists()
        assert "next: mnv2-edge run --model coral-mobilenet-v2" in capsys.readouterr().out

    def test_a_mirror_is_filled(self, server, tmp_path, capsys, home):
        (tmp_path / "usb").mkdir()
        assert run("pull", "net", "--fill-mirror", str(tmp_path / "usb")) == 0
        assert capsys.readouterr().out == f"{tmp_path}/usb/net.tflite\n"
        assert run("pull", "net", "--mirror", str(tmp_path / "usb")) == 0

    @pytest.mark.parametrize(
        ("number", "status", "said"),
        [
            (errno.EACCES, 77, "closed to this user"),
            (errno.EROFS, 75, "the disk is read-only"),
            (errno.ENOSPC, 75, "free some space"),
            (errno.EIO, 75, "the disk fails"),
            (errno.ENAMETOOLONG, 69, "cannot be used"),
        ],
    )
    def test_what_the_disk_has_against_it(self, server, home, capsys, monkeypatch, number, status, said):
        def refuse(self, *_args, **_more):
            raise OSError(number, os.strerror(number), str(self))

        monkeypatch.setattr("pathlib.Path.mkdir", refuse)
        assert run("pull", "net") == status
        (line,) = errors(capsys.readouterr().err)
        assert said in line
        assert str(home) in line

    def test_a_broken_catalogue_is_78(self, home, capsys):
        (home / "models").mkdir()
        (home / "models" / "catalogue.yaml").write_text("version: 2")
        assert run("list") == 78
        assert "catalogue.yaml" in capsys.readouterr().err

    def test_a_terminal_gets_a_bar(self, server, home):
        master, slave = pty.openpty()
        done = subprocess.run(
            [*COMMAND, "models", "pull", "net"],
            stdout=subprocess.PIPE,
            stderr=slave,
            text=True,
            env=environment(home, TERM="xterm"),
            check=False,
            timeout=60,
        )
        os.close(slave)
        shown = os.read(master, 1 << 16).decode()
        os.close(master)
        assert done.returncode == 0
        assert "net.tflite" in shown

    def test_ctrl_c_keeps_the_part(self, server, home):
        import signal
        import time

        server.script = [server.stalled_after(100_000)]
        process = subprocess.Popen(
            [*COMMAND, "models", "pull", "net"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(home)
        )
        part = home / "models" / ".parts" / "net" / "net.tflite"
        deadline = time.monotonic() + 30
        while not (part.exists() and part.stat().st_size == 100_000):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert b"Traceback" not in err
        assert run("pull", "net") == 0
        assert server.requests[-1].range == "bytes=100000-"


class TestAdd:
    def test_a_file_of_ones_own_runs_by_its_name(self, tmp_path, capsys):
        signs = tmp_path / "signs_v2.tflite"
        signs.write_bytes(demo_engine_path().read_bytes())
        (tmp_path / "signs.txt").write_text("".join(f"sign {number}\n" for number in range(12)))
        assert run("add", str(signs), "--name", "signs", "--labels", str(tmp_path / "signs.txt")) == 0
        assert "next: mnv2-edge run --model signs" in capsys.readouterr().out
        assert run("show", "signs", "--json") == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["from"], told["licence"]) == ("your catalogue", "yours")
        assert told["files"][0]["sha256"] == hashlib.sha256(signs.read_bytes()).hexdigest()
        ran = program.main(["run", "--model", "signs", "--camera", "demo", "--max-frames", "1", "--format", "jsonl"])
        assert ran == 0
        assert json.loads(capsys.readouterr().out)["predictions"][0]["label"].startswith("sign ")

    def test_labels_are_counted(self, tmp_path, capsys):
        assert run("add", str(demo_engine_path()), "--name", "signs", "--labels", "imagenet") == 65
        (line,) = errors(capsys.readouterr().err)
        assert "imagenet has 1000 labels, the network has 12 classes" in line

    def test_a_background_is_added_where_the_network_has_one(self, shared, home, capsys):
        model = shared / "models" / "mobilenet_v2_1.0_224_quant.tflite"
        assert run("add", str(model), "--name", "mine", "--labels", "imagenet") == 0
        assert (home / "models" / "mine" / "labels.txt").read_text().startswith("background\ntench\n")

    def test_an_address(self, server, capsys):
        args = [
            "--name",
            "mine",
            "--task",
            "detect",
            "--labels",
            "coco",
            "--mean",
            "0",
            "--std",
            "255",
            "--resize",
            "stretch",
        ]
        assert run("add", f"{server.url}/net.tflite", *args) == 0
        capsys.readouterr()
        assert run("show", "mine", "--json") == 0
        told = json.loads(capsys.readouterr().out)
        assert told["preprocess"] == {"mean": [0.0, 0.0, 0.0], "std": [255.0, 255.0, 255.0], "resize": "stretch"}
        assert (told["task"], told["labels"]) == ("detect", "coco")

    @pytest.mark.parametrize(
        ("args", "status", "said"),
        [
            (["none.tflite", "--name", "cats"], 65, "there is no file none.tflite"),
            (["none.tflite"], 2, "--name"),
            (["none.tflite", "--name", "demo"], 2, "is taken"),
            (["none.tflite", "--name", "cats", "--mean", "1"], 2, "both, or neither"),
            (["none.tflite", "--name", "cats", "--resize", "crop"], 2, "resize 'crop' is unknown"),
            (["https://u:secret@host/m.tflite", "--name", "cats"], 2, "holds a password"),
        ],
    )
    def test_what_does_not_fit_is_one_line(self, capsys, args, status, said, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert run("add", *args) == status
        (line,) = errors(capsys.readouterr().err)
        assert said in line


class TestRemove:
    def test_it_says_what_is_gone_and_how_it_comes_back(self, server, home, capsys):
        assert program.main(["models", "pull", "fresh"]) == 0
        signs = home / "signs.tflite"
        signs.write_bytes(TFLITE)
        assert run("add", str(signs), "--name", "mine") == 0
        capsys.readouterr()
        assert run("remove", "fresh", "mine") == 0
        assert capsys.readouterr().out.splitlines() == [
            "fresh is removed, 0.2 MiB freed; it left your catalogue too",
            "mine is removed, 0.2 MiB freed; it left your catalogue too",
        ]
        assert signs.exists()
        assert run("list", "--json") == 0
        assert not {"fresh", "mine"} & {model["name"] for model in json.loads(capsys.readouterr().out)}
        assert run("remove", "mine") == 2

    def test_none_is_removed_when_one_is_mistyped(self, server, home, capsys):
        assert run("pull", "net") == 0
        assert run("remove", "net", "coral-ssd") == 2
        (line,) = errors(capsys.readouterr().err)
        assert "nothing of coral-ssd is on this device" in line
        assert (home / "models" / "net" / "net.tflite").exists()

    def test_an_engine_that_was_built_from_it_stays_and_is_named(self, tmp_path, capsys):
        weights = save_zip(tmp_path / "w.pth", state_dict(MobileNetV2(0.1, (32, 32), 4)))
        assert run("add", str(weights), "--name", "tiny", "--resolution", "32") == 0
        assert program.main(["build-engine", "tiny", "--precision", "fp32", "--name", "mine"]) == 0
        capsys.readouterr()
        assert run("remove", "tiny") == 0
        assert "the engine mine that was built from it stays: mnv2-edge engines remove mine" in capsys.readouterr().out
        ran = program.main(["run", "--model", "mine", "--camera", "demo", "--max-frames", "1", "--format", "jsonl"])
        assert ran == 0

    def test_a_pull_brings_back_what_the_package_knows(self, shared, home, capsys):
        mirror = ("--mirror", str(shared / "models"))
        assert run("pull", "coral-mobilenet-v2", *mirror) == 0
        capsys.readouterr()
        assert run("remove", "coral-mobilenet-v2") == 0
        assert "`mnv2-edge models pull coral-mobilenet-v2` brings it again" in capsys.readouterr().out
        assert not (home / "models" / "coral-mobilenet-v2").exists()
        assert run("pull", "coral-mobilenet-v2", *mirror) == 0


class TestProgress:
    def test_a_file_of_a_folder_is_copied_and_not_fetched(self, shared, server, home):
        done = call("models", "pull", "coral-mobilenet-v2", "--mirror", shared / "models", home=home)
        assert "copying " in done.stderr
        assert "fetching" not in done.stderr
        assert "fetching net.tflite" in call("models", "pull", "net", home=home).stderr


class TestRun:
    def test_a_pulled_model_runs_by_its_name(self, shared, home):
        done = call("models", "pull", "coral-mobilenet-v2", "--mirror", shared / "models", home=home)
        assert done.returncode == 0, done.stderr
        args = ("--camera", shared / "images" / "parrot.jpg", "--format", "jsonl")
        done = call("run", "--model", "coral-mobilenet-v2", *args, home=home)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["engine"] == "coral-mobilenet-v2@7aad0c74c5e3"
        assert told["predictions"][0]["label"] == "macaw"

    @pytest.mark.parametrize(
        ("name", "command_line"),
        [
            ("coral-mobilenet-v2", "`mnv2-edge models pull coral-mobilenet-v2`"),
            ("mobilenet-v2", "`mnv2-edge build-engine mobilenet-v2 --calibration FOLDER`"),
            ("nobodys", "`mnv2-edge build-engine MODEL.onnx --name nobodys`"),
        ],
    )
    def test_one_that_is_not_here_comes_with_the_command_that_brings_it(self, capsys, name, command_line):
        assert program.main(["run", "--model", name, "--camera", "demo"]) == 65
        (line,) = errors(capsys.readouterr().err)
        assert command_line in line

    def test_what_comes_with_the_package_is_here(self, capsys):
        assert (
            program.main(["run", "--model", "demo", "--camera", "demo", "--max-frames", "1", "--format", "jsonl"]) == 0
        )
        assert json.loads(capsys.readouterr().out)["engine"].startswith("demo@")

    def test_an_engine_of_the_store_comes_first_and_a_file_second(self, home, tmp_path, monkeypatch):
        environment = read_environment({"MNV2_EDGE_HOME": str(home)})
        assert pulled_model("demo", environment).name == "demo.tflite"
        monkeypatch.chdir(tmp_path)
        (tmp_path / "demo").write_text("")
        assert pulled_model("demo", environment) is None
        (tmp_path / "demo").unlink()
        (home / "engines" / "versions" / "demo" / "1-00000000").mkdir(parents=True)
        (home / "engines" / "demo").symlink_to("versions/demo/1-00000000")
        assert pulled_model("demo", environment) is None


class TestBuild:
    @pytest.fixture
    def default(self, server, tmp_path, monkeypatch):
        """Let the package's catalogue know one model, whose weights the server has."""
        weights = save_zip(tmp_path / "w.pth", state_dict(MobileNetV2(0.1, (32, 32), 4))).read_bytes()
        server.files["w.pth"] = weights
        file = RemoteFile(name="w.pth", urls=(f"{server.url}/w.pth",), sha256=hashlib.sha256(weights).hexdigest())
        entry = CatalogueModel(description="d", licence="l", classes=4, resolution=32, files=(file,), note="beware")
        catalogue = Catalogue(version=1, models={"tiny": entry}, default="tiny")
        monkeypatch.setattr("mnv2_engines.catalogue.read_package_catalogue", lambda: catalogue)
        return server

    @pytest.mark.parametrize("named", [[], ["tiny"]])
    def test_without_a_file_the_catalogues_model_is_pulled_and_built(self, default, home, capsys, named):
        assert program.main(["build-engine", *named, "--precision", "fp32"]) == 0
        captured = capsys.readouterr()
        assert "run it: mnv2-edge run --model tiny" in captured.out
        assert "note: beware" in captured.err
        assert "nothing states mean and std" not in captured.err
        assert read_engine(next((home / "engines" / "tiny").glob("*.tflite"))).manifest.model.file == "tiny.onnx"
        default.requests.clear()
        assert program.main(["build-engine", *named, "--precision", "fp32"]) == 0
        assert default.requests == []

    def test_pictures_are_asked_for_before_anything_is_fetched(self, default, capsys):
        assert program.main(["build-engine"]) == 2
        assert default.requests == []
        assert "never on random data" in capsys.readouterr().err

    def test_offline_it_says_what_to_do(self, default, capsys):
        default.script = [default.status(404)]
        assert program.main(["build-engine", "--precision", "fp32"]) == 69
        (line,) = errors(capsys.readouterr().err)
        assert "no model is named, and the catalogue's tiny is not here" in line
        assert "`--mirror DIR` of `mnv2-edge models pull tiny`; or name an ONNX file" in line


def test_every_command_is_there():
    assert list(command.commands) == ["list", "show", "pull", "add", "remove"]
